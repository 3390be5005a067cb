/**
 * A forecaster of series: a decoder goes through the steps of a series, and at each one the distribution of the next value is made of
 * its state. Sample paths are written step by step, each value drawn being the past of the next.
 *
 *   lagged values ─┐
 *   features ──────┼─ sum ─ decoder ─ head ─ distribution of this step's value
 *   series ────────┘
 *
 * Values are scaled by the context of their window. Features (calendar, covariates) are those of the step that is forecast.
 *
 * Papers: Salinas et al. 2020 (DeepAR: autoregressive networks, scaling, negative binomial), Gasthaus et al. 2019 (quantile functions
 * to sample from), Koenker & Bassett 1978 (pinball loss), Alexandrov et al. 2020 (GluonTS: lags, Student's t).
 *
 * Legend: B windows, S sample paths of each, C steps of context, H steps ahead, L = C + H, J lags, M the longest lag, F features,
 * W width, P parameters of a distribution, K quantiles.
 */
import { isTensor, scan, type Tensor, type TracedKey, uniform } from "../core/index.ts";
import {
  drawNegativeBinomial,
  drawNormal,
  drawStudentT,
  type Embedding,
  embedding,
  gaussianLogProb,
  initEmbedding,
  initLinear,
  type Linear,
  linear,
  negativeBinomialLogProb,
  negativeBinomialNoise,
  pinballLoss,
  studentTLogProb,
} from "../nn/index.ts";
import {
  add,
  broadcastTo,
  concat,
  cumsum,
  div,
  less,
  log,
  maximum,
  mean,
  mul,
  neg,
  reshape,
  round,
  slice,
  softplus,
  sqrt,
  sub,
  sum,
  transpose,
  where,
  zeros,
} from "../ops/index.ts";
import type { NdArray } from "../util/ndarray.ts";
import { fold, type Key } from "../util/random.ts";
import { mapTree, type Tree } from "../util/tree.ts";
import type { SequenceNetwork } from "./sequence-network.ts";

export const distributionNames = ["gaussian", "student-t", "negative-binomial", "quantiles"] as const;
export type DistributionName = (typeof distributionNames)[number];

export interface ForecasterConfig<Config> {
  readonly network: SequenceNetwork<Config>;
  readonly config: Config;
  readonly distribution: DistributionName;
  /** How many series there are, each with a vector of its own; 0 for none. */
  readonly series: number;
  /** Steps back that are looked at directly, ascending; the first is 1. */
  readonly lags: readonly number[];
  /** F */
  readonly features: number;
}

export interface ForecasterParams<Leaf = Tensor> {
  /** [2 J, W]: of lagged values, then of whether each is known. */
  readonly lags: Linear<Leaf>;
  /** [F, W] */
  readonly features: Linear<Leaf>;
  readonly series?: Embedding<Leaf>;
  readonly decoder: Tree<Leaf>;
  /** [W, P] */
  readonly head: Linear<Leaf>;
}

/** Windows of series, scaled. */
export interface Windows {
  /** Values before and in the window [B, M + …], 0 where missing. */
  readonly values: Tensor;
  /** Whether each is known, 1 or 0. */
  readonly observed: Tensor;
  /** [B, L, F] */
  readonly features: Tensor;
  /** Which series, int32 [B]. */
  readonly series: Tensor;
  /** What values were divided by, [B]. */
  readonly scale: Tensor;
}

/** Levels of the quantiles that a head gives. */
export const quantileLevels = [0.02, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.98] as const;

/** What a distribution takes. */
interface Head {
  /** P */
  readonly outputs: number;
  /** Loss of values x [...] under outputs [..., P], scale [...] broadcasting; each [...]. */
  losses(outputs: Tensor, x: Tensor, scale: Tensor): Tensor;
  /** Uniform numbers for each draw. */
  readonly noise: number;
  /** Draws [...] out of noise [..., N]. */
  draw(outputs: Tensor, noise: Tensor, scale: Tensor): Tensor;
}

/** No deviation is smaller, in units of the scale: densities stay finite where a series stands still. */
const leastDeviation = 1e-3;

const part = (outputs: Tensor, i: number): Tensor =>
  reshape(slice(outputs, { [-1]: { start: i, stop: i + 1 } }), outputs.shape.slice(0, -1));
const above = (x: Tensor, least: number): Tensor => add(softplus(x), least);

const studentTOf = (outputs: Tensor) => ({
  mean: part(outputs, 0),
  scale: above(part(outputs, 1), leastDeviation),
  degrees: above(part(outputs, 2), 2),
});

/** Mean and dispersion in counts (Salinas et al. 2020): the scale enters as a factor, and its root as a divisor. */
const countsOf = (outputs: Tensor, scale: Tensor) => ({
  mean: mul(above(part(outputs, 0), 1e-5), scale),
  dispersion: div(above(part(outputs, 1), 1e-5), sqrt(scale)),
});

const K = quantileLevels.length;

/** Quantiles [..., K] that never cross: the lowest, and what each is above the one before. */
function quantilesOf(outputs: Tensor): Tensor {
  const first = slice(outputs, { [-1]: { stop: 1 } });
  const rises = above(slice(outputs, { [-1]: { start: 1 } }), leastDeviation / K);
  return cumsum(concat([first, rises], -1), -1);
}

/** The quantile function, straight between quantiles, exponential beyond the outermost. */
function quantileAt(quantiles: Tensor, u: Tensor): Tensor {
  const at = (k: number) => part(quantiles, k);
  const level = (k: number) => quantileLevels[k] as number;
  const tail = (outer: number, inner: number, p: Tensor, [edge, next]: [number, number]) => {
    const slope = mul(sub(at(inner), at(outer)), 1 / Math.log(next / edge));
    return add(at(outer), mul(slope, log(mul(maximum(p, 1e-6), 1 / edge))));
  };
  let value = tail(K - 1, K - 2, sub(1, u), [1 - level(K - 1), 1 - level(K - 2)]);
  for (let k = K - 2; k >= 0; k--) {
    const share = mul(sub(u, level(k)), 1 / (level(k + 1) - level(k)));
    value = where(less(u, level(k + 1)), add(at(k), mul(share, sub(at(k + 1), at(k)))), value);
  }
  return where(less(u, level(0)), tail(0, 1, u, [level(0), level(1)]), value);
}

const heads: Readonly<Record<DistributionName, Head>> = {
  gaussian: {
    outputs: 2,
    losses(outputs, x) {
      const deviation = above(part(outputs, 1), leastDeviation);
      return neg(gaussianLogProb({ mean: part(outputs, 0), logVariance: mul(log(deviation), 2) }, x));
    },
    noise: 2,
    draw: (outputs, noise) => add(part(outputs, 0), mul(above(part(outputs, 1), leastDeviation), drawNormal(noise))),
  },
  "student-t": {
    outputs: 3,
    losses: (outputs, x) => neg(studentTLogProb(studentTOf(outputs), x)),
    noise: 2,
    draw: (outputs, noise) => drawStudentT(studentTOf(outputs), noise),
  },
  "negative-binomial": {
    outputs: 2,
    // Scaled values are rounded back to the counts that they were.
    losses: (outputs, x, scale) => neg(negativeBinomialLogProb(countsOf(outputs, scale), round(mul(x, scale)))),
    noise: negativeBinomialNoise,
    draw: (outputs, noise, scale) => div(drawNegativeBinomial(countsOf(outputs, scale), noise), scale),
  },
  quantiles: {
    outputs: K,
    losses: (outputs, x) => mul(mean(pinballLoss(quantilesOf(outputs), x, quantileLevels), -1), 2),
    noise: 1,
    draw: (outputs, noise) => quantileAt(quantilesOf(outputs), part(noise, 0)),
  },
};

/** P of a distribution. */
export const outputsOf = (distribution: DistributionName): number => heads[distribution].outputs;

export function init<Config>(
  { network, config, distribution, series, lags, features }: ForecasterConfig<Config>,
  key: Key,
): ForecasterParams<NdArray> {
  const width = network.width(config);
  const map = (name: string, from: number, to: number) =>
    initLinear(fold(key, name), from, to, { deviation: 1 / Math.sqrt(from) });
  return {
    lags: { weight: map("lags", 2 * lags.length, width).weight },
    features: map("features", features, width),
    ...(series > 0 && { series: initEmbedding(fold(key, "series"), series, width, 0.1) }),
    decoder: network.decoder.init(config, fold(key, "decoder"), false),
    head: initLinear(fold(key, "head"), width, heads[distribution].outputs, { deviation: 0.1 / Math.sqrt(width) }),
  };
}

/** What lies `lag` steps before each of `length` steps, and whether it is known: values, observed [B, M + …] → [B, length, 2 J] */
export function laggedInputs(
  values: Tensor,
  observed: Tensor,
  { lags, length }: { readonly lags: readonly number[]; readonly length: number },
): Tensor {
  const longest = Math.max(...lags);
  const columns = [values, observed].flatMap((x) =>
    lags.map((lag) => {
      const taken = slice(x, { 1: { start: longest - lag, stop: longest - lag + length } });
      return reshape(taken, [taken.shape[0] as number, length, 1]);
    }),
  );
  return concat(columns, 2);
}

/** What goes into the decoder beside lagged values: features [B, N, F] → [B, N, W] */
function context(params: ForecasterParams, features: Tensor, series: Tensor): Tensor {
  const x = linear(params.features, features);
  if (!params.series) return x;
  return add(x, reshape(embedding(params.series, series), [x.shape[0] as number, 1, -1]));
}

/**
 * Parameters of the distribution of each step, before they are brought into their ranges.
 *
 * @param lagged `laggedInputs`, [B, N, 2 J]
 * @param features [B, N, F]
 * @param series int32 [B]
 * @returns [B, N, P]
 */
export function forward<Config>(
  { network, config }: ForecasterConfig<Config>,
  params: ForecasterParams,
  { lagged, features, series }: { readonly lagged: Tensor; readonly features: Tensor; readonly series: Tensor },
  { key }: { readonly key?: TracedKey | undefined } = {},
): Tensor {
  const x = add(linear(params.lags, lagged), context(params, features, series));
  return linear(params.head, network.decoder.forward(config, params.decoder, x, undefined, { key }).states);
}

/**
 * Mean loss of the known values of windows: nats a value, or twice the pinball loss (an approximation of the CRPS) in units of the scale.
 *
 * @param windows values [B, M + L]
 */
export function loss<Config>(
  model: ForecasterConfig<Config>,
  params: ForecasterParams,
  { values, observed, features, series, scale }: Windows,
  options: { readonly key?: TracedKey | undefined } = {},
): Tensor {
  const length = features.shape[1] as number;
  const lagged = laggedInputs(values, observed, { lags: model.lags, length });
  const outputs = forward(model, params, { lagged, features, series }, options);
  const start = Math.max(...model.lags);
  const x = slice(values, { 1: { start } }); // [B, L]
  const counts = slice(observed, { 1: { start } });
  const each = heads[model.distribution].losses(outputs, x, reshape(scale, [-1, 1]));
  return div(sum(mul(each, counts)), maximum(sum(counts), 1));
}

/** Steps over which `loss` is a mean: those whose value is known, the ones that only lags look back to apart. */
export function countedSteps<Config>({ lags }: ForecasterConfig<Config>, observed: NdArray): number {
  const [rows, places] = observed.shape as [number, number];
  const start = Math.max(...lags);
  let known = 0;
  for (let row = 0; row < rows; row++) for (let i = start; i < places; i++) known += Number(observed.data[row * places + i]);
  return known;
}

/** Rows next to each other: [B, ...] → [B S, ...] */
function repeat(x: Tensor, times: number): Tensor {
  const [batch, ...rest] = x.shape as [number, ...number[]];
  return reshape(broadcastTo(reshape(x, [batch, 1, ...rest]), [batch, times, ...rest]), [batch * times, ...rest]);
}

/**
 * Sample paths.
 *
 * The context is read once for each window; then all paths of all windows go ahead together, in one loop.
 *
 * @param windows values [B, M + C], features [B, C + H, F]
 * @returns scaled values [B, S, H]
 */
export function samplePaths<Config>(
  model: ForecasterConfig<Config>,
  params: ForecasterParams,
  { values, observed, features, series, scale }: Windows,
  { key, samples }: { readonly key: TracedKey; readonly samples: number },
): Tensor {
  const { network, config, lags } = model;
  const head = heads[model.distribution];
  const [batch, length] = features.shape as [number, number];
  const longest = Math.max(...lags);
  const read = (values.shape[1] as number) - longest; // C
  const ahead = length - read; // H
  const rows = batch * samples;
  const beside = transpose(context(params, features, series), [1, 0, 2]); // [L, B, W]
  const { source, memory } = network.decoder.start(config, params.decoder, { batch, places: length });

  // The context: known values go in, nothing comes out but what the decoder remembers.
  const lagged = transpose(laggedInputs(values, observed, { lags, length: read }), [1, 0, 2]); // [C, B, 2 J]
  const inputs = add(linear(params.lags, lagged), slice(beside, { 0: { stop: read } }));
  type Place = { readonly memory: Tree<Tensor>; readonly n: Tensor };
  const [after] = scan(
    ({ memory: before, n }: Place, x: Tensor) => {
      const next = network.decoder.step(config, params.decoder, source, before, x, n);
      return [{ memory: next.memory, n: add(n, 1) }, {}] as const;
    },
    { memory, n: zeros([], "int32") } as Place,
    inputs,
  );

  // The paths: what is drawn is the past of what comes.
  const last = (x: Tensor) => repeat(slice(x, { 1: { start: read } }), samples); // [B S, M]
  const scales = reshape(repeat(scale, samples), [rows]);
  const steps = {
    x: slice(beside, { 0: { start: read } }), // [H, B, W]
    noise: uniform(key, [ahead, rows, head.noise]),
  };
  type Path = Place & { readonly values: Tensor; readonly observed: Tensor };
  const begin: Path = {
    memory: mapTree(after.memory, isTensor, (leaf: Tensor) => repeat(leaf, samples)) as Tree<Tensor>,
    n: after.n,
    values: last(values),
    observed: last(observed),
  };
  const one = broadcastTo(add(zeros([1, 1]), 1), [rows, 1]);
  const [, drawn] = scan(
    (path: Path, { x, noise }: typeof steps) => {
      const lagged = laggedInputs(path.values, path.observed, { lags, length: 1 });
      const own = linear(params.lags, reshape(lagged, [rows, 2 * lags.length])); // [B S, W]
      const input = reshape(add(reshape(own, [batch, samples, -1]), reshape(x, [batch, 1, -1])), [rows, -1]);
      const { state, memory: next } = network.decoder.step(config, params.decoder, source, path.memory, input, path.n);
      const value = head.draw(linear(params.head, state), noise, scales); // [B S]
      const shift = (before: Tensor, y: Tensor) => (longest === 1 ? y : concat([slice(before, { 1: { start: 1 } }), y], 1));
      const values = shift(path.values, reshape(value, [rows, 1]));
      return [{ memory: next, n: add(path.n, 1), values, observed: shift(path.observed, one) }, value] as const;
    },
    begin,
    steps,
  );
  return transpose(reshape(drawn, [ahead, batch, samples]), [1, 2, 0]);
}
