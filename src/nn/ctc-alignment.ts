/**
 * Where labels lie in time: the likeliest path of all that say them (forced alignment by Viterbi's algorithm, as in Kürzinger et al.
 * 2020). Plain numbers, no graph.
 *
 * Legend: T frames, V classes (with the blank), U labels, S = 2 U + 1 places: the labels with blanks around them.
 */
import { HeptagenError } from "../util/errors.ts";
import type { CtcScores } from "./ctc-decoding.ts";

/** The frames that say a label: from `start` to before `end`. */
export interface AlignedLabel {
  readonly label: number;
  readonly start: number;
  readonly end: number;
  /** Mean probability of the label in its frames. */
  readonly probability: number;
}

/**
 * Finds each label in time.
 *
 * @param scores [T, V], row by row: logits or log-probabilities
 * @throws HeptagenError `ctc/alignment` when the labels do not fit into the frames
 * @example const [first] = ctcAlign(scores, [3, 1], { classes: 29 });
 */
export function ctcAlign(
  scores: Float32Array,
  labels: readonly number[],
  { classes, blank = 0, frames = scores.length / classes }: CtcScores,
): AlignedLabel[] {
  const count = 2 * labels.length + 1;
  const said = Int32Array.from({ length: count }, (_, s) => (s % 2 === 0 ? blank : (labels[(s - 1) / 2] as number)));
  const logs = logProbabilities(scores, { classes, frames });
  const came = new Uint8Array(frames * count); // how many places back the best path was a frame before
  let best = new Float64Array(count).fill(Number.NEGATIVE_INFINITY);
  for (let t = 0; t < frames; t++) {
    const next = new Float64Array(count).fill(Number.NEGATIVE_INFINITY);
    for (let s = 0; s < count; s++) {
      let [from, back] = [t === 0 ? (s < 2 ? 0 : Number.NEGATIVE_INFINITY) : (best[s] as number), 0];
      const most = s % 2 === 1 && s > 1 && said[s] !== said[s - 2] ? 2 : 1; // a blank may be skipped between labels that differ
      for (let step = 1; t > 0 && step <= Math.min(most, s); step++) {
        if ((best[s - step] as number) > from) [from, back] = [best[s - step] as number, step];
      }
      came[t * count + s] = back;
      next[s] = from + (logs[t * classes + (said[s] as number)] as number);
    }
    best = next;
  }
  const last = count > 1 && (best[count - 2] as number) > (best[count - 1] as number) ? count - 2 : count - 1;
  if (frames === 0 ? labels.length > 0 : best[last] === Number.NEGATIVE_INFINITY) {
    throw new HeptagenError("ctc/alignment", `ctcAlign: ${labels.length} labels cannot be said in ${frames} frames`, {
      facts: { labels: labels.length, frames },
      next: "A frame is needed for each label, and one between any two alike.",
    });
  }
  const found = labels.map((label) => ({ label, start: frames, end: 0, sum: 0 }));
  for (let t = frames - 1, s = last; t >= 0; t--) {
    if (s % 2 === 1) {
      const own = found[(s - 1) / 2] as (typeof found)[number];
      own.start = t;
      own.end = Math.max(own.end, t + 1);
      own.sum += Math.exp(logs[t * classes + own.label] as number);
    }
    s -= came[t * count + s] as number;
  }
  return found.map(({ label, start, end, sum }) => ({ label, start, end, probability: sum / (end - start) }));
}

function logProbabilities(
  scores: Float32Array,
  { classes, frames }: { readonly classes: number; readonly frames: number },
): Float64Array {
  const logs = Float64Array.from(scores.subarray(0, frames * classes));
  for (let t = 0; t < frames; t++) {
    const row = logs.subarray(t * classes, (t + 1) * classes);
    const peak = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    const norm = peak + Math.log(row.reduce((total, x) => total + Math.exp(x - peak), 0));
    row.forEach((x, v) => {
      row[v] = x - norm;
    });
  }
  return logs;
}
