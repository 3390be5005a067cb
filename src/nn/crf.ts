/**
 * Linear-chain conditional random field (Lafferty et al. 2001), as it tops taggers (Lample et al. 2016): a sequence of tags is as good
 * as its tags fit their places and each other.
 *
 * A score for each pair of neighbouring tags makes the tags of a sequence one decision. The sum over all sequences is one loop over the
 * places; its gradient is how likely each tag and each pair are, which takes a second loop that runs the other way. The best sequence
 * is one loop forwards, which remembers where it came from, and one back.
 *
 * Legend: B sequences, T places, K tags.
 */
import { custom } from "../core/builtin.ts";
import { scan } from "../core/scan.ts";
import { ShapeError, type Tensor, typeName } from "../core/tensor.ts";
import {
  add,
  arange,
  argmax,
  broadcastTo,
  cast,
  concat,
  equal,
  exp,
  less,
  logsumexp,
  matmul,
  max,
  mul,
  reshape,
  slice,
  sub,
  sum,
  takeAlongAxis,
  transpose,
  where,
  zeros,
} from "../ops/index.ts";
import { HeptagenError } from "../util/errors.ts";
import { type NdArray, ndarray } from "../util/ndarray.ts";
import { fold, type Key } from "../util/random.ts";
import { uniformInit } from "./init.ts";

/** Scores of tags by themselves: `start` [K] of the first, `end` [K] of the last, `transition` [K, K] from one (row) to the next. */
export interface Crf<Leaf = Tensor> {
  readonly start: Leaf;
  readonly end: Leaf;
  readonly transition: Leaf;
}

/** Initial scores, uniform in ±0.1 as pytorch-crf's. */
export function initCrf(key: Key, tags: number): Crf<NdArray> {
  const part = (name: string, shape: readonly number[]) => uniformInit(fold(key, name), shape, 0.1);
  return { start: part("start", [tags]), end: part("end", [tags]), transition: part("transition", [tags, tags]) };
}

/** The score of what is ruled out: exp gives 0, and sums of a few stay finite. */
const excluded = -1e9;

/**
 * A CRF in which some neighbours are ruled out.
 *
 * @param allowed bool, of the same shapes; see `bioRules`
 */
export function constrainCrf(crf: Crf, allowed: Crf): Crf {
  const rule = (part: keyof Crf) => where(allowed[part], crf[part], excluded);
  return { start: rule("start"), end: rule("end"), transition: rule("transition") };
}

/**
 * Which tags may follow each other in the BIO scheme (Ramshaw & Marcus 1995): `I-X` only after `B-X` or `I-X`.
 *
 * @param tags names: "O", "B-X", "I-X"
 * @returns bool arrays for `constrainCrf`
 * @throws HeptagenError `crf/tags` for a name of another form
 */
export function bioRules(tags: readonly string[]): Crf<NdArray> {
  const parsed = tags.map((tag) => {
    const [, part, kind] = /^(?:O|([BI])-(.+))$/s.exec(tag) ?? fail(tag);
    return { inside: part === "I", kind };
  });
  const count = tags.length;
  const start = parsed.map(({ inside }) => Number(!inside));
  const transition = parsed.flatMap((from) => parsed.map((to) => Number(!to.inside || from.kind === to.kind)));
  return {
    start: ndarray("bool", [count], start),
    end: ndarray("bool", [count], Array<number>(count).fill(1)),
    transition: ndarray("bool", [count, count], transition),
  };
}

function fail(tag: string): never {
  throw new HeptagenError("crf/tags", `expected a tag "O", "B-…" or "I-…", got ${JSON.stringify(tag)}`, {
    facts: { tag },
    next: "Use the BIO scheme, or leave out its rules.",
  });
}

/** The scores of a batch: how well each tag fits each place [B, T, K], of which `lengths` (int32 [B], from 1) places count. */
export interface TagScores {
  readonly scores: Tensor;
  readonly lengths: Tensor;
}

/**
 * Negative log-likelihood of each sequence of tags.
 *
 * @param tags int32 [B, T]; what lies behind the places that count has no influence
 * @returns [B], in nats
 * @throws ShapeError when operands do not fit
 * @example const loss = mean(crfLosses(crf, { scores, lengths }, tags));
 */
export function crfLosses(crf: Crf, batch: TagScores, tags: Tensor): Tensor {
  return sub(crfLogPartition(crf, batch), crfScores(crf, batch, tags));
}

/** The score of each sequence of tags (int32 [B, T]): [B] */
export function crfScores(crf: Crf, batch: TagScores, tags: Tensor): Tensor {
  const { size, places, count, counts } = checked("crfScores", crf, batch);
  if (tags.dtype !== "int32" || tags.shape.length !== 2 || tags.shape[0] !== size || tags.shape[1] !== places) {
    throw new ShapeError("crfScores", `expected tags int32[${size},${places}], got ${typeName(tags)}`);
  }
  // Products with one-hot tags: picking and, on the way back, adding up.
  const hot = mul(oneHot(tags, count), cast(reshape(counts, [size, places, 1]), "float32")); // [B, T, K]
  const fit = sum(mul(batch.scores, hot), [1, 2]);
  const first = slice(hot, { 1: { stop: 1 } }); // [B, 1, K]
  const last = mul(
    hot,
    cast(equal(reshape(arange(places), [places, 1]), reshape(sub(batch.lengths, 1), [size, 1, 1])), "float32"),
  );
  const ends = add(sum(mul(first, crf.start), [1, 2]), sum(mul(last, crf.end), [1, 2]));
  if (places === 1) return add(fit, ends);
  const [before, after] = [slice(hot, { 1: { stop: -1 } }), slice(hot, { 1: { start: 1 } })]; // [B, T - 1, K]
  return add(add(fit, ends), sum(mul(matmul(before, crf.transition), after), [1, 2]));
}

/** The logarithm of the sum over all sequences of tags, of e to their scores: [B] */
export function crfLogPartition(crf: Crf, batch: TagScores): Tensor {
  const sums = forwardSums(crf, batch);
  const { scores, lengths } = batch;
  const [value] = custom([scores, crf.start, crf.end, crf.transition], [sums.total], [lengths], (_, [ct]) => {
    if (!ct) return [];
    const { tags, pairs } = marginals(crf, batch, sums);
    const weigh = (x: Tensor) => mul(x, reshape(ct, [-1, ...x.shape.slice(1).map(() => 1)]));
    const own = weigh(tags); // [B, T, K]
    const last = equal(reshape(arange(scores.shape[1] as number), [-1, 1]), reshape(sub(lengths, 1), [-1, 1, 1])); // [B, T, 1]
    return [
      own,
      sum(slice(own, { 1: { stop: 1 } }), [0, 1]),
      sum(mul(own, cast(last, "float32")), [0, 1]),
      pairs ? sum(weigh(pairs), [0, 1]) : zeros(crf.transition.shape),
    ];
  });
  return value as Tensor;
}

/** How likely each tag is at each place, given the whole sequence: [B, T, K], 0 where a place does not count. */
export function crfMarginals(crf: Crf, batch: TagScores): Tensor {
  return marginals(crf, batch, forwardSums(crf, batch)).tags;
}

interface ForwardSums {
  /** Sums up to each place and tag, [T, B, K]. */
  readonly ahead: Tensor;
  /** [B] */
  readonly total: Tensor;
}

function forwardSums(crf: Crf, batch: TagScores): ForwardSums {
  const { size, places, count, later } = checked("crf", crf, batch);
  const turned = transpose(batch.scores, [1, 0, 2]); // [T, B, K]
  const first = add(reshape(slice(turned, { 0: { stop: 1 } }), [size, count]), crf.start);
  const finish = (last: Tensor) => logsumexp(add(last, crf.end), 1);
  const start = reshape(first, [1, size, count]);
  if (places === 1) return { ahead: start, total: finish(first) };
  const [last, rest] = scan(
    (carry: Tensor, now: { score: Tensor; counts: Tensor }) => {
      const ways = add(reshape(carry, [size, count, 1]), crf.transition); // [B, K, K]
      const next = where(now.counts, add(logsumexp(ways, 1), now.score), carry);
      return [next, next] as const;
    },
    first,
    { score: slice(turned, { 0: { start: 1 } }), counts: later },
  );
  return { ahead: concat([start, rest]), total: finish(last) };
}

/** Likelihoods of tags [B, T, K] and of pairs of neighbours [B, T - 1, K, K], 0 where a place does not count. */
function marginals(
  crf: Crf,
  batch: TagScores,
  { ahead, total }: ForwardSums,
): { readonly tags: Tensor; readonly pairs?: Tensor } {
  const { size, places, count, counts, later } = checked("crf", crf, batch);
  const turned = transpose(batch.scores, [1, 0, 2]); // [T, B, K]
  const end = broadcastTo(crf.end, [size, count]);
  const norm = reshape(total, [size, 1]);
  const counted = cast(reshape(transpose(counts), [places, size, 1]), "float32"); // [T, B, 1]
  const share = (behind: Tensor) => transpose(mul(exp(sub(add(ahead, behind), norm)), counted), [1, 0, 2]); // [B, T, K]
  if (places === 1) return { tags: share(reshape(end, [1, size, count])) };
  // What follows each place and tag: sums over the tags of the place after it, with that place's scores.
  const [, behind] = scan(
    (carry: Tensor, now: { score: Tensor; counts: Tensor }) => {
      const onward = add(carry, now.score); // [B, K]
      const ways = add(reshape(onward, [size, 1, count]), crf.transition); // [B, K, K]
      const before = where(now.counts, logsumexp(ways, 2), carry);
      return [before, { before, onward }] as const;
    },
    end,
    { score: slice(turned, { 0: { start: 1 } }), counts: later },
    { reverse: true },
  );
  const from = reshape(slice(ahead, { 0: { stop: -1 } }), [places - 1, size, count, 1]);
  const to = reshape(sub(behind.onward, norm), [places - 1, size, 1, count]);
  const pairs = mul(exp(add(add(from, to), crf.transition)), reshape(cast(later, "float32"), [places - 1, size, 1, 1]));
  return { tags: share(concat([behind.before, reshape(end, [1, size, count])])), pairs: transpose(pairs, [1, 0, 2, 3]) };
}

/**
 * The best sequence of tags (Viterbi 1967).
 *
 * @returns `tags` int32 [B, T], -1 behind the places that count, and their scores [B]
 */
export function crfDecode(crf: Crf, batch: TagScores): { readonly tags: Tensor; readonly scores: Tensor } {
  const { size, places, count, counts, later } = checked("crfDecode", crf, batch);
  const turned = transpose(batch.scores, [1, 0, 2]); // [T, B, K]
  const first = add(reshape(slice(turned, { 0: { stop: 1 } }), [size, count]), crf.start);
  const finish = (best: Tensor) => {
    const ended = add(best, crf.end);
    return { last: argmax(ended), scores: max(ended, 1) }; // [B] each
  };
  if (places === 1) {
    const { last, scores } = finish(first);
    return { tags: reshape(last, [size, 1]), scores };
  }
  const same = broadcastTo(arange(count), [size, count]);
  const [best, cameFrom] = scan(
    (carry: Tensor, now: { score: Tensor; counts: Tensor }) => {
      const ways = add(reshape(carry, [size, count, 1]), crf.transition); // [B, K, K]
      const next = where(now.counts, add(max(ways, 1), now.score), carry);
      return [next, where(now.counts, argmax(ways, 1), same)] as const; // behind the end, one comes from where one is
    },
    first,
    { score: slice(turned, { 0: { start: 1 } }), counts: later },
  );
  const { last, scores } = finish(best);
  const [head, rest] = scan(
    (tag: Tensor, from: Tensor) => [takeAlongAxis(from, tag), tag] as const, // [B, 1]
    reshape(last, [size, 1]),
    cameFrom,
    { reverse: true },
  );
  const all = transpose(reshape(concat([reshape(head, [1, size, 1]), rest]), [places, size])); // [B, T]
  return { tags: where(counts, all, -1), scores };
}

const oneHot = (tags: Tensor, count: number): Tensor => cast(equal(reshape(tags, [...tags.shape, 1]), arange(count)), "float32");

function checked(op: string, { start, end, transition }: Crf, { scores, lengths }: TagScores) {
  const [size, places, count] = scores.shape as [number, number, number];
  if (scores.shape.length !== 3 || lengths.dtype !== "int32" || lengths.shape.length !== 1 || lengths.shape[0] !== size) {
    throw new ShapeError(op, `expected scores [B, T, K] and int32 lengths [B], got ${typeName(scores)} and ${typeName(lengths)}`);
  }
  if (start.shape.join() !== `${count}` || end.shape.join() !== `${count}` || transition.shape.join() !== `${count},${count}`) {
    throw new ShapeError(
      op,
      `expected start [K], end [K] and transition [K, K] for ${count} tags, got ${typeName(start)}, ${typeName(end)} and ${typeName(transition)}`,
    );
  }
  const counts = less(arange(places), reshape(lengths, [size, 1])); // [B, T]
  // Whether the places from the second on count, in front: [T - 1, B, 1]
  const later = places > 1 ? reshape(transpose(slice(counts, { 1: { start: 1 } })), [places - 1, size, 1]) : counts;
  return { size, places, count, counts, later };
}
