/**
 * Connectionist temporal classification (Graves et al. 2006): the likelihood of a sequence of labels when it is not known which
 * frame says which label.
 *
 * Each frame says a label or nothing (the blank); dropping repetitions and then blanks leaves the labels. The likelihood is the sum
 * over all ways to say them, by one loop over the frames; its gradient takes a second loop that runs the other way. Whatever does
 * not depend on the loops is done for all frames at once: the scores of the labels are picked before them, the gradient is put in
 * its places after them. All of it is in logarithms with a finite least value, so that nothing becomes NaN.
 *
 * Legend: B sequences, T frames, V classes (with the blank), U labels, S = 2 U + 1 places: the labels with blanks around them.
 */
import { constant, custom } from "../core/builtin.ts";
import { scan } from "../core/scan.ts";
import { ShapeError, type Tensor, typeName } from "../core/tensor.ts";
import {
  add,
  and,
  arange,
  cast,
  div,
  equal,
  exp,
  full,
  gather,
  less,
  lessEqual,
  log,
  logSoftmax,
  logsumexp,
  matmul,
  max,
  maximum,
  mean,
  mul,
  neg,
  not,
  pad,
  reshape,
  slice,
  stack,
  sub,
  sum,
  transpose,
  where,
} from "../ops/index.ts";

export interface CtcOptions {
  /** The class that says nothing; 0 unless told. */
  readonly blank?: number;
  /** Whether sequences that cannot be said in their frames cost nothing instead of infinity. */
  readonly zeroInfinity?: boolean;
}

/** What a batch of labels is. */
export interface CtcTargets<Leaf = Tensor> {
  /** How many frames of each sequence count, int32 [B], at most T. */
  readonly lengths: Leaf;
  /** int32 [B, U], without blanks; what lies behind `labelLengths` has no influence. */
  readonly labels: Leaf;
  /** int32 [B], from 0 to U */
  readonly labelLengths: Leaf;
}

/** The logarithm of what cannot be: finite, and far below what any sequence of frames adds up to. */
const never = -1e30;

/**
 * Negative log-likelihood of each sequence of labels. Where the labels do not fit into the frames (as many as labels, and one more
 * between any two alike) it is infinite, or 0 with `zeroInfinity`; its gradient is 0 in both cases.
 *
 * The gradient is that of the first order; it has none itself.
 *
 * @param logits [B, T, V]
 * @returns [B], in nats
 * @throws ShapeError when operands do not fit
 * @example const losses = ctcLosses(logits, { lengths, labels, labelLengths });
 */
export function ctcLosses(
  logits: Tensor,
  { lengths, labels, labelLengths }: CtcTargets,
  { blank = 0, zeroInfinity = false }: CtcOptions = {},
): Tensor {
  const [batch, frames, classes] = logits.shape as [number, number, number];
  const width = labels.shape[1] as number;
  const perSequence = (x: Tensor) => x.dtype === "int32" && x.shape.length === 1 && x.shape[0] === batch;
  if (logits.shape.length !== 3 || labels.shape.length !== 2 || labels.shape[0] !== batch || labels.dtype !== "int32" || !width) {
    throw new ShapeError(
      "ctcLosses",
      `expected logits [B, T, V] and int32 labels [B, U] with U from 1, got ${typeName(logits)} and ${typeName(labels)}`,
    );
  }
  if (!perSequence(lengths) || !perSequence(labelLengths)) {
    throw new ShapeError(
      "ctcLosses",
      `expected int32[${batch}] for both lengths, got ${typeName(lengths)} and ${typeName(labelLengths)}`,
    );
  }
  if (!(Number.isInteger(blank) && blank >= 0 && blank < classes)) {
    throw new ShapeError("ctcLosses", `expected the blank to be a class from 0 to ${classes - 1}, got ${blank}`);
  }
  const places = placesOf(labels, labelLengths, { blank, classes });
  const logs = logSoftmax(logits); // [B, T, V]
  // The scores of the places, as rows of a product with their classes: [B, T, S]
  const picked = matmul(maximum(logs, never), places.classes, { transposeB: true });
  // What all places of a frame have in common is left out of the loops, whose sums so stay small and exact.
  const common = maximum(max(picked, -1, { keepDims: true }), -1e4); // [B, T, 1]
  const scores = transpose(sub(picked, common), [1, 2, 0]); // [T, S, B]

  const begin = where(less(reshape(arange(places.count), [-1, 1]), 2), slice(scores, { 0: { stop: 1 } }), never); // [1, S, B]
  const ahead = paths(
    scores,
    pad(
      begin,
      [
        [0, frames - 1],
        [0, 0],
        [0, 0],
      ],
      { value: never },
    ),
    {
      steps: places.steps,
      from: places.ahead,
      reverse: false,
    },
  );
  const last = ends(ahead, lengths, labelLengths);
  const counts = cast(less(arange(frames), reshape(lengths, [batch, 1])), "float32"); // [B, T]
  const likelihood = add(last, sum(mul(reshape(common, [batch, frames]), counts), 1));
  const nothing = equal(lengths, 0);
  const possible = and(less(never / 10, last), not(and(nothing, less(0, labelLengths)))); // [B]
  const known = where(nothing, 0, neg(likelihood));
  const losses = where(possible, known, zeroInfinity ? 0 : Number.POSITIVE_INFINITY);

  const backward = (ct: Tensor): Tensor => {
    const end = lastPlaces(labelLengths, places.count); // [S, B]
    const atEnd = equal(reshape(arange(frames), [frames, 1]), sub(reshape(lengths, [1, batch]), 1)); // [T, B]
    const stop = where(reshape(atEnd, [frames, 1, batch]), where(end, scores, never), never); // [T, S, B]
    const behind = paths(scores, stop, { steps: places.back, from: places.behind, reverse: true });
    // How likely each place is at each frame, of all ways to say the labels. Both loops count the frame's own score.
    const share = exp(sub(add(sub(ahead, scores), behind), where(possible, last, 0)));
    const posteriors = matmul(transpose(share, [2, 0, 1]), places.classes); // [B, T, S] × [B, S, V]
    const weight = mul(counts, reshape(where(possible, ct, 0), [batch, 1])); // [B, T]
    return mul(sub(exp(logs), posteriors), reshape(weight, [batch, frames, 1]));
  };
  return custom([logits], [losses], [], (_, [ct]) => [ct ? backward(ct) : null])[0] as Tensor;
}

/**
 * The mean loss of a batch, each sequence's divided by its number of labels first, as PyTorch's `ctc_loss` does.
 *
 * @returns float32 scalar, in nats per label
 */
export function ctcLoss(logits: Tensor, targets: CtcTargets, options: CtcOptions = {}): Tensor {
  return mean(div(ctcLosses(logits, targets, options), cast(maximum(targets.labelLengths, 1), "float32")));
}

interface Places {
  /** S */
  readonly count: number;
  /** Which class each place says, one-hot [B, S, V]. */
  readonly classes: Tensor;
  /** Where a path may have been a frame before (the same place, the one before, two before), and a frame later: int32 [3, S]. */
  readonly steps: Tensor;
  readonly back: Tensor;
  /** What to add to come from there: 0, or `never` where there is no way, [3, S, B] */
  readonly ahead: Tensor;
  readonly behind: Tensor;
}

function placesOf(
  labels: Tensor,
  labelLengths: Tensor,
  { blank, classes }: { readonly blank: number; readonly classes: number },
): Places {
  const [batch, width] = labels.shape as [number, number];
  const count = 2 * width + 1;
  const counted = less(arange(width), reshape(labelLengths, [batch, 1])); // [B, U]
  const said = where(counted, labels, blank);
  const pairs = reshape(stack([full([batch, width], blank, "int32"), said], 2), [batch, 2 * width]);
  const all = pad(
    pairs,
    [
      [0, 0],
      [0, 1],
    ],
    { value: blank },
  ); // blank, label, blank, …, blank: [B, S]
  const hot = cast(equal(reshape(all, [batch, count, 1]), arange(classes)), "float32"); // [B, S, V]
  const table = (move: (place: number) => number) =>
    Array.from({ length: count }, (_, place) => Math.min(Math.max(move(place), 0), count - 1));
  const moves = (sign: number) =>
    constant({ dtype: "int32", shape: [3, count], data: Int32Array.from([0, 1, 2].flatMap((n) => table((s) => s + sign * n))) });
  // A blank may be skipped between labels that differ.
  const turned = transpose(all); // [S, B]
  const alike = equal(slice(turned, { 0: { start: 2 } }), slice(turned, { 0: { stop: -2 } })); // [S - 2, B]
  const skips = where(alike, never, 0); // blanks are alike too
  const onward = full([count - 1, batch], 0);
  const open = (ways: Tensor, [before, after]: readonly [number, number]) =>
    pad(
      ways,
      [
        [before, after],
        [0, 0],
      ],
      { value: never },
    ); // → [S, B]
  const stay = full([count, batch], 0);
  return {
    count,
    classes: hot,
    steps: moves(-1),
    back: moves(1),
    ahead: stack([stay, open(onward, [1, 0]), open(skips, [2, 0])]),
    behind: stack([stay, open(onward, [0, 1]), open(skips, [0, 2])]),
  };
}

/** The places where all labels have been said: the last label (if there is one) and the blank after it, bool [S, B]. */
function lastPlaces(labelLengths: Tensor, count: number): Tensor {
  const blank = mul(labelLengths, 2); // [B]
  const place = reshape(arange(count), [count, 1]);
  return and(lessEqual(sub(blank, 1), place), lessEqual(place, blank));
}

/** Sums over all paths that have said everything in the last frame that counts: [T, S, B] → [B] */
function ends(ahead: Tensor, lengths: Tensor, labelLengths: Tensor): Tensor {
  const [, count, batch] = ahead.shape as [number, number, number];
  const frame = reshape(maximum(sub(lengths, 1), 0), [1, batch]);
  const blank = mul(labelLengths, 2); // [B]
  const places = stack([blank, maximum(sub(blank, 1), 0)]); // [2, B]
  const sums = gather(reshape(ahead, [-1]), add(mul(add(mul(frame, count), places), batch), arange(batch))); // [2, B]
  const both = where(stack([full([batch], 1, "bool"), less(0, labelLengths)]), sums, never);
  return logsumexp(both, 0);
}

/**
 * Sums over all paths up to (in reverse: from) each frame and place: [T, S, B].
 *
 * @param scores [T, S, B]
 * @param starts where paths begin, with the score there, else `never`: [T, S, B]
 */
function paths(
  scores: Tensor,
  starts: Tensor,
  { steps, from, reverse }: { readonly steps: Tensor; readonly from: Tensor; readonly reverse: boolean },
): Tensor {
  const none = full(scores.shape.slice(1), never);
  const [, all] = scan(
    (carry: Tensor, now: { score: Tensor; start: Tensor }) => {
      const before = add(gather(carry, steps), from); // [3, S, B]
      const peak = max(before, 0);
      const total = add(log(sum(exp(sub(before, peak)), 0)), peak);
      const next = maximum(add(total, now.score), now.start);
      return [next, next] as const;
    },
    none,
    { score: scores, start: starts },
    { reverse },
  );
  return all;
}
