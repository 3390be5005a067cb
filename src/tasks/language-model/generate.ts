/**
 * Generating text token by token, in compiled chunks.
 *
 * The prompt is read once into a memory (a KV cache, a recurrent state). Then one graph writes a chunk of tokens: choosing a
 * token, reading it and scoring the next are steps of one loop inside ONNX Runtime, so JavaScript runs once per chunk, not
 * per token. Between chunks tokens are handed out (streaming), and reading may start over: when the memory is full it
 * doubles, and when the model's context is full the last half of the text is read again. A memory that has one size whatever
 * was read (a recurrent state) never starts over.
 */
import type { Tensor, TracedKey } from "../../core/index.ts";
import { scan } from "../../core/scan.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import { markSeen, type SamplingOptions, sampleToken, samplingDefaults } from "../../nn/sampling.ts";
import { arange, logSoftmax, reshape, takeAlongAxis, uniform } from "../../ops/index.ts";
import { compile, type Device, type Executable } from "../../runtime/index.ts";
import { HeptagenError } from "../../util/errors.ts";
import { type NdArray, ndarray } from "../../util/ndarray.ts";
import { fold, type Key, key } from "../../util/random.ts";
import type { Tree } from "../../util/tree.ts";

export interface GeneratorOptions {
  /** Longest text the model can read at once, in tokens; of no concern to an endless decoder. */
  readonly context: number;
  /** Tokens written between two looks from outside; 32 unless told. */
  readonly chunk?: number;
  readonly device?: Device;
}

export interface WriteOptions extends Partial<SamplingOptions> {
  /** How many samples to write side by side; 1 unless told. */
  readonly samples?: number;
  /** Tokens to write; 256 unless told. */
  readonly maxTokens?: number;
  readonly seed?: number;
  /** Also give each token's log-probability under the model (in nats, before temperature and cuts). */
  readonly logProbabilities?: boolean;
}

/** Tokens just written: `tokens[b]` continues sample b. */
export interface GeneratedChunk {
  readonly tokens: readonly Int32Array[];
  readonly logProbabilities: readonly Float32Array[] | undefined;
}

/** Writes with one model; keeps the graphs it compiled. */
export interface Generator {
  /**
   * Writes continuations of a prompt.
   *
   * @param prompt token ids, at least one
   * @returns chunks of tokens as they are written, `maxTokens` per sample in all
   * @throws HeptagenError `generate/prompt` when the prompt is empty
   */
  write(prompt: Int32Array, options?: WriteOptions): AsyncGenerator<GeneratedChunk>;
  dispose(): Promise<void>;
}

type Params = Tree<NdArray>;
type Memory = Tree<NdArray>;
interface Written {
  readonly tokens: NdArray;
  readonly logProbabilities?: NdArray;
  readonly state: State;
}
interface State {
  readonly logits: NdArray;
  readonly memory: Memory;
  readonly seen?: NdArray;
}

/** Smallest memory worth having: growing it means reading everything again. */
const leastRoom = 64;

/**
 * A generator of a model with these parameters.
 *
 * @example
 * const generator = createGenerator(transformer, config, params, { context: 64 });
 * for await (const { tokens } of generator.write(ids, { temperature: 0.8 })) print(tokens[0]);
 */
export function createGenerator<Config>(
  model: LanguageModel<Config>,
  config: Config,
  params: Params,
  { context: longest, chunk = 32, device }: GeneratorOptions,
): Generator {
  const { endless = false } = model.decoder;
  const context = endless ? Number.POSITIVE_INFINITY : longest;
  const step = Math.min(chunk, Math.max(1, context >> 1));
  const readers = new Map<string, Promise<Executable<[Params, NdArray, NdArray], State>>>();
  const writers = new Map<string, Promise<Executable<[Params, State, Key], Written>>>();
  const once = <T>(known: Map<string, Promise<T>>, signature: string, make: () => Promise<T>): Promise<T> => {
    const made = known.get(signature) ?? make();
    known.set(signature, made);
    return made;
  };

  async function* write(
    prompt: Int32Array,
    { samples = 1, maxTokens = 256, seed = 0, logProbabilities = false, ...given }: WriteOptions = {},
  ): AsyncGenerator<GeneratedChunk> {
    if (prompt.length === 0) {
      throw new HeptagenError("generate/prompt", "generate: expected a prompt of at least one token, got none", {
        next: "Start with a newline or the model's end-of-text token.",
      });
    }
    const options: SamplingOptions = { ...samplingDefaults, ...given };
    const texts = Array.from({ length: samples }, () => Array.from(prompt));
    const root = fold(key(seed), "generate");
    let room = 0;
    let held = 0;
    let state: State | undefined;
    for (let done = 0, round = 0; done < maxTokens; round++) {
      if (!state || (!endless && held + step > room)) {
        // Read (again): everything that leaves room for a chunk, or the last half when the context is full.
        const length = texts[0]?.length as number;
        held = length + step <= context ? length : Math.min(length, Math.max(1, context - Math.max(step, context >> 1)));
        room = roomFor(endless ? held : held + step, context);
        const reader = await once(readers, `${samples} ${room}`, () =>
          compileReader(model, config, params, samples, room, device),
        );
        const read: State = await reader.run(params, lastTokens(texts, held, room), ndarray("int32", [], [held]));
        state = options.repetitionPenalty === 1 ? read : { ...read, seen: occurrences(texts, read.logits.shape[1] as number) };
      }
      const example: State = state;
      const signature = `${samples} ${room} ${logProbabilities} ${Object.values(options).join()}`;
      const writer = await once(writers, signature, () =>
        compileWriter(model, config, params, example, step, options, logProbabilities, device),
      );
      const written: Written = await writer.run(params, state, fold(root, round));
      state = written.state;
      held += step;
      const count = Math.min(step, maxTokens - done);
      const tokens = columns(written.tokens.data as Int32Array, samples, count);
      tokens.forEach((column, b) => {
        texts[b]?.push(...column);
      });
      const logs = written.logProbabilities && columns(written.logProbabilities.data as Float32Array, samples, count);
      yield { tokens, logProbabilities: logs };
      done += count;
    }
  }

  return {
    write,
    async dispose() {
      for (const executable of [...readers.values(), ...writers.values()]) await (await executable).dispose();
      readers.clear();
      writers.clear();
    },
  };
}

export type GenerateOptions = GeneratorOptions & WriteOptions;

/** Writes once with a model; see `createGenerator`, which keeps its graphs for the next time. */
export async function* generate<Config>(
  model: LanguageModel<Config>,
  config: Config,
  params: Params,
  prompt: Int32Array,
  { context, chunk, device, ...options }: GenerateOptions,
): AsyncGenerator<GeneratedChunk> {
  const generator = createGenerator(model, config, params, { context, ...(chunk && { chunk }), ...(device && { device }) });
  try {
    yield* generator.write(prompt, options);
  } finally {
    await generator.dispose();
  }
}

/** The memory's size for so many tokens: a power of two, at most the context, so that few different graphs are compiled. */
function roomFor(tokens: number, context: number): number {
  let room = Math.min(leastRoom, context);
  while (room < tokens) room = Math.min(2 * room, context);
  return room;
}

/** The last `kept` tokens of each text, followed by zeros that do not count: int32 [B, room]. */
function lastTokens(texts: readonly number[][], kept: number, room: number): NdArray {
  const data = new Int32Array(texts.length * room);
  texts.forEach((text, b) => {
    data.set(text.slice(text.length - kept), b * room);
  });
  return { dtype: "int32", shape: [texts.length, room], data };
}

/** Which tokens occur in each text: bool [B, V]. */
function occurrences(texts: readonly number[][], vocabulary: number): NdArray {
  const data = new Uint8Array(texts.length * vocabulary);
  texts.forEach((text, b) => {
    for (const token of text) data[b * vocabulary + token] = 1;
  });
  return { dtype: "bool", shape: [texts.length, vocabulary], data };
}

/** Row-major [N, B] to the first `count` of each column. */
function columns<A extends Int32Array | Float32Array>(data: A, samples: number, count: number): A[] {
  return Array.from({ length: samples }, (_, b) => {
    const column = data.slice(0, count) as A;
    for (let n = 0; n < count; n++) column[n] = data[n * samples + b] as number;
    return column;
  });
}

function compileReader<Config>(
  model: LanguageModel<Config>,
  config: Config,
  params: Params,
  samples: number,
  room: number,
  device: Device | undefined,
): Promise<Executable<[Params, NdArray, NdArray], State>> {
  const read = (weights: Tree<Tensor>, tokens: Tensor, length: Tensor) => model.decoder.read(config, weights, tokens, length);
  const tokens = ndarray("int32", [samples, room], new Int32Array(samples * room));
  return compile<[Params, NdArray, NdArray], TracedState>(
    read,
    [params, tokens, ndarray("int32", [], [1])],
    device ? { device } : {},
  );
}

interface TracedState {
  readonly logits: Tensor;
  readonly memory: Tree<Tensor>;
  readonly seen?: Tensor;
}

interface TracedWritten {
  readonly tokens: Tensor;
  readonly logProbabilities?: Tensor;
  readonly state: TracedState;
}

function compileWriter<Config>(
  model: LanguageModel<Config>,
  config: Config,
  params: Params,
  example: State,
  chunk: number,
  options: SamplingOptions,
  logProbabilities: boolean,
  device: Device | undefined,
): Promise<Executable<[Params, State, Key], Written>> {
  const { decoder } = model;
  const write = (weights: Tree<Tensor>, state: TracedState, random: TracedKey) => {
    const samples = state.logits.shape[0] as number;
    const first = {
      logits: state.logits,
      recent: decoder.open(config, state.memory, chunk),
      ...(state.seen && { seen: state.seen }),
    };
    const inputs = { chance: uniform(random, [chunk, samples]), n: arange(chunk) };
    const [last, out] = scan(
      (carry: typeof first, { chance, n }: typeof inputs) => {
        const token = sampleToken(carry.logits, chance, carry.seen, options);
        const next = decoder.step(config, weights, state.memory, carry.recent, token, n);
        const seen = carry.seen && markSeen(carry.seen, token);
        const chosen = logProbabilities ? takeAlongAxis(logSoftmax(carry.logits), reshape(token, [samples, 1])) : undefined;
        return [
          { logits: next.logits, recent: next.carry, ...(seen && { seen }) },
          { tokens: token, ...(chosen && { logProbabilities: reshape(chosen, [samples]) }) },
        ] as const;
      },
      first,
      inputs,
    );
    const memory = decoder.close(config, state.memory, last.recent);
    return { ...out, state: { logits: last.logits, memory, ...(last.seen && { seen: last.seen }) } };
  };
  return compile<[Params, State, Key], TracedWritten>(write, [params, example, key(0)], device ? { device } : {});
}
