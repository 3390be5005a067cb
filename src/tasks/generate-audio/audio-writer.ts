/**
 * Writing sound with a trained model, in compiled chunks: each is one call into ONNX Runtime and goes on from the state that the one
 * before left, so that sound of any length streams out.
 */
import type { Tensor, TracedKey } from "../../core/index.ts";
import type { Conditions, WaveNetConfig, WaveNetParams } from "../../models/wavenet.ts";
import { blockSize, chancesPerSample, emptyState, readState, type WaveNetState, write } from "../../models/wavenet-sampler.ts";
import { uniform } from "../../ops/index.ts";
import { compile, type Device, type Executable } from "../../runtime/index.ts";
import { HeptagenError } from "../../util/errors.ts";
import { type NdArray, ndarray } from "../../util/ndarray.ts";
import { fold, type Key, key } from "../../util/random.ts";
import type { Rows } from "../../util/spectrogram.ts";
import type { Tree } from "../../util/tree.ts";

type Params = Tree<NdArray>;
type Values = Int32Array | Float32Array;
type State = WaveNetState<NdArray>;

export interface AudioRequest {
  /** Sounds to write side by side. */
  readonly count: number;
  /** Samples of each, those it begins with included. */
  readonly length: number;
  readonly temperature: number;
  readonly seed: number;
  /** A label per sound, of a model that knows labels. */
  readonly labels?: Int32Array | undefined;
  /** Values that every sound begins with. */
  readonly prime?: Values | undefined;
  /** Features of the frames to follow, of a vocoder; at least as many as the sound has. */
  readonly features?: Rows | undefined;
}

export interface AudioWriter {
  /**
   * Writes sounds.
   *
   * @returns pieces as they are written: `pieces[b]` continues sound b, in the model's values, the beginning first
   * @throws HeptagenError `sample/features` when there are too few frames
   */
  write(params: Params, request: AudioRequest): AsyncGenerator<readonly Values[]>;
  dispose(): Promise<void>;
}

/** Samples per chunk, roughly: half a second or less, so that interruptions are heeded. */
const chunkSize = 2048;

interface Written {
  readonly samples: NdArray;
  readonly state: State;
}
interface Given {
  readonly labels?: NdArray;
  readonly frames?: NdArray;
}

/**
 * A writer of a model; keeps the graphs it compiles.
 *
 * @example
 * const writer = openAudioWriter(config, device);
 * for await (const [sound] of writer.write(params, { count: 1, length: 16000, temperature: 1, seed: 0 })) play(sound);
 */
export function openAudioWriter(config: WaveNetConfig, device: Device | undefined): AudioWriter {
  const unit = config.features > 0 ? leastCommonMultiple(blockSize, config.hop) : blockSize;
  const chunk = Math.ceil(chunkSize / unit) * unit;
  const target = device ? { device } : {};
  const graphs = new Map<string, Promise<Executable<readonly unknown[], unknown>>>();
  const once = <T>(signature: string, make: () => Promise<T>): Promise<T> => {
    const made = (graphs.get(signature) as Promise<T> | undefined) ?? make(); // a signature always names the same kind of graph
    graphs.set(signature, made as never);
    return made;
  };

  const given = ({ count, labels, features }: AudioRequest, from: number, samples: number): Given => ({
    ...(labels && { labels: ndarray("int32", [count], labels) }),
    ...(features && { frames: framesOf(features, count, from / config.hop, samples / config.hop) }),
  });

  async function begin(params: Params, request: AudioRequest, prime: Values): Promise<State> {
    const { count } = request;
    if (prime.length === 0) return emptyState(config, count);
    const whole = prime instanceof Int32Array;
    const clips = whole ? new Int32Array(count * prime.length) : new Float32Array(count * prime.length);
    for (let b = 0; b < count; b++) clips.set(prime as never, b * prime.length);
    const samples = ndarray(whole ? "int32" : "float32", [count, prime.length], clips);
    const conditions = given(request, 0, prime.length);
    const reader = await compile<[Params, NdArray, Given], WaveNetState>(
      (p, x, c) => readState(config, p as unknown as WaveNetParams, x, c as Conditions),
      [params, samples, conditions],
      target,
    );
    try {
      return (await reader.run(params, samples, conditions)) as State;
    } finally {
      await reader.dispose();
    }
  }

  return {
    async *write(params, request) {
      const { count, temperature, seed } = request;
      // With frames, the beginning is a whole number of them.
      const step = config.features > 0 ? config.hop : 1;
      const all = request.prime?.subarray(0, request.length);
      const prime = all?.subarray(0, all.length - (all.length % step)) ?? new Int32Array();
      if (config.features > 0) checkFeatures(config, request);
      let state = await begin(params, request, prime);
      if (prime.length > 0) yield Array.from({ length: count }, () => prime);
      const root = fold(key(seed), "sound");
      for (let done = prime.length, n = 0; done < request.length; done += chunk, n++) {
        const conditions = given(request, done, chunk);
        const first: State = state;
        const writer = await once(`${count} ${temperature}`, () =>
          compile<[Params, State, Key, Given], { samples: Tensor; state: WaveNetState }>(
            (p, s, random: TracedKey, c) => {
              const chances = uniform(random, [chunk, chancesPerSample(config), count]);
              const options = { ...(c as Conditions), temperature };
              const { samples, state: next } = write(
                config,
                p as unknown as WaveNetParams,
                s as unknown as WaveNetState,
                chances,
                options,
              );
              return { samples, state: next };
            },
            [params, first, key(0), conditions],
            target,
          ),
        );
        const written = (await writer.run(params, state, fold(root, n), conditions)) as Written;
        state = written.state;
        yield columns(written.samples, Math.min(chunk, request.length - done));
      }
    },
    async dispose() {
      for (const graph of graphs.values()) await (await graph).dispose();
      graphs.clear();
    },
  };
}

/** Whole sounds, in the model's values. */
export async function wholeSounds(pieces: AsyncIterable<readonly Values[]>): Promise<Values[]> {
  const parts: (readonly Values[])[] = [];
  for await (const piece of pieces) parts.push(piece);
  return joinPieces(parts);
}

/** Joins the pieces of sounds. */
export function joinPieces(pieces: readonly (readonly Values[])[]): Values[] {
  const length = pieces.reduce((sum, [piece]) => sum + (piece?.length ?? 0), 0);
  return (pieces.at(-1) ?? []).map((last, b) => {
    const whole = last instanceof Int32Array ? new Int32Array(length) : new Float32Array(length);
    let at = 0;
    for (const piece of pieces) {
      whole.set(piece[b] as never, at); // pieces of one sound are of one type
      at += (piece[b] as Values).length;
    }
    return whole;
  });
}

/** The first rows of samples [N, B], sound by sound. */
function columns({ shape, data }: NdArray, length: number): Values[] {
  const [, count] = shape as [number, number];
  return Array.from({ length: count }, (_, b) => {
    const column = data instanceof Int32Array ? new Int32Array(length) : new Float32Array(length);
    for (let n = 0; n < length; n++) column[n] = data[n * count + b] as number;
    return column;
  });
}

/** Frames from `first` on, one before and one after included, the same for each sound; zeros beyond the ends: [B, N + 2, F]. */
function framesOf({ rows, width, data }: Rows, batch: number, first: number, count: number): NdArray {
  const out = new Float32Array(batch * (count + 2) * width);
  for (let i = 0; i < count + 2; i++) {
    const at = first - 1 + i;
    if (at < 0 || at >= rows) continue;
    for (let b = 0; b < batch; b++) out.set(data.subarray(at * width, (at + 1) * width), (b * (count + 2) + i) * width);
  }
  return ndarray("float32", [batch, count + 2, width], out);
}

function checkFeatures({ hop }: WaveNetConfig, { features, length }: AudioRequest): void {
  if (features && features.rows * hop >= length) return;
  const got = features ? `${features.rows * hop} samples` : "none";
  throw new HeptagenError("sample/features", `sample: expected mel bands of a sound of at least ${length} samples, got ${got}`, {
    next: "This model is a vocoder: name a sound to follow with --like, at least as long as --seconds.",
  });
}

function leastCommonMultiple(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y > 0) [x, y] = [y, x % y];
  return (a / x) * b;
}
