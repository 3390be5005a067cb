/**
 * Loops as primitives: `scan` (a fold over the leading axis that also stacks what each step returns, with a gradient) and
 * `whileLoop` (no gradient, for sampling).
 *
 * A loop's body is a graph of its own. Values from outside may be used in it freely; they are found and become further
 * inputs ("captures"), computed once, before the loop.
 *
 * The gradient of a scan is a scan that runs backwards. What the backward body needs from the forward body, the forward
 * scan also stacks: its node grows outputs. Where a captured value (a weight) enters through an op that maps over a
 * leading axis (a matmul), its gradient is not summed up step by step: the op's operands are stacked over time and its
 * gradient taken once, as one large GEMM.
 */
import { flatten, mapTree } from "../util/tree.ts";
import { accumulate, input, zerosLike } from "./builtin.ts";
import { backward } from "./grad.ts";
import { type Lowering, lower, type Value } from "./lowering.ts";
import { definePrimitive, type Primitive } from "./primitive.ts";
import { isTensor, type Node, nodeCount, reachable, ShapeError, Tensor, type TensorType, typeName } from "./tensor.ts";

/** A loop's inside: placeholders first, then the captured outside tensors as they are. */
export interface Body {
  readonly placeholders: readonly Tensor[];
  readonly captures: readonly Tensor[];
  /** May grow at the end; see `stacked`. */
  readonly outputs: Tensor[];
  /** Nodes of the body have at least this id. */
  readonly since: number;
}

export interface ScanParams {
  readonly body: Body;
  /** How many tensors are carried, and how many are scanned over. */
  readonly carries: number;
  readonly sequences: number;
  readonly length: number;
  readonly reverse: boolean;
}

export const scanPrimitive: Primitive<ScanParams> = definePrimitive<ScanParams>({
  name: "scan",
  infer: (_, { body, carries, length }) =>
    body.outputs.map((o, i) => ({ dtype: o.dtype, shape: i < carries ? o.shape : [length, ...o.shape] })),
  vjp: scanVjp,
  key: () => null,
  lower: lowerScan,
});

export interface ScanOptions {
  /** Run from the last element to the first; outputs keep the order of the inputs. */
  readonly reverse?: boolean;
  /** Number of steps; needed only when `sequence` holds no tensor. */
  readonly length?: number;
}

/**
 * Folds `step` over the leading axis of every tensor in `sequence`, carrying state.
 *
 * @param step `(carry, element) => [carry, output]`; the carry keeps its structure, shapes and types
 * @returns `[finalCarry, outputs]`, outputs stacked along a new leading axis
 * @throws ShapeError when leading dimensions differ or the carry changes type
 * @example const [h, hs] = scan((h: Tensor, x: Tensor) => { const n = tanh(add(matmul(h, w), x)); return [n, n]; }, h0, xs);
 */
export function scan<Carry, Elem, Out>(
  step: (carry: Carry, element: Elem) => readonly [Carry, Out],
  init: Carry,
  sequence: Elem,
  { reverse = false, length }: ScanOptions = {},
): [Carry, Out] {
  const inits = leavesOf(init);
  const sequences = leavesOf(sequence);
  const steps = length ?? sequences[0]?.shape[0];
  if (steps === undefined) throw new ShapeError("scan", "expected a sequence with a leading axis, or a length");
  for (const s of sequences) {
    if (s.shape[0] !== steps) throw new ShapeError("scan", `expected every sequence to have ${steps} steps, got ${typeName(s)}`);
  }
  let result: readonly [Carry, Out] | undefined;
  const body = traceBody([...inits, ...sequences.map((s) => ({ dtype: s.dtype, shape: s.shape.slice(1) }))], (placeholders) => {
    result = step(fill(init, placeholders.slice(0, inits.length)), fill(sequence, placeholders.slice(inits.length)));
    return [...sameCarry("scan", inits, leavesOf(result[0])), ...leavesOf(result[1])];
  });
  const params = { body, carries: inits.length, sequences: sequences.length, length: steps, reverse };
  const outputs = scanPrimitive.bind([...inits, ...sequences, ...body.captures], params);
  return [fill(init, outputs.slice(0, inits.length)), fill((result as readonly [Carry, Out])[1], outputs.slice(inits.length))];
}

/** The stack over time of a tensor inside the body of a scan node: an existing sequence or output, or a new output. */
function stacked(node: Node, inner: Tensor): Tensor {
  const { body, carries, sequences, length } = node.params as ScanParams;
  const place = body.placeholders.indexOf(inner, carries);
  if (place >= 0 && place < carries + sequences) return node.inputs[place] as Tensor;
  let at = body.outputs.indexOf(inner, carries);
  if (at < 0) {
    at = body.outputs.push(inner) - 1;
    node.outputs.push(new Tensor(node, at, { dtype: inner.dtype, shape: [length, ...inner.shape] }));
  }
  return node.outputs[at] as Tensor;
}

function scanVjp(
  cts: readonly (Tensor | null)[],
  inputs: readonly Tensor[],
  outputs: readonly Tensor[],
  { body, carries, sequences, length, reverse }: ScanParams,
  needs: readonly boolean[],
): (Tensor | null)[] {
  const node = (outputs[0] as Tensor).node;
  const bodyOutputs = [...body.outputs];
  const forward = new Set(reachable(bodyOutputs, new Set(body.captures), body.since));
  const innerInputs = [...body.placeholders, ...body.captures];
  const isFloat = (t: TensorType) => t.dtype === "float32";
  // Carried cotangents are always needed: a carry of one step may lead to a wanted sequence element of an earlier one.
  const carryAt = range(carries).filter((i) => isFloat(innerInputs[i] as Tensor));
  const elementAt = range(sequences, carries).filter((i) => needs[i] && isFloat(innerInputs[i] as Tensor));
  const captureAt = range(body.captures.length, carries + sequences).filter((i) => needs[i] && isFloat(innerInputs[i] as Tensor));
  const outputAt = range(cts.length - carries, carries).filter((i) => cts[i]);

  /** Uses of captured tensors whose gradient is taken once, over all steps. */
  const batched: { use: Node; cotangents: readonly (Tensor | null)[]; batch: readonly boolean[] }[] = [];
  const captured = new Set(captureAt.map((i) => innerInputs[i]));

  const capturesSummed = captureAt.map((i) => innerInputs[i] as Tensor);
  const zeroCarry = [...carryAt.map((i) => cts[i] ?? zerosLike(inputs[i] as Tensor)), ...capturesSummed.map(zerosLike)];
  const start = nodeCount();
  const carryCts = carryAt.map((i) => input(innerInputs[i] as Tensor));
  const sumsSoFar = capturesSummed.map((c) => input(c));
  const outputCts = outputAt.map((i) => input(bodyOutputs[i] as Tensor));

  const outCts = bodyOutputs.map((_, i) => carryCts[carryAt.indexOf(i)] ?? outputCts[outputAt.indexOf(i)] ?? null);
  const wrt = [...carryAt, ...elementAt, ...captureAt].map((i) => innerInputs[i] as Tensor);
  const found = backward(bodyOutputs, outCts, wrt, body.since, (use, useCts) => {
    if (!use.primitive.mapsLeadingAxis) return undefined;
    const rank = (use.outputs[0] as Tensor).shape.length;
    const varying = (x: Tensor) => !body.captures.includes(x);
    const batch = use.inputs.map((x) => captured.has(x));
    if (!batch.includes(true) || use.inputs.some((x) => varying(x) && x.shape.length !== rank)) return undefined;
    batched.push({ use, cotangents: useCts, batch });
    return batch;
  });
  const elementCts = found.slice(carryAt.length, carryAt.length + elementAt.length);
  const captureCts = found.slice(carryAt.length + elementAt.length);

  // The backward scan: its body is what was just traced; forward tensors it reads arrive as sequences, stacked over time.
  const sums = range(captureAt.length).filter((k) => captureCts[k]);
  const summed = sums.map((k) => accumulate([sumsSoFar[k] as Tensor, captureCts[k] as Tensor]));
  const nextCarry = [...carryAt.map((i, k) => found[k] ?? zerosLike(innerInputs[i] as Tensor)), ...summed];
  const elements = elementCts.map((ct, k) => ct ?? zerosLike(innerInputs[elementAt[k] as number] as Tensor));
  const batchedCts = batched.flatMap(({ cotangents }) => cotangents.filter((ct): ct is Tensor => ct !== null));
  const results = [...nextCarry, ...elements, ...batchedCts];
  const backwardCaptures = new Set(body.captures);
  const read = new Set<Tensor>();
  const isForward = (x: Tensor) => body.placeholders.includes(x) || forward.has(x.node);
  const stop = new Set([...body.placeholders, ...body.captures]);
  for (const f of forward) for (const o of f.outputs) stop.add(o);
  for (const n of reachable(results, stop, body.since)) for (const x of n.inputs) if (isForward(x)) read.add(x);
  for (const x of results) if (isForward(x)) read.add(x);
  const residuals = [...read].filter((x) => !backwardCaptures.has(x));

  const placeholders = [...carryCts, ...sums.map((k) => sumsSoFar[k] as Tensor), ...outputCts, ...residuals];
  const backBody = closeBody(placeholders, results, Math.min(start, body.since));
  const backCarries = carryAt.length + sums.length;
  const operands = [
    ...zeroCarry.slice(0, carryAt.length),
    ...sums.map((k) => zeroCarry[carryAt.length + k] as Tensor),
    ...outputAt.map((i) => cts[i] as Tensor),
    ...residuals.map((x) => stacked(node, x)),
  ];
  const back = scanPrimitive.bind([...operands, ...backBody.captures], {
    body: backBody,
    carries: backCarries,
    sequences: operands.length - backCarries,
    length,
    reverse: !reverse,
  });

  const given: (Tensor | null)[] = inputs.map(() => null);
  carryAt.forEach((i, k) => {
    given[i] = back[k] as Tensor;
  });
  elementAt.forEach((i, k) => {
    given[i] = back[backCarries + k] as Tensor;
  });
  sums.forEach((k, j) => {
    given[captureAt[k] as number] = back[carryAt.length + j] as Tensor;
  });
  let at = backCarries + elementAt.length;
  for (const { use, cotangents, batch } of batched) {
    const stackedCts = cotangents.map((ct) => (ct ? (back[at++] as Tensor) : null));
    const stackedInputs = use.inputs.map((x) => (isForward(x) && !body.captures.includes(x) ? stacked(node, x) : x));
    const gradients = use.primitive.vjp?.(stackedCts, stackedInputs, stackedCts as Tensor[], use.params, batch) ?? [];
    use.inputs.forEach((x, i) => {
      const ct = gradients[i];
      if (!batch[i] || !ct) return;
      const slot = carries + sequences + body.captures.indexOf(x);
      const before = given[slot];
      given[slot] = before ? accumulate([before, ct]) : ct;
    });
  }
  return given;
}

function lowerScan(b: Lowering, inputs: readonly Value[], params: ScanParams, signature: { used: readonly boolean[] }): Value[] {
  const { body, carries, sequences, length, reverse } = params;
  const stacks = range(body.outputs.length - carries, carries).filter((i) => signature.used[i]);
  const kept = [...range(carries), ...stacks];
  const named = body.placeholders.map((p, i) => ({ name: `p${i}`, shape: p.shape, dtype: p.dtype }));
  // ONNX counts steps by a sequence; where there is none, one of blanks stands in.
  const counter = sequences === 0 ? [b.filled([length], 0, "bool")] : [];
  const counted = counter.map(() => ({ name: "step", shape: [], dtype: "bool" as const }));
  const graph = b.body([...named, ...counted], (inner, names) => {
    const env = bodyEnvironment(body, names, inputs.slice(carries + sequences));
    return emit(
      inner,
      kept.map((i) => body.outputs[i] as Tensor),
      env,
    );
  });
  const attributes = {
    body: graph,
    num_scan_inputs: sequences + counter.length,
    ...(reverse && {
      scan_input_directions: Array(sequences + counter.length).fill(1),
      scan_output_directions: Array(stacks.length).fill(1),
    }),
  };
  const values = b.nodes("Scan", [...inputs.slice(0, carries + sequences), ...counter], attributes, kept.length);
  const all: Value[] = body.outputs.map(() => "");
  kept.forEach((i, k) => {
    all[i] = values[k] as Value;
  });
  return all;
}

export interface WhileParams {
  readonly body: Body;
  readonly limit: number;
}

export const whilePrimitive: Primitive<WhileParams> = definePrimitive<WhileParams>({
  name: "whileLoop",
  infer: (_, { body }) => body.outputs.slice(1),
  key: () => null,
  lower(b, inputs, { body, limit }) {
    const carries = body.placeholders.length;
    const named = body.placeholders.map((p, i) => ({ name: `p${i}`, shape: p.shape, dtype: p.dtype }));
    const counters = [
      { name: "iteration", shape: [], dtype: "int64" as const },
      { name: "condition", shape: [], dtype: "bool" as const },
    ];
    const graph = b.body([...counters, ...named], (inner, [, , ...names]) =>
      emit(inner, body.outputs, bodyEnvironment(body, names, inputs.slice(carries + 1))),
    );
    const trips = b.constant({ dtype: "int64", shape: [], data: BigInt64Array.of(BigInt(limit)) });
    return b.nodes("Loop", [trips, ...inputs.slice(0, carries + 1)], { body: graph }, carries);
  },
});

/**
 * Repeats `step` while `condition` holds, at most `limit` times. Has no gradient; use `scan` where one is needed.
 *
 * @param condition maps the state to a bool scalar
 * @param step maps the state to the next, of the same structure, shapes and types
 * @example whileLoop((s) => less(s.n, 10), (s) => ({ n: add(s.n, 1) }), { n }, { limit: 100 })
 */
export function whileLoop<State>(
  condition: (state: State) => Tensor,
  step: (state: State) => State,
  init: State,
  { limit }: { readonly limit: number },
): State {
  const inits = leavesOf(init);
  const first = condition(init);
  if (first.dtype !== "bool" || first.shape.length > 0) {
    throw new ShapeError("whileLoop", `expected the condition to be a bool scalar, got ${typeName(first)}`);
  }
  const body = traceBody(inits, (placeholders) => {
    const next = step(fill(init, placeholders));
    return [condition(next), ...sameCarry("whileLoop", inits, leavesOf(next))];
  });
  return fill(init, whilePrimitive.bind([first, ...inits, ...body.captures], { body, limit }));
}

/** Traces a body on fresh placeholders. */
function traceBody(types: readonly TensorType[], build: (placeholders: Tensor[]) => readonly Tensor[]): Body {
  const since = nodeCount();
  const placeholders = types.map((type) => input({ shape: type.shape, dtype: type.dtype }));
  return closeBody(placeholders, build(placeholders), since);
}

/** Finds what a body uses from outside: the tensors its step-dependent nodes read that do not themselves depend on the step. */
function closeBody(placeholders: readonly Tensor[], outputs: readonly Tensor[], since: number): Body {
  const own = new Set(placeholders);
  const dependent = new Set<Tensor>(placeholders);
  const captures = new Set<Tensor>();
  const nodes = reachable(outputs, own, since);
  for (const node of nodes) {
    if (!node.inputs.some((x) => dependent.has(x))) {
      if (node.primitive.random) {
        throw new ShapeError(
          node.primitive.name,
          "drawn inside a loop, it would give the same numbers in every step",
          "Draw numbers for all steps outside, with a leading axis of steps, and scan over them.",
        );
      }
      continue;
    }
    for (const output of node.outputs) dependent.add(output);
    for (const x of node.inputs) if (!dependent.has(x)) captures.add(x);
  }
  for (const output of outputs) if (!dependent.has(output)) captures.add(output);
  return { placeholders, captures: [...captures], outputs: [...outputs], since };
}

function bodyEnvironment(body: Body, names: readonly Value[], captured: readonly Value[]): Map<Tensor, Value> {
  const env = new Map<Tensor, Value>();
  body.captures.forEach((c, i) => {
    env.set(c, captured[i] as Value);
  });
  body.placeholders.forEach((p, i) => {
    env.set(p, names[i] as Value);
  });
  return env;
}

/** Lowers body outputs; each gets a name of its own, since a body may return an input, a capture or one value twice. */
function emit(inner: Lowering, outputs: readonly Tensor[], env: Map<Tensor, Value>): (TensorType & { value: Value })[] {
  const given = new Set(env.values());
  const taken = new Set<Value>();
  return lower(inner, outputs, env).map((value, i) => {
    const { shape, dtype } = outputs[i] as Tensor;
    const own = given.has(value) || taken.has(value) || inner.isOuter(value) ? inner.node("Identity", [value]) : value;
    taken.add(own);
    return { value: own, shape, dtype };
  });
}

function sameCarry(op: string, before: readonly Tensor[], after: readonly Tensor[]): readonly Tensor[] {
  if (before.length !== after.length) {
    throw new ShapeError(op, `expected the step to return a carry of ${before.length} tensors, got ${after.length}`);
  }
  before.forEach((b, i) => {
    const a = after[i] as Tensor;
    if (typeName(a) !== typeName(b)) throw new ShapeError(op, `expected the carry to stay ${typeName(b)}, got ${typeName(a)}`);
  });
  return after;
}

function leavesOf(tree: unknown): Tensor[] {
  return flatten(tree, isTensor).map(({ leaf }) => leaf);
}

/** The same tree with these tensors as its leaves. */
function fill<T>(tree: T, leaves: readonly Tensor[]): T {
  let next = 0;
  return mapTree(tree, isTensor, () => leaves[next++] as Tensor) as T;
}

function range(count: number, from = 0): number[] {
  return Array.from({ length: count }, (_, i) => from + i);
}
