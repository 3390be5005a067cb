/**
 * How fast training runs and how long it still takes: pure functions over a small record, and numbers for people.
 *
 * Speed is an exponential moving average over time: what happened `halfLife` seconds of training ago counts half. Both the
 * work and the time are averaged and then divided, so that the first figures are right too. Time spent on anything else
 * (evaluation, samples, checkpoints) is left out by `skipTime`.
 *
 * Times are seconds of any one clock that never goes back, such as `performance.now() / 1000`.
 */

export interface Progress {
  readonly step: number;
  /** Steps in all. */
  readonly total: number;
  /** When the last step ended. */
  readonly now: number;
  /** Averages, decayed alike: seconds, steps and units of work. */
  readonly seconds: number;
  readonly steps: number;
  readonly units: number;
}

/** Seconds of training after which a measurement counts half. */
const halfLife = 10;

/**
 * Begins to measure.
 *
 * @param step steps done already, when resumed
 * @example let progress = startProgress({ total: 2000, now: performance.now() / 1000 });
 */
export function startProgress({ total, now, step = 0 }: { total: number; now: number; step?: number }): Progress {
  return { step, total, now, seconds: 0, steps: 0, units: 0 };
}

/**
 * Counts what was done since the last call.
 *
 * @param step steps done in all
 * @param units work done in these steps: tokens, images, …
 * @example progress = advance(progress, { step, units: batch * length, now: performance.now() / 1000 });
 */
export function advance(progress: Progress, { step, units, now }: { step: number; units: number; now: number }): Progress {
  const elapsed = Math.max(0, now - progress.now);
  const decay = 0.5 ** (elapsed / halfLife);
  return {
    ...progress,
    step,
    now,
    seconds: progress.seconds * decay + elapsed,
    steps: progress.steps * decay + (step - progress.step),
    units: progress.units * decay + units,
  };
}

/** Leaves out the time since the last call: it went into something other than training. */
export function skipTime(progress: Progress, now: number): Progress {
  return { ...progress, now };
}

/** Units of work per second; undefined before the first step. */
export function throughput({ units, seconds }: Progress): number | undefined {
  return seconds > 0 ? units / seconds : undefined;
}

/** Steps per second; undefined before the first step. */
export function stepRate({ steps, seconds }: Progress): number | undefined {
  return seconds > 0 && steps > 0 ? steps / seconds : undefined;
}

/** Seconds of training still to come, evaluation not included; undefined before the first step. */
export function timeLeft(progress: Progress): number | undefined {
  const rate = stepRate(progress);
  return rate === undefined ? undefined : Math.max(0, progress.total - progress.step) / rate;
}

/**
 * A number in three digits or so.
 *
 * @example formatCount(12345) // "12.3k"
 */
export function formatCount(value: number): string {
  const size = Math.abs(value);
  const units = [
    [1e12, "T"],
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ] as const;
  for (const [unit, letter] of units) {
    if (size >= unit * 0.9995) return `${digits(value / unit)}${letter}`;
  }
  return digits(value);
}

/** Three digits, more only before the point: 1.23, 12.3, 123, 1023. */
function digits(value: number): string {
  return String(Math.abs(value) < 100 ? Number(value.toPrecision(3)) : Math.round(value));
}

/**
 * Work per second.
 *
 * @example formatRate(12345, "tokens") // "12.3k tokens/s"
 */
export function formatRate(perSecond: number | undefined, unit: string): string {
  return perSecond === undefined ? `– ${unit}/s` : `${formatCount(perSecond)} ${unit}/s`;
}

/**
 * A span of time, given in seconds, in its two largest units.
 *
 * @example formatDuration(80) // "1m 20s"
 */
export function formatDuration(seconds: number | undefined): string {
  if (seconds === undefined || !Number.isFinite(seconds)) return "–";
  if (seconds < 0.9995) return `${digits(seconds * 1000)}ms`;
  if (seconds < 9.95) return `${Number(seconds.toFixed(1))}s`;
  const whole = Math.round(seconds);
  const [days, hours, minutes, rest] = [
    Math.floor(whole / 86400),
    Math.floor(whole / 3600) % 24,
    Math.floor(whole / 60) % 60,
    whole % 60,
  ];
  if (days > 0) return `${days}d ${hours}h`;
  if (hours > 0) return `${hours}h ${minutes}m`;
  if (minutes > 0) return `${minutes}m ${rest}s`;
  return `${rest}s`;
}

/**
 * A size in bytes, in powers of 1024.
 *
 * @example formatBytes(500_000_000) // "477 MiB"
 */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1023.5 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${digits(value)} ${units[unit]}`;
}
