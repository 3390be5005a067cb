/**
 * The symbolic tensor and the graph it lives in.
 *
 * A `Tensor` stands for an array that will exist when the graph runs: it has a shape and an element type, but no numbers.
 * Calling an op on tensors appends a `Node`; nodes point at their inputs and never change, so a graph is just what is
 * reachable from some outputs. There is no global graph, no session and no tape: tracing a function means calling it.
 */
import { HeptagenError } from "../util/errors.ts";
import type { DType, Shape } from "../util/ndarray.ts";
import { callerLine } from "./caller.ts";
import type { Primitive } from "./primitive.ts";

/** What is known of an array before it exists. */
export interface TensorType {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** A symbolic array: output `index` of `node`. */
export class Tensor implements TensorType {
  readonly node: Node;
  readonly index: number;
  readonly shape: Shape;
  readonly dtype: DType;

  constructor(node: Node, index: number, type: TensorType) {
    this.node = node;
    this.index = index;
    this.shape = type.shape;
    this.dtype = type.dtype;
  }

  toString(): string {
    return typeName(this);
  }
}

/** One application of a primitive. */
export class Node {
  /** Grows with creation, so sorting by id is a topological order. It orders and never names: two runs may differ in ids. */
  readonly id: number;
  readonly primitive: Primitive;
  readonly inputs: readonly Tensor[];
  readonly params: unknown;
  /** May grow at the end (a scan asked to also return what its gradient needs), never changes otherwise. */
  readonly outputs: Tensor[];
  readonly #origin: { stack?: string };

  constructor(primitive: Primitive, inputs: readonly Tensor[], params: unknown, types: readonly TensorType[]) {
    this.id = nextId++;
    this.primitive = primitive;
    this.inputs = inputs;
    this.params = params;
    this.outputs = types.map((type, i) => new Tensor(this, i, type));
    this.#origin = new Error();
  }

  /** The caller's source line that wrote this node, if it can be told. */
  get at(): string | undefined {
    return callerLine(this.#origin.stack);
  }
}

/** Ids only have to grow; nothing else depends on this counter. */
let nextId = 0;

/** The id the next node will get: nodes with a smaller id existed before. */
export function nodeCount(): number {
  return nextId;
}

export function isTensor(value: unknown): value is Tensor {
  return value instanceof Tensor;
}

/** `float32[2,3]`, for messages. */
export function typeName(type: TensorType): string {
  return `${type.dtype}[${type.shape}]`;
}

/**
 * An op got operands it cannot work on. The message names the op, what it expected and the real shapes; `at` is the
 * caller's line.
 */
export class ShapeError extends HeptagenError {
  constructor(op: string, message: string, next?: string) {
    super(`shape/${op}`, `${op}: ${message}`, { at: callerLine(new Error().stack), ...(next ? { next } : {}) });
    this.name = "ShapeError";
  }
}

/** All nodes that `outputs` need, in topological order, not looking behind the tensors in `stop` nor at nodes older than `since`. */
export function reachable(outputs: Iterable<Tensor>, stop: ReadonlySet<Tensor> = new Set(), since = 0): Node[] {
  const seen = new Set<Node>();
  const stack: Node[] = [];
  const visit = (tensor: Tensor) => {
    if (stop.has(tensor) || tensor.node.id < since || seen.has(tensor.node)) return;
    seen.add(tensor.node);
    stack.push(tensor.node);
  };
  for (const output of outputs) visit(output);
  for (let node = stack.pop(); node; node = stack.pop()) for (const input of node.inputs) visit(input);
  return [...seen].sort((a, b) => a.id - b.id);
}
