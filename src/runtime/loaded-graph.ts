/** A graph that is ready to run: its session, and the random numbers it reads, which are drawn anew before each run. */
import type { Distribution } from "../core/random.ts";
import { allocate, type DType, type NdArray, type Shape, sizeOf } from "../util/ndarray.ts";
import { fillBernoulli, fillNormal, fillUniform, fold, type Key, randint } from "../util/random.ts";
import { Session, type SessionOptions } from "./session.ts";

/** An input that is filled with random numbers. */
export interface Draw {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
  readonly distribution: Distribution;
  /** Which key the numbers come from, by its position among the arguments, and the names folded into it. */
  readonly argument: number;
  readonly names: readonly (string | number)[];
}

/** What a run is given. */
export interface GraphRun {
  readonly feeds: ReadonlyMap<string, NdArray>;
  /** Keys by their position among the arguments. */
  readonly keys: ReadonlyMap<number, Key>;
  /** Outputs, with the array that each is to be written into, if there is one. */
  readonly fetches: ReadonlyMap<string, NdArray | undefined>;
}

/** A graph where it runs: in this thread or another. */
export interface Graph {
  /** Whether outputs can be written into arrays given for them. */
  readonly writesInPlace: boolean;
  /** Whether a run takes the arrays that it is given, so that they cannot be used any more. */
  readonly takesArrays: boolean;
  run(run: GraphRun): Promise<ReadonlyMap<string, NdArray>>;
  dispose(): Promise<void>;
}

/** Everything that loading a graph takes; can be sent to another thread. */
export interface GraphSource {
  readonly model: Uint8Array;
  readonly draws: readonly Draw[];
  readonly session: SessionOptions;
}

/** Loads a graph in this thread. */
export async function loadGraph({ model, draws, session: options }: GraphSource): Promise<Graph> {
  const session = await Session.create(model, options);
  const noise = draws.map((draw) => {
    const { dtype, shape } = draw;
    return { draw, array: { dtype, shape, data: allocate(dtype, sizeOf(shape)) } };
  });
  return {
    writesInPlace: session.writesInPlace,
    takesArrays: false,
    run({ feeds, keys, fetches }) {
      for (const { draw, array } of noise) fillNoise(draw, keys.get(draw.argument) as Key, array);
      return session.run(new Map([...feeds, ...noise.map(({ draw, array }) => [draw.name, array] as const)]), fetches);
    },
    dispose: () => session.dispose(),
  };
}

function fillNoise({ names, distribution }: Draw, key: Key, { data }: NdArray): void {
  const own = names.reduce(fold, key);
  if (distribution.kind === "uniform") fillUniform(own, data as Float32Array);
  else if (distribution.kind === "normal") fillNormal(own, data as Float32Array);
  else if (distribution.kind === "bernoulli") fillBernoulli(own, distribution.probability, data as Uint8Array);
  else randint(own, distribution.low, distribution.high, data as Int32Array);
}
