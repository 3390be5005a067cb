/** What is published: packed, installed in an empty folder, and used there through its command and its modules. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { execute, recipe, temporaryFolder, tiny, writeText } from "./heptagen.ts";

const root = resolve(import.meta.dirname, "../..");
const { folder, remove } = temporaryFolder();
const modules = join(folder, "node_modules");
const installed = join(modules, "heptagen");
const text = join(folder, "text.txt");

/** Runs the installed command in the empty folder. */
function run(...argv: string[]) {
  const { bin } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
  return execute(process.execPath, [join(installed, bin.heptagen), ...argv], { cwd: folder });
}

beforeAll(async () => {
  const packed = await execute("npm", ["pack", "--json", "--pack-destination", folder], { cwd: root });
  expect(packed.code, packed.stderr).toBe(0);
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz")) as string;
  mkdirSync(modules);
  expect((await execute("tar", ["-xzf", join(folder, tarball), "-C", modules])).code).toBe(0);
  renameSync(join(modules, "package"), installed);
  // What npm would install beside it, without asking a registry.
  const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
  for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
    const source = join(root, "node_modules", name);
    if (!existsSync(source)) continue; // an optional package that this machine does without
    mkdirSync(join(modules, name, ".."), { recursive: true });
    symlinkSync(source, join(modules, name), "junction");
  }
  writeText(text);
});
afterAll(remove);

describe("the installed package", () => {
  it("trains, samples and exports through its command, and plain ONNX Runtime runs the export", async () => {
    const trained = await run("train", recipe, ...tiny, "--data", text, "--out", "run");
    expect(trained.stderr).toBe("");
    expect(trained.code).toBe(0);
    const sampled = await run("sample", "run", "--prompt", "the whale", "--max-tokens", "20");
    expect(sampled.stderr).toBe("");
    expect(sampled.stdout).toMatch(/^the whale/);
    const exported = await run("export", "run", "--format", "onnx");
    expect(exported.stderr).toBe("");
    expect(exported.code).toBe(0);

    writeFileSync(
      join(folder, "load.mjs"),
      `import * as ort from "onnxruntime-node";
       const session = await ort.InferenceSession.create("run/model.onnx");
       for (const [batch, time] of [[1, 5], [3, 16]]) {
         const ids = new ort.Tensor("int64", new BigInt64Array(batch * time).fill(1n), [batch, time]);
         const outputs = await session.run({ [session.inputNames[0]]: ids });
         const logits = outputs[session.outputNames[0]];
         console.log(JSON.stringify({ dims: logits.dims, finite: logits.data.every(Number.isFinite) }));
       }`,
    );
    const loaded = await execute(process.execPath, ["load.mjs"], { cwd: folder });
    expect(loaded.stderr).toBe("");
    const vocabulary = Object.keys(JSON.parse(readFileSync(join(folder, "run/tokenizer.json"), "utf8")).model.vocab).length;
    expect(
      loaded.stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { dims: [1, 5, vocabulary], finite: true },
      { dims: [3, 16, vocabulary], finite: true },
    ]);
  });

  it("is imported by its subpaths", async () => {
    writeFileSync(
      join(folder, "import.mjs"),
      `import { HeptagenError } from "heptagen";
       import { openModel } from "heptagen/tasks";
       let text = "";
       for await (const event of (await openModel("run")).sample({ maxTokens: 10 })) if (event.kind === "text") text += event.text;
       console.log(text.length > 0, typeof HeptagenError);`,
    );
    const { stdout, stderr } = await execute(process.execPath, ["import.mjs"], { cwd: folder });
    expect(stderr).toBe("");
    expect(stdout).toBe("true function\n");
  });

  it("comes with the text that the quickstart learns", () => {
    expect(existsSync(join(installed, "assets/moby-dick.txt"))).toBe(true);
  });
});
