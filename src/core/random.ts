/**
 * Randomness as an argument.
 *
 * A traced function that needs random numbers takes a key. Inside, `fold` gives every use a name of its own, and drawing
 * from a key appends a node whose numbers are filled in from outside before each run, from the counter-based generator in
 * `util/random.ts`: the same key always gives the same numbers, on every device and after every resume.
 */
import type { Shape } from "../util/ndarray.ts";
import { one } from "./builtin.ts";
import { definePrimitive } from "./primitive.ts";
import { ShapeError, type Tensor } from "./tensor.ts";

/** The key of a function being traced: which key argument it comes from, and the names folded in since. */
export class TracedKey {
  /** Position of the key among the function's arguments' leaves. */
  readonly argument: number;
  readonly names: readonly (string | number)[];

  constructor(argument: number, names: readonly (string | number)[] = []) {
    this.argument = argument;
    this.names = names;
  }

  /** A key of its own for a named use; different names give independent numbers. */
  fold(name: string | number): TracedKey {
    return new TracedKey(this.argument, [...this.names, name]);
  }
}

/** What to draw. */
export type Distribution =
  | { readonly kind: "uniform" }
  | { readonly kind: "normal" }
  | { readonly kind: "bernoulli"; readonly probability: number }
  | { readonly kind: "integer"; readonly low: number; readonly high: number };

export interface RandomParams {
  readonly argument: number;
  readonly names: readonly (string | number)[];
  readonly distribution: Distribution;
  readonly shape: Shape;
}

const dtypes = { uniform: "float32", normal: "float32", bernoulli: "bool", integer: "int32" } as const;

export const randomPrimitive = definePrimitive<RandomParams>({
  name: "random",
  random: true,
  infer: (_, { distribution, shape }) => [{ shape, dtype: dtypes[distribution.kind] }],
  lower() {
    throw new Error("lowering: random numbers have to be given as inputs");
  },
});

function draw(key: TracedKey, shape: Shape, distribution: Distribution): Tensor {
  if (!(key instanceof TracedKey)) {
    throw new ShapeError(
      "random",
      "expected the key of a function being traced",
      "Pass a key as an argument to compile and use the one the function receives.",
    );
  }
  return one(randomPrimitive.bind([], { argument: key.argument, names: key.names, distribution, shape }));
}

/** Uniform numbers in [0, 1). */
export const uniform = (key: TracedKey, shape: Shape): Tensor => draw(key, shape, { kind: "uniform" });

/** Standard normal numbers. */
export const normal = (key: TracedKey, shape: Shape): Tensor => draw(key, shape, { kind: "normal" });

/** Booleans that are true with the given probability. */
export const bernoulli = (key: TracedKey, probability: number, shape: Shape): Tensor =>
  draw(key, shape, { kind: "bernoulli", probability });

/** Whole numbers (int32) from low to high - 1, each equally likely. */
export const randint = (key: TracedKey, low: number, high: number, shape: Shape): Tensor =>
  draw(key, shape, { kind: "integer", low, high });

/** The drawing a node stands for, if it is one. */
export function randomParams(tensor: Tensor): RandomParams | undefined {
  // Only this primitive declares `random`, and its parameters are RandomParams.
  return tensor.node.primitive.random ? (tensor.node.params as RandomParams) : undefined;
}
