/** Windows of series: drawn at random to learn from, and forecast as sample paths. */

import type { Tensor, TracedKey } from "../../core/index.ts";
import { type ForecasterConfig, type ForecasterParams, samplePaths } from "../../models/forecaster.ts";
import { type Device, jit } from "../../runtime/index.ts";
import { type NdArray, ndarray } from "../../util/ndarray.ts";
import { fold, type Key, randint } from "../../util/random.ts";
import type { Tree } from "../../util/tree.ts";
import type { Batches } from "../sequence/sequence-task.ts";
import { featureCount, putWindow, type SeriesExample, type SeriesFacts, type WindowSizes } from "./data.ts";
import type { TrainingOptions } from "./options.ts";

/** Windows of one shape (see `Windows` of the model). */
export interface WindowBatch {
  readonly values: NdArray;
  readonly observed: NdArray;
  readonly features: NdArray;
  readonly series: NdArray;
  readonly scale: NdArray;
}

/** A series and the step to forecast it from. */
export interface Origin {
  readonly example: SeriesExample;
  readonly origin: number;
}

/** Sample paths of the values themselves, each [H]. */
export type Paths = readonly Float64Array[];

/** Paths of all windows of a batch, at most: what is held in memory at once. */
const mostRows = 2048;

function collate(
  origins: readonly Origin[],
  rows: number,
  ahead: boolean,
  facts: SeriesFacts,
  options: TrainingOptions,
): { readonly batch: WindowBatch; readonly scales: { readonly shift: number; readonly scale: number }[] } {
  const { context, horizon, scaling, lags } = options;
  const longest = lags.at(-1) as number;
  const sizes: WindowSizes = { context, horizon, longest, scaling, ahead };
  const columns = longest + context + (ahead ? horizon : 0);
  const width = featureCount(facts, options);
  const arrays = {
    values: new Float32Array(rows * columns),
    observed: new Float32Array(rows * columns),
    features: new Float32Array(rows * (context + horizon) * width),
  };
  const scales = origins.map(({ example, origin }, row) => putWindow(example, origin, row, arrays, sizes));
  const scale = new Float32Array(rows).fill(1);
  const series = new Int32Array(rows);
  scales.forEach((one, row) => {
    scale[row] = one.scale;
    series[row] = (origins[row] as Origin).example.index;
  });
  const batch = {
    values: ndarray("float32", [rows, columns], arrays.values),
    observed: ndarray("float32", [rows, columns], arrays.observed),
    features: ndarray("float32", [rows, context + horizon, width], arrays.features),
    series: ndarray("int32", [rows], series),
    scale: ndarray("float32", [rows], scale),
  };
  return { batch, scales };
}

/** Windows at random: each series and each time as likely as another, a pure function of the step. */
export function windowBatches(
  examples: readonly SeriesExample[],
  key: Key,
  facts: SeriesFacts,
  options: TrainingOptions,
): Batches<WindowBatch> {
  const { batch: size, context, horizon } = options;
  return {
    padding: 0,
    units: () => size * (context + horizon),
    batch(step) {
      const own = fold(key, step);
      const which = new Int32Array(size);
      const where = new Int32Array(size);
      randint(fold(own, "series"), 0, examples.length, which);
      randint(fold(own, "times"), 0, 2 ** 31 - 1, where);
      const origins = Array.from(which, (i, b) => {
        const example = examples[i] as SeriesExample;
        const last = example.modelled.length - horizon;
        const first = Math.max(0, Math.min(example.first + context, last));
        return { example, origin: first + ((where[b] as number) % (last - first + 1)) };
      });
      return collate(origins, size, true, facts, options).batch;
    },
  };
}

/** Origins of a backtest: from the first step to forecast on, every `stride` steps, while the horizon lies within the series. */
export function rollingOrigins(
  examples: readonly SeriesExample[],
  { horizon, context }: Pick<TrainingOptions, "horizon" | "context">,
  stride = horizon,
): Origin[] {
  return examples.flatMap((example) => {
    const origins: Origin[] = [];
    const first = Math.max(example.from, Math.min(example.first + context, example.modelled.length - horizon), 1);
    for (let origin = first; origin + horizon <= example.modelled.length; origin += stride) {
      const truth = example.raw.series.values.subarray(origin, origin + horizon);
      if (truth.some((value) => !Number.isNaN(value))) origins.push({ example, origin });
    }
    return origins;
  });
}

/** Draws sample paths of values; keeps the graphs it compiled. */
export function pathSampler<Config>(
  model: ForecasterConfig<Config>,
  facts: SeriesFacts,
  options: TrainingOptions,
  device: Device,
) {
  const { horizon } = options;
  const samplers = new Map<number, ReturnType<typeof compileSampler>>();
  const compileSampler = (samples: number) =>
    jit<[Tree<NdArray>, WindowBatch, Key], Tensor>(
      (params, windows, key) =>
        samplePaths(model, params as unknown as ForecasterParams, windows, { key: key as TracedKey, samples }),
      { device },
    );

  return async (
    params: Tree<NdArray>,
    origins: readonly Origin[],
    { samples, key, look }: { readonly samples: number; readonly key: Key; readonly look?: (done: number) => void },
  ): Promise<Paths[]> => {
    const sampler = samplers.get(samples) ?? compileSampler(samples);
    samplers.set(samples, sampler);
    const most = Math.max(1, Math.floor(mostRows / samples));
    const all: Paths[] = [];
    for (let at = 0; at < origins.length; at += most) {
      const some = origins.slice(at, at + most);
      let rows = 1;
      while (rows < some.length) rows *= 2;
      const { batch, scales } = collate(some, Math.min(rows, most), false, facts, options);
      const drawn = (await sampler(params, batch, fold(key, at))) as NdArray;
      some.forEach((one, b) => {
        const { shift, scale } = scales[b] as { shift: number; scale: number };
        all.push(
          Array.from({ length: samples }, (_, s) => {
            const from = (b * samples + s) * horizon;
            const path = Float64Array.from({ length: horizon }, (_, h) => Number(drawn.data[from + h]) * scale + shift);
            if (options.distribution === "negative-binomial") return path.map(Math.round);
            return options.logReturns ? integrate(path, one) : path;
          }),
        );
      });
      look?.(Math.min(1, (at + most) / origins.length));
    }
    return all;
  };
}

/** Prices out of log returns, from the last known price on. */
function integrate(returns: Float64Array, { example, origin }: Origin): Float64Array {
  const { values } = example.raw.series;
  let t = origin - 1;
  while (t > 0 && Number.isNaN(values[t])) t--;
  let log = Math.log(values[t] as number);
  return returns.map((change) => {
    log += change;
    return Math.exp(log);
  });
}
