/**
 * Sampling from a diffusion model: ways to walk from noise to picture, with one loop for all of them.
 *
 * At each visit the network is asked once and says what it thinks the picture x0 is. Whatever the sampler, the next x is a sum of
 * what is at hand with numbers known beforehand, and so is what is remembered of this visit:
 *
 *   x      ← A x + B x0 + C m + N z      z: fresh noise
 *   memory ← D x + E x0 + F m
 *
 * So a sampler is a table, a row per visit, and the loop that walks along it is compiled once for all samplers and any number of
 * steps. With s = σ / (α + σ) and x / (α + σ), every schedule becomes straight lines from picture to noise, on which
 * Heun's method works; DPM-Solver++ works in λ = log(α / σ).
 *
 *   ancestral   each step lands on the mean of its posterior and adds the noise that is missing (Ho et al. 2020)
 *   ddim        the same with η times that noise; none unless told, and then x0 follows from the noise alone (Song et al. 2021). On a
 *               flow this is Euler's method
 *   dpm++       x0 extended along a line through the last two visits: DPM-Solver++(2M) (Lu et al. 2022)
 *   heun        each step tried, and repeated with the mean of both ends: two visits per step (Karras et al. 2022)
 *
 * A picture to start from is noised as far as wanted and taken from there (img2img, Meng et al. 2022). Where only a part is to be made
 * anew, the rest is replaced by the given picture, as noisy as x, before each visit; repeating each step makes both parts fit
 * better (RePaint, Lugmayr et al. 2022).
 *
 * Legend: B pictures, C channels, H height, W width of the canvas; M rows of a table, S channels of all residual blocks.
 */
import { whileLoop } from "../core/scan.ts";
import type { Tensor } from "../core/tensor.ts";
import {
  add,
  broadcastTo,
  clamp,
  concat,
  full,
  gather,
  less,
  mul,
  reshape,
  slice,
  split,
  sub,
  type TensorLike,
} from "../ops/index.ts";
import { HeptagenError } from "../util/errors.ts";
import { type NdArray, ndarray } from "../util/ndarray.ts";
import { clean, type DiffusionConfig, type Level, levelAt, pictureFrom } from "./diffusion.ts";
import { conditions, forward, type UNetParams } from "./unet.ts";

export const samplers = ["ancestral", "ddim", "dpm++", "heun"] as const;
export type Sampler = (typeof samplers)[number];

/** What becomes of x, x0, memory and fresh noise. */
export interface Visit {
  /** Where the network is asked. */
  readonly at: Level;
  /** A, B, C, N */
  readonly x: readonly [x: number, x0: number, memory: number, noise: number];
  /** D, E, F */
  readonly memory: readonly [x: number, x0: number, memory: number];
}

export interface Plan {
  readonly sampler: Sampler;
  readonly steps: number;
  /** How noisy it starts: a place, 1 for noise alone. */
  readonly from?: number;
  /** DDIM: how much of the ancestral noise is added. */
  readonly eta?: number;
  /** How often each step is taken before going on. */
  readonly repeats?: number;
}

type Process = Pick<DiffusionConfig, "schedule" | "timesteps">;

/** x and x0 at a level as x at another, along the direction that they give. */
const straight = (at: Level, to: Level): [number, number, 0, 0] => [
  to.sigma / at.sigma,
  to.alpha - (at.alpha * to.sigma) / at.sigma,
  0,
  0,
];

const logRatio = ({ alpha, sigma }: Level): number => Math.log(alpha) - Math.log(sigma);

/**
 * The visits of a walk to the picture.
 *
 * @throws HeptagenError `diffusion/steps` for more steps than the process has
 */
export function visitsOf(process: Process, { sampler, steps, from = 1, eta = 0, repeats = 1 }: Plan): Visit[] {
  const { schedule, timesteps } = process;
  const most = schedule === "flow" ? Number.POSITIVE_INFINITY : Math.floor(from * timesteps);
  if (!Number.isInteger(steps) || steps < 1 || steps > most) {
    const where = Number.isFinite(most) ? ` from 1 to ${most}` : " from 1";
    throw new HeptagenError("diffusion/steps", `diffusion: expected a whole number of steps${where}, got ${steps}`, {
      next: "A process of so many timesteps can be walked in as many steps or fewer.",
    });
  }
  const levels = [...Array.from({ length: steps }, (_, i) => levelAt(process, from * (1 - i / steps))), clean];
  return levels.slice(0, -1).flatMap((at, i) => {
    const to = levels[i + 1] as Level;
    const last = i === steps - 1;
    const before = repeats === 1 ? levels[i - 1] : undefined; // what is remembered of a repeated step is of no use
    const step = stepOf(sampler, { before, at, to, last, eta: sampler === "ancestral" ? 1 : eta });
    if (last) return step;
    // Back to where the step began, by adding the noise that was there: x ← r x + ρ z.
    const ratio = at.alpha / to.alpha;
    const added = Math.sqrt(Math.max(0, at.sigma ** 2 - (ratio * to.sigma) ** 2));
    const back = step.map((visit, k): Visit => {
      if (k < step.length - 1) return visit;
      const [x, x0, memory, noise] = visit.x;
      return { ...visit, x: [ratio * x, ratio * x0, ratio * memory, Math.hypot(ratio * noise, added)] };
    });
    return [...Array.from({ length: repeats - 1 }, () => back).flat(), ...step];
  });
}

interface Step {
  readonly before: Level | undefined;
  readonly at: Level;
  readonly to: Level;
  readonly last: boolean;
  readonly eta: number;
}

function stepOf(sampler: Sampler, { before, at, to, last, eta }: Step): Visit[] {
  switch (sampler) {
    case "ancestral":
    case "ddim": {
      const between = Math.max(0, at.sigma ** 2 - ((at.alpha * to.sigma) / to.alpha) ** 2); // of x at this level, given the next
      const noise = (eta * to.sigma * Math.sqrt(between)) / at.sigma;
      const kept = Math.sqrt(to.sigma ** 2 - noise ** 2);
      return [{ at, x: [kept / at.sigma, to.alpha - (kept * at.alpha) / at.sigma, 0, noise], memory: [0, 0, 0] }];
    }
    case "dpm++": {
      const [x, x0] = straight(at, to);
      const way = logRatio(to) - logRatio(at);
      const extended = before && !last ? way / (2 * (logRatio(at) - logRatio(before))) : 0;
      return [{ at, x: [x, x0 * (1 + extended), -x0 * extended, 0], memory: [0, 1, 0] }];
    }
    case "heun": {
      const tried: Visit = { at, x: straight(at, to), memory: [1, 0, 0] };
      if (last) return [tried];
      const [size, nextSize] = [at.alpha + at.sigma, to.alpha + to.sigma];
      const [s, next] = [at.sigma / size, to.sigma / nextSize];
      const half = (next - s) / (2 * next);
      return [tried, { at: to, x: [0.5 + half, -nextSize * half, nextSize / (2 * size), 0], memory: [0, 0, 0] }];
    }
  }
}

/**
 * The visits of the way back: from a picture to the noise that DDIM makes it of. The picture counts as x at a very low level.
 *
 * @param steps as in `visitsOf`
 */
export function inversionOf(process: Process, steps: number): Visit[] {
  const lowest = process.schedule === "flow" ? 1e-3 : 1 / process.timesteps;
  const levels = Array.from({ length: steps + 1 }, (_, i) => levelAt(process, Math.max(lowest, i / steps)));
  return levels.slice(0, -1).map((at, i) => ({ at, x: straight(at, levels[i + 1] as Level), memory: [0, 0, 0] }));
}

/** Columns of a table, in order. */
const columns = 12;

/**
 * Visits as a table [rows, 12], filled up with zeros.
 *
 * @param rows M
 */
export function tableOf(config: Pick<DiffusionConfig, "prediction">, visits: readonly Visit[], rows = visits.length): NdArray {
  const data = new Float32Array(rows * columns);
  visits.forEach(({ at, x, memory }, i) => {
    const { ofX, ofF } = pictureFrom(config, at);
    data.set([...x, ...memory, ofX, ofF, at.alpha, at.sigma, at.time], i * columns);
  });
  return ndarray("float32", [rows, columns], data);
}

/** Where a walk stands; all [B, C, H, W]. */
export interface Walk<Leaf = Tensor> {
  readonly x: Leaf;
  readonly memory: Leaf;
  /** What the network last thought the picture is. */
  readonly guess: Leaf;
}

/** A picture of which parts are kept: on the canvas. */
export interface Kept<Leaf = Tensor> {
  readonly images: Leaf;
  /** [B, 1, H, W], 1 for anew, 0 for kept. */
  readonly mask: Leaf;
  /** What the given picture is mixed with: standard normal, like it. */
  readonly noise: Leaf;
}

export interface WalkOptions<Leaf = Tensor> {
  /** int32 [B], for a model that knows classes. */
  readonly labels?: Leaf | undefined;
  /** float32 scalar: how far to go from what is likely without a class to what is likely with it and beyond; 1 is the class alone. */
  readonly guidance?: Leaf | undefined;
  /** Fresh noise for each visit [M, B, C, H, W], for samplers that use it. */
  readonly noise?: Leaf | undefined;
  readonly kept?: Kept<Leaf> | undefined;
  /** Whether x0 is held between -1 and 1. */
  readonly clip: boolean;
}

/**
 * Traced: walks along the first `count` rows of a table, in one loop.
 *
 * What the network is told about times and classes is computed for all rows before.
 *
 * @param table [M, 12], see `tableOf`
 * @param count int32 scalar, up to M
 */
export function walk(
  config: DiffusionConfig,
  params: UNetParams,
  start: Walk,
  { table, count }: { readonly table: Tensor; readonly count: Tensor },
  { labels, guidance, noise, kept, clip }: WalkOptions,
): Walk {
  const { network } = config;
  const [rows] = table.shape as [number];
  const said = saidAt(
    config,
    params,
    table,
    guidance && labels ? concat([labels, full(labels.shape, network.classes, "int32")]) : labels,
  );
  const scalars = (row: Tensor): readonly Tensor[] => split(row, columns, 0).map((value) => reshape(value, [1, 1, 1, 1]));
  const begin = { i: full([], 0, "int32"), ...start };
  const { x, memory, guess } = whileLoop(
    ({ i }) => less(i, count),
    (state) => {
      const [A, B, C, N, D, E, F, ofX, ofF, alpha, sigma] = scalars(gather(table, state.i)) as Tensor[] as [
        Tensor,
        Tensor,
        Tensor,
        Tensor,
        Tensor,
        Tensor,
        Tensor,
        Tensor,
        Tensor,
        Tensor,
        Tensor,
        Tensor,
      ];
      const at = kept ? mixed(kept, state.x, add(mul(kept.images, alpha), mul(kept.noise, sigma))) : state.x;
      const told = split(gather(said.vectors, state.i), said.sizes, 1); // [B, S] → [B, channels] each
      const F0 = guided(guidance, at, (input) => forward(network, params, input, told));
      const raw = add(mul(at, ofX), mul(F0, ofF));
      const x0 = clip ? clamp(raw, -1, 1) : raw;
      const weighted = (parts: readonly (readonly [Tensor, Tensor])[]) =>
        parts.map(([value, weight]) => mul(value, weight)).reduce((a, b) => add(a, b));
      const fresh = noise ? ([[gather(noise, state.i), N]] as const) : [];
      return {
        i: add(state.i, 1),
        x: weighted([[at, A], [x0, B], [state.memory, C], ...fresh]),
        memory: weighted([
          [at, D],
          [x0, E],
          [state.memory, F],
        ]),
        guess: x0,
      };
    },
    begin,
    { limit: rows },
  );
  return { x, memory, guess };
}

/** `inside` where the mask is 1, `outside` where it is 0. */
export const mixed = ({ mask }: Pick<Kept, "mask">, inside: Tensor, outside: Tensor): Tensor =>
  add(mul(inside, mask), mul(outside, sub(1, mask)));

/** What each row tells the network, for all residual blocks beside each other: [M, B or 1, S]. */
function saidAt({ network }: DiffusionConfig, params: UNetParams, table: Tensor, labels: Tensor | undefined) {
  const [rows] = table.shape as [number];
  const known = network.classes > 0 ? labels : undefined;
  const batch = known?.shape[0] ?? 1;
  const times = slice(table, { 1: { start: columns - 1 } }); // [M, 1]
  const each = reshape(broadcastTo(times, [rows, batch]), [-1]); // [M · B]
  const classes = known && reshape(broadcastTo(known, [rows, batch]), [-1]);
  const parts = conditions(network, params, each, classes);
  const vectors = reshape(concat(parts, 1), [rows, batch, -1]);
  return { vectors, sizes: parts.map(({ shape }) => shape[1] as number) };
}

/** The network's answer, with classifier-free guidance: without a class, and from there so many times the way to that with it. */
function guided(guidance: TensorLike | undefined, x: Tensor, ask: (x: Tensor) => Tensor): Tensor {
  if (guidance === undefined) return ask(x);
  const [told, untold] = split(ask(concat([x, x])), 2, 0);
  return add(untold, mul(sub(told, untold), guidance));
}
