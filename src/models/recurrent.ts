/**
 * Recurrent networks: layers that read a sequence element by element and carry a state along.
 *
 * What RNN, GRU and LSTM share is here: running a cell over time, in both directions, over padded sequences, layer upon layer;
 * a cell itself is in its own file. Everything that does not depend on the state is computed for all times at once: the
 * products of the inputs before the loop, the gradients of both matrices after it, each as one large matrix product. What is left
 * in the loop is one product with the state and a few gates. Its gradient is written by hand, as a loop that runs the other way.
 *
 * Papers: Elman 1990, Werbos 1990 (backpropagation through time), Schuster & Paliwal 1997 (bidirectional), Zaremba et al. 2014
 * (dropout between layers), Ba et al. 2016 (layer normalisation).
 *
 * Legend: B batch, T time, C width of the input, H width of the state, G blocks of pre-activations (1 RNN, 3 GRU, 4 LSTM).
 */
import { custom } from "../core/builtin.ts";
import type { TracedKey } from "../core/random.ts";
import { scan } from "../core/scan.ts";
import { ShapeError, type Tensor, typeName } from "../core/tensor.ts";
import { dropout } from "../nn/dropout.ts";
import { uniformInit } from "../nn/init.ts";
import type { Linear } from "../nn/linear.ts";
import { initNorm, layerNorm, type Norm } from "../nn/norm.ts";
import { add, arange, cast, concat, less, matmul, mul, not, reshape, sum, transpose, where, zeros } from "../ops/index.ts";
import { HeptagenError } from "../util/errors.ts";
import type { NdArray } from "../util/ndarray.ts";
import { fold, type Key } from "../util/random.ts";
import type { Probe } from "./language-model.ts";

/** What a layer carries from one time to the next, each [B, H]; the memory is the LSTM's. */
export interface CellState<Leaf = Tensor> {
  readonly hidden: Leaf;
  readonly memory?: Leaf;
}

/** State of a layer, with that of the direction from the end to the beginning, if there is one. */
export interface LayerState<Leaf = Tensor> extends CellState<Leaf> {
  readonly reverse?: CellState<Leaf>;
}

/** Tensors of one time [B, H], or of all [T, B, H], by name. */
export type Named<Names extends string = string> = Readonly<Record<Names, Tensor>>;

/** What makes one recurrent network differ from another. */
export interface Cell<Kept extends string = string> {
  /** Blocks of H among the pre-activations, in the order of the columns of both matrices (PyTorch's order). */
  readonly blocks: readonly string[];
  /** Whether there is a memory beside the hidden state. */
  readonly remembers: boolean;
  /** Whether the state's product is only ever added to the input's: its bias is then added outside the loop. */
  readonly additive: boolean;
  /**
   * One step.
   *
   * @param input x W + b, [B, G H]
   * @param recurrent h U, [B, G H], with its bias unless `additive`
   * @param norm of the memory, in the layer-norm variant
   * @returns the next state, and what is worth seeing: gates under their names, and what `back` needs
   */
  step(
    input: Tensor,
    recurrent: Tensor,
    state: CellState,
    norm?: Norm,
  ): { readonly state: CellState; readonly kept: Named<Kept> };
  /** What to show of `kept`, and how it is called. */
  readonly shown: { readonly [Name in Kept]?: string };
  /** Blocks whose bias begins higher, and by how much. */
  readonly raised?: Readonly<Record<string, number>>;
  /**
   * Gradient of a step.
   *
   * @param ct cotangent of the state after the step
   * @param before the state that the step began with
   * @returns cotangents of both pre-activations, and of the state before as far as it enters beside the product
   */
  back(
    ct: CellState,
    kept: Named<Kept>,
    before: CellState,
  ): {
    readonly input: Tensor;
    readonly recurrent: Tensor;
    readonly hidden?: Tensor;
    readonly memory?: Tensor;
  };
}

/** Parameters of one direction: input [C, G H] and hidden [H, G H]; both have a bias, as in PyTorch. */
export interface Direction<Leaf = Tensor> {
  readonly input: Required<Linear<Leaf>>;
  readonly hidden: Required<Linear<Leaf>>;
  /** The layer-norm variant: norms of both products and of the LSTM's memory. */
  readonly norm?: { readonly input: Norm<Leaf>; readonly hidden: Norm<Leaf>; readonly memory?: Norm<Leaf> };
}

/**
 * Parameters of one layer. In PyTorch's names `layers.1.input.weight` is `weight_ih_l1`, transposed, `hidden` is `hh`,
 * and `layers.1.reverse.…` is `…_l1_reverse`.
 */
export interface RecurrentLayer<Leaf = Tensor> extends Direction<Leaf> {
  readonly reverse?: Direction<Leaf>;
}

/** What all recurrent networks are configured by. */
export interface RecurrentConfig {
  /** Layers upon each other. */
  readonly layers: number;
  /** Width of the state, of each direction. */
  readonly width: number;
  /** Whether a second set of layers reads from the end to the beginning. */
  readonly bidirectional: boolean;
  /** Whether both products (and the LSTM's memory) are layer-normalised. */
  readonly norm: "none" | "layer";
  /** Fraction of activations dropped between layers in training. */
  readonly dropout: number;
}

/**
 * Initial parameters of stacked layers, uniform in ±1/√H as PyTorch's.
 *
 * @param from width of what the first layer reads
 */
export function initRecurrentLayers(
  cell: Cell,
  { layers, width, bidirectional, norm }: RecurrentConfig,
  from: number,
  key: Key,
): RecurrentLayer<NdArray>[] {
  const columns = cell.blocks.length * width;
  const bound = 1 / Math.sqrt(width);
  const direction = (own: Key, inputs: number): Direction<NdArray> => {
    const map = (name: string, rows: number): Required<Linear<NdArray>> => ({
      weight: uniformInit(fold(fold(own, name), "weight"), [rows, columns], bound),
      bias: uniformInit(fold(fold(own, name), "bias"), [columns], bound),
    });
    const raise = (map: Required<Linear<NdArray>>): Required<Linear<NdArray>> => {
      cell.blocks.forEach((block, k) => {
        const by = cell.raised?.[block] ?? 0;
        for (let j = k * width; j < (k + 1) * width; j++) (map.bias.data as Float32Array)[j] = Number(map.bias.data[j]) + by;
      });
      return map;
    };
    const norms = () => ({
      input: initNorm(columns),
      hidden: initNorm(columns),
      ...(cell.remembers && { memory: initNorm(width, { bias: true }) }),
    });
    return { input: raise(map("input", inputs)), hidden: map("hidden", width), ...(norm === "layer" && { norm: norms() }) };
  };
  return Array.from({ length: layers }, (_, i) => {
    const own = fold(key, i);
    const inputs = i === 0 ? from : width * (bidirectional ? 2 : 1);
    return { ...direction(own, inputs), ...(bidirectional && { reverse: direction(fold(own, "reverse"), inputs) }) };
  });
}

/** Sees and nudges what happens inside; `inspect` uses it. */
export interface Observation {
  readonly probe?: Probe | undefined;
  /** Added to the state before every step, [T, B, H] each: the gradient with respect to them tells how far a loss reaches back. */
  readonly nudges?: readonly CellState[] | undefined;
}

export interface RecurrentOptions extends Observation {
  /** States to begin with; zeros unless given. */
  readonly state?: readonly LayerState[] | undefined;
  /** How many elements of each sequence count, int32 [B]; all unless given. Both directions then skip the padding behind. */
  readonly lengths?: Tensor | undefined;
  /** Where a new text begins, bool [B, T]: the state is forgotten there before the element is read. */
  readonly resets?: Tensor | undefined;
  /** Present in training: draws dropout masks. */
  readonly key?: TracedKey | undefined;
}

/**
 * Runs stacked recurrent layers over sequences.
 *
 * Padded sequences give what PyTorch's packed ones give: outputs of places that do not count are 0, the final state of the
 * forward direction is that after the last element that counts, and the other direction begins there.
 *
 * @param x [B, T, C]
 * @returns outputs [B, T, H], or [B, T, 2 H] with both directions side by side, and the final states of every layer
 * @throws ShapeError when parameters and inputs do not fit
 * @example
 * const { outputs, state } = recurrentLayers(lstmCell, config, params.layers, x, { lengths });
 */
export function recurrentLayers(
  cell: Cell,
  config: RecurrentConfig,
  layers: readonly RecurrentLayer[],
  x: Tensor,
  options: RecurrentOptions = {},
): { outputs: Tensor; state: LayerState[] } {
  if (x.shape.length !== 3) throw new ShapeError("recurrentLayers", `expected x [B, T, C], got ${typeName(x)}`);
  const turned = transpose(x, [1, 0, 2]); // [T, B, C]
  const { outputs, state } = runLayers(cell, config, layers, (direction) => inputPart(cell, direction, turned), options);
  return { outputs: transpose(outputs, [1, 0, 2]), state };
}

/** What the first layer is given by its input: the part of its pre-activations that `inputPart` computes, [..., G H]. */
export type FirstPart = (direction: Direction) => Tensor;

/** `recurrentLayers` with time in front: the first layer's input parts [T, B, G H] → outputs [T, B, H or 2 H]. */
export function runLayers(
  cell: Cell,
  config: RecurrentConfig,
  layers: readonly RecurrentLayer[],
  first: FirstPart,
  { state, lengths, resets, key, probe, nudges }: RecurrentOptions = {},
): { outputs: Tensor; state: LayerState[] } {
  const start = first(layers[0] as RecurrentLayer);
  const [time, batch] = start.shape as [number, number, number];
  if (resets && config.bidirectional) {
    throw new ShapeError(
      "recurrentLayers",
      "resets have a meaning in the forward direction only, got a bidirectional network",
      "Use lengths.",
    );
  }
  const counts = lengths && reshape(less(reshape(arange(time), [time, 1]), reshape(lengths, [1, batch])), [time, batch, 1]);
  const keeps = resets && reshape(cast(not(transpose(resets)), "float32"), [time, batch, 1]);
  const final: LayerState[] = [];
  let y = start;
  layers.forEach((layer, i) => {
    if (i > 0) y = dropout(y, config.dropout, key?.fold("layers").fold(i));
    const look = probe && ((name: string, value: Tensor) => probe(`layers.${i}.${name}`, transpose(value, [1, 0, 2])));
    const common = { counts, keeps, look, nudge: nudges?.[i] };
    const { reverse, ...initial } = state?.[i] ?? blankState(cell, config, batch);
    const ahead = runDirection(cell, layer, i === 0 ? start : inputPart(cell, layer, y), initial, {
      ...common,
      backwards: false,
    });
    if (!layer.reverse) {
      y = ahead.outputs;
      final.push(ahead.state);
      return;
    }
    if (!reverse) throw new ShapeError("recurrentLayers", `expected a state of both directions for layer ${i}, got one`);
    const turned = i === 0 ? first(layer.reverse) : inputPart(cell, layer.reverse, y);
    const behind = runDirection(cell, layer.reverse, turned, reverse, {
      ...common,
      backwards: true,
      look: look && ((name, value) => look(`reverse.${name}`, value)),
    });
    y = concat([ahead.outputs, behind.outputs], 2);
    final.push({ ...ahead.state, reverse: behind.state });
  });
  return { outputs: y, state: final };
}

/** One step of all layers (of one direction), for writing token by token: outputs [B, H] and the next states. */
export function stepLayers(
  cell: Cell,
  layers: readonly RecurrentLayer[],
  first: FirstPart,
  states: readonly CellState[],
): { outputs: Tensor; state: CellState[] } {
  let y = first(layers[0] as RecurrentLayer);
  const state = layers.map((layer, i) => {
    const before = states[i] as CellState;
    const next = cell.step(
      i === 0 ? y : inputPart(cell, layer, y),
      recurrentPart(cell, layer, before.hidden),
      before,
      layer.norm?.memory,
    );
    y = next.state.hidden;
    return next.state;
  });
  return { outputs: y, state };
}

/** Zeros for one layer. */
export function blankState(cell: Cell, { width, bidirectional }: RecurrentConfig, batch: number): LayerState {
  const one = (): CellState => ({
    hidden: zeros([batch, width]),
    ...(cell.remembers && { memory: zeros([batch, width]) }),
  });
  return { ...one(), ...(bidirectional && { reverse: one() }) };
}

/** x W + b, with whatever else can be added before the state is known: x [..., C] → [..., G H] */
export function inputPart(cell: Cell, { input, hidden, norm }: Direction, x: Tensor): Tensor {
  const product = matmul(x, input.weight);
  const normal = norm ? layerNorm(norm.input, product) : product;
  return add(normal, cell.additive ? add(input.bias, hidden.bias) : input.bias);
}

/** h U [B, G H], with the bias that the cell wants there. */
function recurrentPart(cell: Cell, { hidden, norm }: Direction, h: Tensor): Tensor {
  const product = matmul(h, hidden.weight);
  const normal = norm ? layerNorm(norm.hidden, product) : product;
  return cell.additive ? normal : add(normal, hidden.bias);
}

interface RunOptions {
  readonly backwards: boolean;
  /** bool [T, B, 1] */
  readonly counts: Tensor | undefined;
  /** 1 or 0, float32 [T, B, 1] */
  readonly keeps: Tensor | undefined;
  readonly look: ((name: string, value: Tensor) => void) | undefined;
  readonly nudge: CellState | undefined;
}

/** One layer in one direction, from its input part [T, B, G H]: outputs [T, B, H] and the final state. */
function runDirection(
  cell: Cell,
  params: Direction,
  input: Tensor,
  initial: CellState,
  options: RunOptions,
): { outputs: Tensor; state: CellState } {
  const { backwards, counts, keeps, look, nudge } = options;
  const sequence = { input, ...(counts && { counts }), ...(keeps && { keeps }), ...(nudge && { nudge }) };
  const [last, { kept, states, before }] = scan(
    (carry: CellState, now: typeof sequence) => {
      const nudged = now.nudge ? combine(add, carry, now.nudge) : carry;
      const known = now.keeps ? scaled(nudged, now.keeps) : nudged;
      const { state, kept } = cell.step(now.input, recurrentPart(cell, params, known.hidden), known, params.norm?.memory);
      const count = now.counts;
      const next = count ? combine((fresh, old) => where(count, fresh, old), state, known) : state;
      return [next, { kept, states: next, before: known }] as const;
    },
    initial,
    sequence,
    { reverse: backwards },
  );
  if (look) {
    for (const [name, title] of Object.entries(cell.shown)) look(title as string, kept[name] as Tensor);
    for (const [name, value] of Object.entries(states)) look(name, value as Tensor);
  }
  const plain =
    params.norm || nudge
      ? undefined
      : { cell, params, input, initial, kept, before, hidden: states.hidden, counts, keeps, backwards };
  const tied = plain ? withGradient(plain, last) : [states.hidden, ...leaves(last)];
  const hidden = tied[0] as Tensor;
  return {
    outputs: counts ? mul(hidden, cast(counts, "float32")) : hidden,
    state: refill(last, tied.slice(1)),
  };
}

interface Forward {
  readonly cell: Cell;
  readonly params: Direction;
  readonly input: Tensor;
  readonly initial: CellState;
  /** What the loop kept, the states before each step and the hidden state after it, [T, B, H] each. */
  readonly kept: Named;
  readonly before: CellState;
  readonly hidden: Tensor;
  readonly counts: Tensor | undefined;
  readonly keeps: Tensor | undefined;
  readonly backwards: boolean;
}

/** Ties hidden states [T, B, H] and the last state to a gradient that is one loop and one large product. */
function withGradient(forward: Forward, last: CellState): readonly Tensor[] {
  const { cell, params, input, initial, kept, before, hidden, counts, keeps, backwards } = forward;
  const args = [input, params.hidden.weight, params.hidden.bias, ...leaves(initial)];
  return custom(args, [hidden, ...leaves(last)], [], (_, [ctHidden, ...ctLast]) => {
    const sequence = {
      kept,
      before,
      ...(ctHidden && { ct: ctHidden }),
      ...(keeps && { keeps }),
      ...(counts && { counts: cast(counts, "float32"), passes: cast(not(counts), "float32") }),
    };
    const start = refill(
      initial,
      leaves(initial).map((leaf, i) => ctLast[i] ?? zeros(leaf.shape)),
    );
    const [first, out] = scan(
      (carry: CellState, now: typeof sequence) => {
        const ct = now.ct ? { ...carry, hidden: add(carry.hidden, now.ct) } : carry;
        const given = cell.back(now.counts ? scaled(ct, now.counts) : ct, now.kept, now.before);
        const product = matmul(given.recurrent, params.hidden.weight, { transposeB: true });
        const stepped = {
          hidden: given.hidden ? add(product, given.hidden) : product,
          ...(given.memory && { memory: given.memory }),
        };
        const known = now.passes ? combine(add, stepped, scaled(ct, now.passes)) : stepped;
        const own = given.input === given.recurrent ? {} : { input: given.input };
        return [now.keeps ? scaled(known, now.keeps) : known, { recurrent: given.recurrent, ...own }] as const;
      },
      start,
      sequence,
      { reverse: !backwards },
    );
    const { recurrent, input: own = recurrent }: { recurrent: Tensor; input?: Tensor } = out;
    const rows = (all: Tensor) => reshape(all, [-1, all.shape[2] as number]); // [T, B, …] → [T B, …]
    const weight = matmul(rows(before.hidden), rows(recurrent), { transposeA: true }); // [H, G H]
    return [own, weight, cell.additive ? null : sum(rows(recurrent), 0), ...leaves(first)];
  });
}

function leaves({ hidden, memory }: CellState): Tensor[] {
  return memory ? [hidden, memory] : [hidden];
}

/** A state with these leaves, in the order of `leaves`. */
function refill(like: CellState, [hidden, memory]: readonly Tensor[]): CellState {
  return { hidden: hidden as Tensor, ...(like.memory && { memory: memory as Tensor }) };
}

function combine(fn: (a: Tensor, b: Tensor) => Tensor, a: CellState, b: CellState): CellState {
  return { hidden: fn(a.hidden, b.hidden), ...(a.memory && b.memory && { memory: fn(a.memory, b.memory) }) };
}

/** A state times 1 or 0. */
function scaled(state: CellState, factor: Tensor): CellState {
  return combine((part) => mul(part, factor), state, state);
}

/**
 * Checks what all recurrent networks share.
 *
 * @throws HeptagenError `recurrent/config` naming the first value that does not fit
 */
export function checkRecurrentConfig(name: string, { layers, width, dropout: rate }: RecurrentConfig): void {
  for (const [field, value] of Object.entries({ layers, width })) {
    if (Number.isInteger(value) && value >= 1) continue;
    throw new HeptagenError("recurrent/config", `${name}: expected ${field} to be a whole number above 0, got ${value}`, {
      next: `Set ${field}.`,
    });
  }
  if (rate >= 0 && rate < 1) return;
  throw new HeptagenError("recurrent/config", `${name}: expected dropout from 0 to below 1, got ${rate}`, {
    next: "Set dropout; 0 for none.",
  });
}
