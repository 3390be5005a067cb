/**
 * From graph to target: the interface primitives lower to, and the walk that lowers a graph.
 *
 * `onnx/` implements `Lowering`; ops only know this interface. Dead code never gets here (only what outputs need is walked)
 * and equal nodes are lowered once: common subexpressions are found by comparing the values that go in.
 */
import type { NdArray } from "../util/ndarray.ts";
import type { Operands } from "./primitive.ts";
import { type Node, reachable, type Tensor, type TensorType } from "./tensor.ts";

/** The name of a value in the lowered graph; "" leaves an optional input or output out. */
export type Value = string;

/** An attribute of an ONNX node. Whole numbers become INT unless wrapped as `{ float }`. */
export type Attribute = number | { readonly float: number } | string | readonly number[] | LoweredBody;

/** A lowered subgraph (the body of a Scan, Loop or If). */
export interface LoweredBody {
  readonly body: unknown;
}

export interface Lowering {
  /** Appends an ONNX node with one output and returns its name. */
  node(op: string, inputs: readonly Value[], attributes?: Readonly<Record<string, Attribute>>, domain?: string): Value;
  /** Appends an ONNX node with `count` outputs; `used[i] === false` leaves output i out. */
  nodes(
    op: string,
    inputs: readonly Value[],
    attributes: Readonly<Record<string, Attribute>>,
    count: number,
    options?: { readonly domain?: string; readonly used?: readonly boolean[] },
  ): Operands<Value>;
  /** A constant, stored once however often it is asked for. */
  constant(array: NdArray): Value;
  /** A constant int64 vector (shapes, axes, pads). */
  int64(values: readonly number[]): Value;
  /** A constant int64 scalar. */
  int64Scalar(value: number): Value;
  /** A float32 tensor full of one number, made when the graph runs instead of being stored. */
  filled(shape: readonly number[], value: number, dtype?: "float32" | "int32" | "bool"): Value;
  /**
   * Lowers a subgraph: `build` gets a lowering that writes into it and the names of its inputs, and returns the outputs'
   * names with their types. Values of this graph may be used inside.
   */
  body(
    inputs: readonly (TensorType & { readonly name: string })[],
    build: (inner: Lowering, inputs: readonly Value[]) => readonly (TensorType & { readonly value: Value })[],
  ): LoweredBody;
  /** Whether a value comes from an enclosing graph (or is a constant) and so is not this body's own to return. */
  isOuter(value: Value): boolean;
  /**
   * The outermost graph around this one that has all these values: what is computed of them there is computed once, however
   * often this body runs. This lowering itself where the body's own values are among them.
   */
  outermost(values: readonly Value[]): Lowering;
  /** Values already computed here or in an enclosing graph, by what computes them. */
  readonly known: Known;
  /**
   * Whether the target has an operator outside the ONNX standard ("FusedMatMul") or a form of a standard one that some
   * targets lack ("MaxPool with indices").
   */
  supports(op: string): boolean;
  /** Channels per block of the target's convolutions over blocks of channels (`ops/conv-blocked.ts`); 0 where it has none. */
  readonly channelBlock: number;
}

/** Common subexpressions of a scope, with the scope around it. */
export class Known {
  readonly #values = new Map<string, readonly Value[]>();
  readonly #outer: Known | undefined;

  constructor(outer?: Known) {
    this.#outer = outer;
  }

  get(key: string): readonly Value[] | undefined {
    return this.#values.get(key) ?? this.#outer?.get(key);
  }

  set(key: string, values: readonly Value[]): void {
    this.#values.set(key, values);
  }
}

/**
 * Lowers everything `outputs` need and returns their values. `env` holds the values of tensors that are given (inputs of
 * the graph or body, captured values); nothing behind them is looked at.
 */
export function lower(b: Lowering, outputs: readonly Tensor[], env: Map<Tensor, Value>): Value[] {
  const nodes = reachable(outputs, new Set(env.keys()));
  const used = new Set<Tensor>(outputs);
  for (const node of nodes) for (const input of node.inputs) used.add(input);
  for (const node of nodes) lowerNode(b, node, used, env);
  return outputs.map((output) => lookUp(output, env));
}

/** JSON has no infinities, no NaN and one zero; as text they stay apart. */
function exact(_: string, value: unknown): unknown {
  if (typeof value !== "number") return value;
  return Object.is(value, -0) ? "-0" : Number.isFinite(value) ? value : String(value);
}

function lowerNode(b: Lowering, node: Node, used: ReadonlySet<Tensor>, env: Map<Tensor, Value>): void {
  const inputs = node.inputs.map((input) => lookUp(input, env));
  const params = node.primitive.key ? node.primitive.key(node.params) : JSON.stringify(node.params, exact);
  const key = params === null ? null : `${node.primitive.name} ${params} ${inputs.join(" ")}`;
  const signature = {
    inputs: node.inputs as Operands<Tensor>,
    outputs: node.outputs as readonly Tensor[] as Operands<Tensor>,
    used: node.outputs.map((o) => used.has(o)),
  };
  const known = key === null ? undefined : b.known.get(key);
  const lowered = known ?? node.primitive.lower(b, inputs, node.params, signature);
  const values = typeof lowered === "string" ? [lowered] : lowered;
  if (key !== null && !known && signature.used.every(Boolean)) b.known.set(key, values);
  node.outputs.forEach((output, i) => {
    // A given tensor keeps the value it was given, even when its node also makes other outputs.
    if (!env.has(output)) env.set(output, values[i] ?? "");
  });
}

function lookUp(tensor: Tensor, env: ReadonlyMap<Tensor, Value>): Value {
  const value = env.get(tensor);
  if (value !== undefined) return value;
  throw new Error(`lowering: ${tensor} has no value (its node is ${tensor.node.primitive.name})`);
}
