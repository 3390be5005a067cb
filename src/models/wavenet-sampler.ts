/**
 * Writing sound with a WaveNet, sample by sample, without computing the past again.
 *
 * A block needs of its past one vector only: what it read `dilation` samples ago. So each block keeps a queue of its last
 * `dilation` inputs, and a new sample costs one small product per block (Le Paine et al. 2016). Two nested loops, both inside ONNX
 * Runtime, make the queues nearly free. The inner loop writes `blockSize` samples. Queues at least as long as that do not change
 * meanwhile in what is read of them: their oldest vectors are handed to the loop as a sequence, and its inputs come back as
 * another; a queue then moves by a whole block at once. The short queues of all blocks lie in one small tensor, which each step cuts
 * apart and joins again.
 *
 * A chunk begins and ends in a state, so that sound can be handed out while it is written and go on where it stopped.
 *
 * Legend: B clips at once, R residual channels, L blocks, N samples in a chunk, D dilation of a block.
 */
import { scan } from "../core/scan.ts";
import type { Tensor } from "../core/tensor.ts";
import type { Conv } from "../nn/conv.ts";
import { type Embedding, embedding } from "../nn/linear.ts";
import { sampleToken, samplingDefaults } from "../nn/sampling.ts";
import {
  add,
  arange,
  broadcastTo,
  clamp,
  concat,
  conv,
  div,
  equal,
  exp,
  log,
  matmul,
  maximum,
  mul,
  pad,
  relu,
  reshape,
  round,
  sigmoid,
  slice,
  split,
  sub,
  sum,
  tanh,
  transpose,
  where,
} from "../ops/index.ts";
import { allocate, type NdArray, sizeOf } from "../util/ndarray.ts";
import {
  type Conditions,
  checkConditions,
  dilationsOf,
  forward,
  mixtureOf,
  readFrames,
  silence,
  type WaveNetBlock,
  type WaveNetConfig,
  type WaveNetParams,
} from "./wavenet.ts";

/** Samples per turn of the outer loop; chunks are multiples of it. Measured: 8 to 64 differ by less than a tenth. */
export const blockSize = 16;

/** Uniform numbers that each sample of one clip needs: which value; or which component, and where in it. */
export const chancesPerSample = ({ output }: WaveNetConfig): number => (output === "mu-law" ? 1 : 2);

/** Everything that writing has to remember. */
export interface WaveNetState<Leaf = Tensor> {
  /** The last sample: int32 or float32 [B]. */
  readonly last: Leaf;
  /** Queues of the blocks with a dilation below `blockSize`, oldest first, one after the other: [sum of D · B, R]. */
  readonly near: Leaf;
  /** Queues of the others, oldest first: [D, B, R] each. */
  readonly far: readonly Leaf[];
}

export interface WriteOptions extends Conditions {
  /** Below 1 nearer to the likeliest, above 1 wilder; 0 always the likeliest. */
  readonly temperature: number;
  /** Samples to take instead of drawing them, like those written [N, B]: for tests, and to follow a given sound. */
  readonly forced?: Tensor;
}

const isNear = (dilation: number): boolean => dilation < blockSize;

/** The state before the first sample of `batch` clips: silence, and nothing before it. */
export function emptyState(config: WaveNetConfig, batch: number): WaveNetState<NdArray> {
  const { output, residual } = config;
  const zeros = (shape: readonly number[]): NdArray => ({ dtype: "float32", shape, data: allocate("float32", sizeOf(shape)) });
  const dilations = dilationsOf(config);
  const near = dilations.filter(isNear).reduce((total, dilation) => total + dilation, 0);
  const dtype = output === "mu-law" ? "int32" : "float32";
  return {
    last: { dtype, shape: [batch], data: allocate(dtype, batch).fill(silence(config) as never) },
    near: zeros([near * batch, residual]),
    far: dilations.filter((dilation) => !isNear(dilation)).map((dilation) => zeros([dilation, batch, residual])),
  };
}

/**
 * Traced: the state after reading the beginning of clips, all at once.
 *
 * @param samples int32 or float32 [B, T], the first sample of a clip first; with frames, T is a whole number of frames
 */
export function readState(
  config: WaveNetConfig,
  params: WaveNetParams,
  samples: Tensor,
  conditions: Conditions = {},
): WaveNetState {
  const [batch, time] = samples.shape as [number, number];
  const inputs: Tensor[] = [];
  const before = slice(
    pad(
      samples,
      [
        [0, 0],
        [1, 0],
      ],
      { value: silence(config) },
    ),
    { 1: { stop: time } },
  ); // one later
  forward(config, params, before, { ...conditions, keep: (x) => inputs.push(x) });
  const queues = dilationsOf(config).map((dilation, i) => {
    const x = inputs[i] as Tensor; // [B, R, T]
    const padded =
      time < dilation
        ? pad(x, [
            [0, 0],
            [0, 0],
            [dilation - time, 0],
          ])
        : x;
    return transpose(slice(padded, { 2: { start: -dilation } }), [2, 0, 1]); // [D, B, R]
  });
  const near = queues.filter(({ shape }) => isNear(shape[0] as number));
  return {
    last: reshape(slice(samples, { 1: { start: -1 } }), [batch]),
    near: concat(near.map((queue) => reshape(queue, [-1, config.residual]))),
    far: queues.filter(({ shape }) => !isNear(shape[0] as number)),
  };
}

/** A block's weights as the loop reads them: rows instead of channels first. */
interface StepBlock {
  /** [2R, 2R]: past above present → features beside gate. */
  readonly dilated: Tensor;
  /** What does not depend on the samples: [2R] or [B, 2R]. */
  readonly shift: Tensor;
  readonly residual: { readonly weight: Tensor; readonly bias: Tensor } | undefined;
}

/** [O, C, 1] → [C, O] */
const rows = ({ weight, bias }: Conv): { weight: Tensor; bias: Tensor } => ({
  weight: transpose(reshape(weight, weight.shape.slice(0, 2) as [number, number])),
  bias: bias as Tensor,
});

const linearRows = ({ weight, bias }: { weight: Tensor; bias: Tensor }, x: Tensor): Tensor => add(matmul(x, weight), bias);

/**
 * Traced: writes a chunk of N samples.
 *
 * @param chances uniform numbers in [0, 1): [N, chancesPerSample, B]; N is a multiple of `blockSize`
 * @param options with frames [B, N / H + 2, F], N is a multiple of the frame's length too
 * @returns `samples` [N, B], the `predictions` they were drawn from [N, B, O] (computed only where they are used), and the state to
 *   go on from
 * @throws HeptagenError `wavenet/conditions`
 */
export function write(
  config: WaveNetConfig,
  params: WaveNetParams,
  state: WaveNetState,
  chances: Tensor,
  { temperature, forced, ...conditions }: WriteOptions,
): { samples: Tensor; predictions: Tensor; state: WaveNetState } {
  const [count, draws, batch] = chances.shape as [number, number, number];
  checkConditions(config, conditions, count);
  const turns = count / blockSize;
  const inTurns = (x: Tensor) => reshape(x, [turns, blockSize, ...x.shape.slice(1)]); // [N, …] → [turns, blockSize, …]
  const dilations = dilationsOf(config);
  const farOf = dilations.flatMap((dilation, i) => (isNear(dilation) ? [] : [i]));
  const blocks = params.blocks.map((block) => stepBlock(block, conditions.labels));
  const head = { skip: rows(params.skip), hidden: rows(params.hidden), out: rows(params.out) };
  const read = sampleReader(params, state.last.dtype);
  const elements = {
    chances: inTurns(reshape(chances, [count, draws, batch])),
    ...(forced && { forced: inTurns(forced) }),
    ...(conditions.frames && { said: saidByFrames(params, conditions.frames, config.hop).map(inTurns) }),
  };

  const [end, written] = scan(
    (queues: WaveNetState, turn: typeof elements) => {
      // Of a long queue, this turn reads the oldest vectors and adds as many at its end.
      const past = queues.far.map((queue) => slice(queue, { 0: { stop: blockSize } })); // [blockSize, B, R] each
      const inner = (carry: Pick<WaveNetState, "last" | "near">, element: typeof turn & { readonly past: Tensor[] }) => {
        const short = cutQueues(carry.near, dilations, batch);
        const inputs: Tensor[] = [];
        const gated: Tensor[] = [];
        let x = read(carry.last); // [B, R]
        blocks.forEach(({ dilated, shift, residual }, i) => {
          inputs.push(x);
          const ago = short[i]?.oldest ?? (element.past[farOf.indexOf(i)] as Tensor);
          const own = element.said ? add(shift, element.said[i] as Tensor) : shift;
          const [features, opening] = split(add(matmul(concat([ago, x], 1), dilated), own), 2, 1);
          const passed = mul(tanh(features), sigmoid(opening)); // [B, R]
          gated.push(passed);
          if (residual) x = add(x, linearRows(residual, passed));
        });
        const skipped = relu(linearRows(head.skip, concat(gated, 1))); // [B, S]
        const prediction = linearRows(head.out, relu(linearRows(head.hidden, skipped))); // [B, O]
        const sample = element.forced ?? draw(config, prediction, element.chances, temperature);
        const near = short.flatMap((queue, i) => (queue ? [...queue.rest, inputs[i] as Tensor] : []));
        const seen = { sample, prediction, far: farOf.map((i) => inputs[i] as Tensor) };
        return [{ last: sample, near: concat(near) }, seen] as const;
      };
      const [next, seen] = scan(inner, { last: queues.last, near: queues.near }, { ...turn, past });
      const far = queues.far.map((queue, k) => {
        const added = seen.far[k] as Tensor; // [blockSize, B, R]
        return queue.shape[0] === blockSize ? added : concat([slice(queue, { 0: { start: blockSize } }), added]);
      });
      return [
        { ...next, far },
        { sample: seen.sample, prediction: seen.prediction },
      ] as const;
    },
    state,
    elements,
  );
  const flat = (x: Tensor) => reshape(x, [count, ...x.shape.slice(2)]); // [turns, blockSize, …] → [N, …]
  return { samples: flat(written.sample), predictions: flat(written.prediction), state: end };
}

function stepBlock({ dilated, label, residual }: WaveNetBlock, labels: Tensor | undefined): StepBlock {
  const [outputs, channels] = dilated.weight.shape as [number, number];
  const taps = transpose(dilated.weight, [2, 1, 0]); // [2R, R, 2] → [2, R, 2R]
  const bias = dilated.bias as Tensor;
  return {
    dilated: reshape(taps, [2 * channels, outputs]),
    shift: label && labels ? add(embedding(label, labels), bias) : bias,
    residual: residual && rows(residual),
  };
}

/** Reads samples [B] → [B, R]. */
function sampleReader({ input }: WaveNetParams, dtype: string): (samples: Tensor) => Tensor {
  if (dtype === "int32") return (samples) => embedding(input as Embedding, samples);
  const map = rows(input as Conv);
  return (samples) => linearRows(map, reshape(samples, [-1, 1]));
}

/** What frames add to each block's sums, sample by sample: [N, B, 2R] each. */
function saidByFrames(params: WaveNetParams, given: Tensor, hop: number): Tensor[] {
  const frames = readFrames(params, given); // [B, R, frames]
  return params.blocks.map(({ frame }) => {
    const said = transpose(conv(frames, (frame as Conv).weight), [2, 0, 1]); // [frames, B, 2R]
    const [count, batch, width] = said.shape as [number, number, number];
    const repeated = broadcastTo(reshape(said, [count, 1, batch, width]), [count, hop, batch, width]);
    return reshape(repeated, [count * hop, batch, width]);
  });
}

/** The short queues out of their common tensor: of each block that has one, the oldest vectors [B, R] and what follows them. */
function cutQueues(
  near: Tensor,
  dilations: readonly number[],
  batch: number,
): ({ readonly oldest: Tensor; readonly rest: readonly Tensor[] } | undefined)[] {
  const sizes = dilations.filter(isNear).flatMap((dilation) => (dilation === 1 ? [batch] : [batch, (dilation - 1) * batch]));
  const parts: readonly Tensor[] = split(near, sizes);
  let at = 0;
  return dilations.map((dilation) => {
    if (!isNear(dilation)) return undefined;
    const oldest = parts[at++] as Tensor;
    return { oldest, rest: dilation === 1 ? [] : [parts[at++] as Tensor] };
  });
}

/** One sample per clip: prediction [B, O], chances [draws, B] → [B]. */
function draw(config: WaveNetConfig, prediction: Tensor, chances: Tensor, temperature: number): Tensor {
  const [batch] = prediction.shape as [number];
  const chance = (i: number) => reshape(slice(chances, { 0: { start: i, stop: i + 1 } }), [batch]);
  if (config.output === "mu-law") return sampleToken(prediction, chance(0), undefined, { ...samplingDefaults, temperature });
  const { logits, means, logScales } = mixtureOf(config, prediction);
  const component = sampleToken(logits, chance(0), undefined, { ...samplingDefaults, temperature }); // [B]
  const own = equal(arange(config.mixtures), reshape(component, [batch, 1])); // [B, M]
  const pick = (x: Tensor) => sum(where(own, reshape(x, [batch, config.mixtures]), 0), 1); // [B, 1, M] → [B]
  // A logistic distribution by its inverse: mean + scale · log(u / (1 - u)).
  const u = clamp(chance(1), 1e-7, 1 - 1e-7);
  const noise = mul(log(div(u, sub(1, u))), temperature);
  const value = clamp(add(pick(means), mul(exp(maximum(pick(logScales), -7)), noise)), -1, 1);
  // Onto the grid of values that samples can have.
  const steps = config.levels - 1;
  return sub(mul(round(mul(add(value, 1), steps / 2)), 2 / steps), 1);
}
