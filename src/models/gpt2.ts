/**
 * GPT-2 (Radford et al. 2019) as Hugging Face lays it out, read into and written from our Transformer.
 *
 * The arithmetic is the same; names and settings differ. Weights of linear maps are [in, out] on both sides (their `Conv1D`),
 * queries, keys and values lie side by side on both, so arrays are taken as they are. Names may begin with `transformer.` (a
 * saved GPT2LMHeadModel) or not (the original files). Some files also hold the causal mask (`h.0.attn.bias`), which is skipped.
 *
 *   wte.weight [V, C]  wpe.weight [T, C]                 tokens, positions
 *   h.{i}.ln_1  h.{i}.attn.c_attn  h.{i}.attn.c_proj     blocks.{i}.norm1  attn.qkv  attn.out
 *   h.{i}.ln_2  h.{i}.mlp.c_fc     h.{i}.mlp.c_proj      blocks.{i}.norm2  mlp.up    mlp.down
 *   ln_f        lm_head.weight [V, C]                    norm              head (transposed; only when it is not tied)
 *
 * Legend: V vocabulary, T context, C width, F hidden width of the MLP.
 */
import { HeptagenError, nearest } from "../util/errors.ts";
import { type NdArray, type Shape, sameShape, sizeOf } from "../util/ndarray.ts";
import type { Tree } from "../util/tree.ts";
import type { HuggingFaceLayout, Json } from "./hugging-face.ts";
import { checkConfig, type TransformerConfig, type TransformerParams, transformerDefaults } from "./transformer.ts";

/** Their names for the activations that we have. */
const activations = new Map<unknown, TransformerConfig["activation"]>([
  ["gelu_new", "gelu-tanh"],
  ["gelu_pytorch_tanh", "gelu-tanh"],
  ["gelu_fast", "gelu-tanh"],
  ["gelu", "gelu"],
]);

/** Settings that change the arithmetic, with the only value we compute. Absent means that value. */
const required: Readonly<Record<string, boolean>> = {
  scale_attn_weights: true,
  scale_attn_by_inverse_layer_idx: false,
  add_cross_attention: false,
};

function readConfig(json: Json, source: string): TransformerConfig {
  const unsupported = (key: string, expected: string): never => {
    throw new HeptagenError(
      "gpt2/unsupported",
      `${source}: expected ${key} ${expected}, got ${JSON.stringify(json[key]) ?? "nothing"}`,
      {
        facts: { source, key, value: json[key] },
        next: "Choose a model whose configuration is that of GPT-2.",
      },
    );
  };
  if (json.model_type !== undefined && json.model_type !== "gpt2") unsupported("model_type", '"gpt2"');
  for (const [key, value] of Object.entries(required)) {
    if (json[key] !== undefined && json[key] !== value) unsupported(key, String(value));
  }
  const count = (key: string): number => {
    const value = json[key];
    return Number.isInteger(value) && (value as number) > 0
      ? (value as number)
      : unsupported(key, "to be a whole number above 0");
  };
  const fraction = (key: string, fallback: number): number => {
    const value = json[key] ?? fallback;
    return typeof value === "number" && value >= 0 && value < 1 ? value : unsupported(key, "from 0 to below 1");
  };
  const activation = activations.get(json.activation_function ?? "gelu_new");
  if (!activation) return unsupported("activation_function", `to be one of ${[...activations.keys()].join(", ")}`);
  const [width, heads] = [count("n_embd"), count("n_head")];
  const config: TransformerConfig = {
    ...transformerDefaults,
    vocabulary: count("vocab_size"),
    context: count("n_positions"),
    layers: count("n_layer"),
    heads,
    keyValueHeads: heads,
    width,
    hidden: (json.n_inner ?? null) === null ? 4 * width : count("n_inner"),
    positions: "learned",
    norm: "layer",
    epsilon: fraction("layer_norm_epsilon", 1e-5),
    activation,
    bias: true,
    tied: json.tie_word_embeddings !== false,
    dropout: fraction("resid_pdrop", 0.1),
  };
  checkConfig(config);
  return config;
}

/** The causal mask and the number that masked scores were set to: kept in files, computed by us. */
const skips = (name: string): boolean => /(^|\.)h\.\d+\.attn\.(bias|masked_bias)$/.test(name);

const prefix = "transformer.";

/** Takes arrays out of a map by name and shape, and remembers what did not fit. */
class Shelf {
  readonly #arrays = new Map<string, NdArray>();
  readonly #problems: string[] = [];
  readonly #missing: string[] = [];

  constructor(tensors: ReadonlyMap<string, NdArray>) {
    for (const [name, array] of tensors) {
      if (!skips(name)) this.#arrays.set(name.startsWith(prefix) ? name.slice(prefix.length) : name, array);
    }
  }

  has(name: string): boolean {
    return this.#arrays.has(name);
  }

  take(name: string, shape: Shape): NdArray {
    const found = this.#arrays.get(name);
    this.#arrays.delete(name);
    if (found && found.dtype === "float32" && sameShape(found.shape, shape)) return found;
    if (found) this.#problems.push(`different: ${name}: expected float32 [${shape}], got ${found.dtype} [${found.shape}]`);
    else this.#missing.push(name);
    return { dtype: "float32", shape, data: new Float32Array(0) };
  }

  /** Fails when anything was missing, different, or is left. */
  close(source: string): void {
    const extra = [...this.#arrays.keys()];
    const missing = this.#missing.map((name) => {
      const near = nearest(name, extra);
      return `missing: ${name}${near ? ` (there is ${near})` : ""}`;
    });
    const problems = [...missing, ...this.#problems, ...extra.map((name) => `not expected: ${name}`)];
    if (problems.length === 0) return;
    const shown = problems.slice(0, 8).map((line) => `  ${line}`);
    const more = problems.length > shown.length ? [`  and ${problems.length - shown.length} more`] : [];
    throw new HeptagenError(
      "gpt2/arrays",
      [`${source}: expected the arrays of the GPT-2 that config.json describes`, ...shown, ...more].join("\n"),
      { facts: { source, problems }, next: "Check that config.json and the weights belong to one model." },
    );
  }
}

function readParams(
  config: TransformerConfig,
  tensors: ReadonlyMap<string, NdArray>,
  source: string,
): TransformerParams<NdArray> {
  const { vocabulary, context, layers, width, hidden, tied } = config;
  const shelf = new Shelf(tensors);
  const norm = (name: string) => ({
    weight: shelf.take(`${name}.weight`, [width]),
    bias: shelf.take(`${name}.bias`, [width]),
  });
  const linear = (name: string, from: number, to: number) => ({
    weight: shelf.take(`${name}.weight`, [from, to]),
    bias: shelf.take(`${name}.bias`, [to]),
  });
  const tokens = shelf.take("wte.weight", [vocabulary, width]);
  const params = {
    tokens: { weight: tokens },
    positions: { weight: shelf.take("wpe.weight", [context, width]) },
    blocks: Array.from({ length: layers }, (_, i) => ({
      norm1: norm(`h.${i}.ln_1`),
      attn: {
        qkv: linear(`h.${i}.attn.c_attn`, width, 3 * width),
        out: linear(`h.${i}.attn.c_proj`, width, width),
      },
      norm2: norm(`h.${i}.ln_2`),
      mlp: { up: linear(`h.${i}.mlp.c_fc`, width, hidden), down: linear(`h.${i}.mlp.c_proj`, hidden, width) },
    })),
    norm: norm("ln_f"),
  };
  // A tied head may be stored as well, as a copy of the token vectors.
  const head = !tied || shelf.has("lm_head.weight") ? shelf.take("lm_head.weight", [vocabulary, width]) : undefined;
  shelf.close(source);
  if (!head || (tied && sameNumbers(head, tokens))) return params;
  if (!tied) return { ...params, head: { weight: swapAxes(head) } };
  throw new HeptagenError(
    "gpt2/arrays",
    `${source}: expected lm_head.weight to equal wte.weight, since the head is tied; it differs`,
    {
      next: 'If the model was trained with a head of its own, set "tie_word_embeddings": false in config.json.',
    },
  );
}

function sameNumbers(a: NdArray, b: NdArray): boolean {
  return a.data.length === b.data.length && a.data.every((value, i) => value === b.data[i]);
}

/** [M, N] → [N, M] */
function swapAxes({ dtype, shape, data }: NdArray): NdArray {
  const [rows, columns] = shape as [number, number];
  const out = new Float32Array(sizeOf(shape));
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = Number(data[i * columns + j]);
  return { dtype, shape: [columns, rows], data: out };
}

function obstacle(config: TransformerConfig): string | undefined {
  if (config.positions !== "learned") return `${config.positions} positions (GPT-2 learns them)`;
  if (config.norm !== "layer") return `${config.norm} norm (GPT-2 has layer norm)`;
  if (config.activation === "swiglu") return "a SwiGLU (GPT-2 has GELU)";
  if (config.keyValueHeads !== config.heads) return "grouped queries (GPT-2 has as many key/value heads as heads)";
  return undefined;
}

function writeConfig(config: TransformerConfig): Json {
  refuse(config);
  const { layers, heads, width, hidden, context, vocabulary, epsilon, dropout, tied } = config;
  return {
    model_type: "gpt2",
    architectures: ["GPT2LMHeadModel"],
    activation_function: config.activation === "gelu" ? "gelu" : "gelu_new",
    n_layer: layers,
    n_head: heads,
    n_embd: width,
    n_inner: hidden === 4 * width ? null : hidden,
    n_positions: context,
    n_ctx: context,
    vocab_size: vocabulary,
    layer_norm_epsilon: epsilon,
    attn_pdrop: 0,
    embd_pdrop: dropout,
    resid_pdrop: dropout,
    tie_word_embeddings: tied,
  };
}

/** Models without biases get biases of 0, which compute the same. */
function writeParams(config: TransformerConfig, params: TransformerParams<NdArray>): Map<string, NdArray> {
  refuse(config);
  const tensors = new Map<string, NdArray>();
  const put = (name: string, { weight, bias }: { readonly weight: NdArray; readonly bias?: NdArray }) => {
    const size = weight.shape.at(-1) as number;
    tensors.set(`${prefix}${name}.weight`, weight);
    tensors.set(`${prefix}${name}.bias`, bias ?? { dtype: "float32", shape: [size], data: new Float32Array(size) });
  };
  tensors.set(`${prefix}wte.weight`, params.tokens.weight);
  if (params.positions) tensors.set(`${prefix}wpe.weight`, params.positions.weight);
  params.blocks.forEach(({ norm1, attn, norm2, mlp }, i) => {
    put(`h.${i}.ln_1`, norm1);
    put(`h.${i}.attn.c_attn`, attn.qkv);
    put(`h.${i}.attn.c_proj`, attn.out);
    put(`h.${i}.ln_2`, norm2);
    put(`h.${i}.mlp.c_fc`, mlp.up);
    put(`h.${i}.mlp.c_proj`, mlp.down);
  });
  put("ln_f", params.norm);
  if (params.head) tensors.set("lm_head.weight", swapAxes(params.head.weight));
  return tensors;
}

function refuse(config: TransformerConfig): void {
  const reason = obstacle(config);
  if (reason === undefined) return;
  throw new HeptagenError("gpt2/unsupported", `this model cannot be written as a GPT-2: it has ${reason}`, {
    next: "Write it in Heptagen's own layout, or as ONNX.",
  });
}

/** GPT-2's layout for the Transformer. Dropout is that of the residual branches; attention weights are not dropped here. */
export const gpt2: HuggingFaceLayout<TransformerConfig> = {
  modelType: "gpt2",
  readConfig,
  skips,
  readParams: (config, tensors, source) => readParams(config, tensors, source) as unknown as Tree<NdArray>,
  obstacle,
  writeConfig,
  writeParams: (config, params) => writeParams(config, params as unknown as TransformerParams<NdArray>),
};
