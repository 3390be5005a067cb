/**
 * Open dimensions: a model that takes inputs of any size, although tracing knows fixed sizes only.
 *
 * The function is traced several times, at different sizes. The graphs have the same nodes; what differs is some whole numbers
 * in them: shapes to reshape to, ends of slices and ranges. How such a number changes tells what it is made of, a product of
 * open dimensions times a scale plus an offset, and in the model that is written it is computed from the inputs' shapes when
 * the model runs. Anything else that differs cannot stay open and is an error that names it.
 *
 * Reading order: watching a graph being built, telling what numbers are made of, the nodes that compute them.
 */
import type { Lowering, Value } from "../core/lowering.ts";
import { HeptagenError } from "../util/errors.ts";

/** A dimension of an input that is known only when the model runs. */
export interface OpenDimension {
  readonly name: string;
  /** Name of the input and axis where its size can be read. */
  readonly input: string;
  readonly axis: number;
}

/** A whole number that depends on open dimensions: scale · Π dims + offset, where `dims` are places in the list of them. */
export interface OpenNumber {
  readonly dims: readonly number[];
  readonly scale: number;
  readonly offset: number;
}

export type ShapeNumber = number | OpenNumber;

/** Sees a graph being built, always in the same order. */
export interface Watch {
  /** A whole number that may depend on open dimensions; returns what it is in the model being built. */
  number(value: number): ShapeNumber;
  /** A part that must not: its description, equal when the parts are. */
  part(description: () => string): void;
}

/** Keeps what it sees. */
class Recording implements Watch {
  readonly numbers: number[] = [];
  readonly parts: string[] = [];

  number(value: number): number {
    this.numbers.push(value);
    return value;
  }

  part(description: () => string): void {
    this.parts.push(description());
  }
}

/**
 * Builds a graph with open dimensions.
 *
 * @param open the open dimensions
 * @param samples sizes to trace at, one list per trace and in it one size per open dimension: at least three traces, sizes
 *   above 1 and different from each other (a size of 1 would be broadcast, equal ones could not be told apart)
 * @param build builds the graph traced at the given sizes
 * @throws HeptagenError `onnx/open-dimensions` naming what depends on the sizes and cannot stay open
 */
export function buildOpen<Model>(
  open: readonly OpenDimension[],
  samples: readonly (readonly number[])[],
  build: (sizes: readonly number[], watch: Watch) => Model,
): Model {
  const recordings = samples.map((sizes) => {
    const recording = new Recording();
    build(sizes, recording);
    return recording;
  });
  const [first] = recordings as [Recording];
  for (const [i, other] of recordings.entries()) sameParts(first, other, `${samples[0]}`, `${samples[i]}`);
  const columns = first.numbers.map((_, n) => recordings.map(({ numbers }) => numbers[n] as number));
  const solved = columns.map((values) => solve(values, samples) ?? fail(open, values, samples));
  let next = 0;
  return build(samples[0] as readonly number[], { number: () => solved[next++] as ShapeNumber, part() {} });
}

function sameParts(a: Recording, b: Recording, sizesA: string, sizesB: string): void {
  const at = Math.max(a.parts.length, b.parts.length);
  const place = Array.from({ length: at }).findIndex((_, i) => a.parts[i] !== b.parts[i]);
  if (place < 0 && a.numbers.length === b.numbers.length) return;
  const [partA, partB] = [a.parts[place] ?? "nothing", b.parts[place] ?? "nothing"];
  throw new HeptagenError(
    "onnx/open-dimensions",
    `expected the same graph at every size of the open dimensions, got ${partA} at [${sizesA}] and ${partB} at [${sizesB}]`,
    {
      facts: { part: place, first: partA, other: partB },
      next: "Compute it from arange(…) and shapes, instead of in JavaScript from numbers.",
    },
  );
}

function fail(open: readonly OpenDimension[], values: readonly number[], samples: readonly (readonly number[])[]): never {
  const names = open.map(({ name }) => name).join(", ");
  const seen = values.map((value, i) => `${value} at [${samples[i]}]`).join(", ");
  throw new HeptagenError(
    "onnx/open-dimensions",
    `expected a shape to hold products of ${names} (and constants), got a number that is ${seen}`,
    { facts: { values, samples }, next: "Write the shape so that it does." },
  );
}

/** What a number is made of that had these values at these sizes; undefined when no formula fits all of them. */
export function solve(values: readonly number[], samples: readonly (readonly number[])[]): ShapeNumber | undefined {
  const [value, other] = values as [number, number];
  if (values.every((v) => v === value)) return value;
  for (const dims of subsets((samples[0] as readonly number[]).length)) {
    const products = samples.map((sizes) => dims.reduce((product, d) => product * (sizes[d] as number), 1));
    const [product, otherProduct] = products as [number, number];
    const scale = (other - value) / (otherProduct - product);
    const offset = value - scale * product;
    if (Number.isInteger(scale) && values.every((v, i) => v === scale * (products[i] as number) + offset)) {
      return { dims, scale, offset };
    }
  }
  return undefined;
}

/** All non-empty subsets of 0 … count - 1, smallest first. */
function subsets(count: number): number[][] {
  const all = Array.from({ length: 2 ** count - 1 }, (_, i) => {
    return Array.from({ length: count }, (_, d) => d).filter((d) => ((i + 1) >> d) & 1);
  });
  return all.sort((a, b) => a.length - b.length);
}

/** How a dimension of this size is called in the model: `batch`, `4*batch*time`. */
export function dimensionName({ dims, scale, offset }: OpenNumber, open: readonly OpenDimension[]): string {
  const product = [...(scale === 1 ? [] : [scale]), ...dims.map((d) => open[d]?.name)].join("*");
  return offset === 0 ? product : `${product}${offset < 0 ? "-" : "+"}${Math.abs(offset)}`;
}

/** Writes the nodes that compute numbers from the inputs' shapes: an int64 vector. */
export function computeNumbers(b: Lowering, numbers: readonly ShapeNumber[], open: readonly OpenDimension[]): Value {
  return once(b, `numbers ${JSON.stringify(numbers)}`, () => {
    const pieces: Value[] = [];
    let fixed: number[] = [];
    const flush = () => {
      if (fixed.length > 0) pieces.push(vector(b, fixed));
      fixed = [];
    };
    for (const number of numbers) {
      if (typeof number === "number") fixed.push(number);
      else {
        flush();
        pieces.push(compute(b, number, open));
      }
    }
    flush();
    return pieces.length === 1 ? (pieces[0] as Value) : b.node("Concat", pieces, { axis: 0 });
  });
}

function compute(b: Lowering, number: OpenNumber, open: readonly OpenDimension[]): Value {
  const sizes = number.dims.map((d) =>
    once(b, `open dimension ${d}`, () => {
      const { input, axis } = open[d] as OpenDimension;
      return b.node("Shape", [input], { start: axis, end: axis + 1 });
    }),
  );
  const product = sizes.reduce((x, y) => b.node("Mul", [x, y]));
  const scaled = number.scale === 1 ? product : b.node("Mul", [product, vector(b, [number.scale])]);
  return number.offset === 0 ? scaled : b.node("Add", [scaled, vector(b, [number.offset])]);
}

function vector(b: Lowering, values: readonly number[]): Value {
  return b.constant({ dtype: "int64", shape: [values.length], data: BigInt64Array.from(values, BigInt) });
}

/** A value made once per graph. */
function once(b: Lowering, key: string, make: () => Value): Value {
  const [known] = b.known.get(key) ?? [];
  if (known !== undefined) return known;
  const value = make();
  b.known.set(key, [value]);
  return value;
}
