/**
 * The layer table: which folders of src/ each folder may import. Imports point one way; docs/architecture.md says why.
 * A folder that is not in the table may not exist.
 */
const base = ["util", "core"];
const model = [...base, "ops", "nn"];
const training = [...model, "runtime", "optim", "models", "data", "metrics"];
const layers = {
  util: [],
  core: ["util"],
  ops: base,
  onnx: base,
  runtime: [...base, "onnx"],
  nn: [...base, "ops"],
  optim: [...base, "ops"],
  models: model,
  data: ["util"],
  metrics: ["util", "runtime"],
  baselines: ["util", "metrics"],
  train: training,
  tasks: [...training, "onnx", "train", "baselines"],
  server: [...training, "onnx", "train", "baselines", "tasks"],
  cli: [...training, "onnx", "train", "baselines", "tasks", "server"],
};

/** Layers that may import Node's built-in modules; everywhere else only `*.node.ts` files may. */
const nodeLayers = ["cli", "data", "train", "tasks", "runtime"];

const any = (names) => `(${names.join("|")})`;
const browserSafe = { path: "^src/", pathNot: [`^src/${any(nodeLayers)}/`, "\\.node\\.ts$"] };

/** @type {import("dependency-cruiser").IConfiguration} */
module.exports = {
  forbidden: [
    ...Object.entries(layers).map(([layer, allowed]) => ({
      name: `layer-${layer}`,
      comment: `src/${layer} may import ${allowed.length > 0 ? allowed.join(", ") : "no other layer"}.`,
      severity: "error",
      from: { path: `^src/${layer}/` },
      to: { path: "^src/", pathNot: `^src/${any([layer, ...allowed])}/` },
    })),
    {
      name: "unknown-layer",
      comment: "Every folder of src/ is a layer of the table.",
      severity: "error",
      from: { path: "^src/[^/]+/", pathNot: `^src/${any(Object.keys(layers))}/` },
      to: {},
    },
    {
      name: "no-cycles",
      comment:
        "Files that run each other cannot be read top to bottom. Types may refer to each other: they are erased. Ops may too: " +
        "the gradient of a sum is a broadcast and the gradient of a broadcast is a sum, whatever file they stand in.",
      severity: "error",
      from: { pathNot: "^src/ops/" },
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    {
      name: "onnxruntime-only-in-runtime",
      comment: "Only src/runtime talks to ONNX Runtime.",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/runtime/" },
      to: { path: "onnxruntime-(node|web|common)" },
    },
    {
      name: "browser-safe",
      comment: `Node's built-in modules belong in *.node.ts files or in ${nodeLayers.join(", ")}.`,
      severity: "error",
      from: browserSafe,
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "browser-safe-files",
      comment: "A file that runs in a browser cannot import one that needs Node.",
      severity: "error",
      from: browserSafe,
      to: { path: "\\.node\\.ts$" },
    },
    {
      name: "source-stands-alone",
      comment: "The library never imports its tests, benchmarks, scripts or development tools.",
      severity: "error",
      from: { path: "^src/" },
      to: { path: "^(test|bench|examples|scripts)/" },
    },
    {
      name: "no-development-packages",
      comment: "What src/ imports must be installed with the package.",
      severity: "error",
      from: { path: "^src/" },
      to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"], dependencyTypesNot: ["type-only"] },
    },
    {
      name: "resolvable",
      comment: "An import must lead somewhere.",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true, // type imports count: a layer is also what it must know about
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "default", "types"] },
  },
};
