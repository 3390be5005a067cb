/**
 * Writing sequences token by token inside the graph, as one loop that ends when all have ended: by beam search (the likeliest
 * sequences that can be found) or by sampling.
 *
 * Both are given the network as a function of one step. Beam search keeps the K likeliest beginnings of each sentence; in every
 * step each of them is continued by every token, and the K likeliest continuations are kept. Those that end are put aside; a
 * sentence is done when K have. With K = 1 this is greedy search.
 *
 * Papers: Graves 2012 (beam search on neural networks), Wu et al. 2016 (length penalty).
 *
 * Legend: B sentences, K beams or samples of each, R = B K rows (those of one sentence next to each other), V vocabulary, U places
 * to write at, T places of a source, C candidates.
 */
import type { TracedKey } from "../core/random.ts";
import { whileLoop } from "../core/scan.ts";
import { isTensor, ShapeError, type Tensor, typeName } from "../core/tensor.ts";
import {
  add,
  and,
  arange,
  broadcastTo,
  cast,
  concat,
  div,
  equal,
  full,
  gather,
  less,
  mod,
  mul,
  not,
  or,
  pow,
  reshape,
  slice,
  sub,
  sum,
  takeAlongAxis,
  topK,
  uniform,
  where,
  zeros,
} from "../ops/index.ts";
import { mapTree } from "../util/tree.ts";
import { markSeen, type SamplingOptions, sampleToken, samplingDefaults } from "./sampling.ts";

/** What a network says after reading a token. */
export interface TokenStep<Memory> {
  /** Of each token to come next, [R, V]. */
  readonly logProbabilities: Tensor;
  /** Of the same structure and shapes as the memory before. */
  readonly memory: Memory;
  /** Where in a source it looked, [R, T], if it did. */
  readonly attention?: Tensor | undefined;
}

/** Reads `token` (int32 [R]), the `n`-th (int32 scalar, from 0) of each row. All leaves of `memory` are [R, …]. */
export type ReadToken<Memory> = (memory: Memory, token: Tensor, n: Tensor) => TokenStep<Memory>;

export interface WritingOptions {
  /** B */
  readonly batch: number;
  /** U: how many tokens may be written, the end token among them. */
  readonly places: number;
  /** The token that is read first: one for all, or int32 [B]. */
  readonly begin: number | Tensor;
  /** The token that ends a sequence. */
  readonly end: number;
}

export interface BeamSearchOptions extends WritingOptions {
  /** K */
  readonly beams: number;
  /**
   * α: a sequence of length N (the end token counts) scores its log-probability divided by ((5 + N) / 6)^α. 0 prefers short
   * sequences, as plain log-probabilities do; 0.6 to 1 is usual for translation. 0.6 unless told.
   */
  readonly lengthPenalty?: number;
}

export interface SampleSequencesOptions extends WritingOptions {
  /** K */
  readonly samples: number;
  /** How tokens are chosen; plain sampling unless told. */
  readonly sampling?: Partial<SamplingOptions>;
  readonly key: TracedKey;
}

/** What has been written. */
export interface WrittenSequences<Leaf = Tensor> {
  /** int32 [B, K, U]; from a sequence's length on, all are the end token. */
  readonly tokens: Leaf;
  /** How many tokens come before the end token, int32 [B, K]; U where a sequence was cut off. */
  readonly lengths: Leaf;
  /** float32 [B, K]. Of beam search: falling, -1e9 where fewer than K sequences exist. Of samples: log-probabilities. */
  readonly scores: Leaf;
  /** Where each step looked, [B, K, U, T], 0 after the end; if the network says so. */
  readonly attention?: Leaf;
}

/** The score of what does not exist: far below any real one, yet finite. */
const none = -1e9;
const exists = (score: Tensor): Tensor => less(none / 10, score);

/** Sequences being written or put aside, best first: tokens [B, N, U], scores [B, N], lengths [B, N], attention [B, N, U, T]. */
interface Sequences {
  readonly tokens: Tensor;
  readonly scores: Tensor;
  readonly lengths: Tensor;
  readonly attention?: Tensor;
}

/**
 * Beam search.
 *
 * The results of a sentence do not depend on the others. Sequences that were cut off after U tokens come behind all that ended.
 *
 * @param memory what `read` is given first; leaves [B K, …]
 * @throws ShapeError when the shapes that `read` returns do not fit the options
 * @example
 * const { tokens, lengths } = beamSearch(read, memory, { batch: 8, beams: 4, places: 50, begin: 1, end: 2 });
 */
export function beamSearch<Memory>(
  read: ReadToken<Memory>,
  memory: Memory,
  { batch, beams, places, begin, end, lengthPenalty = 0.6 }: BeamSearchOptions,
): WrittenSequences {
  const first = firstTokens(begin, batch, beams);
  const { vocabulary, source } = sizesOf("beamSearch", read(memory, first, full([], 0, "int32")), batch * beams);
  if (vocabulary < 2) throw new ShapeError("beamSearch", `expected at least two tokens, got ${vocabulary}`);
  const blank = (): Sequences => ({
    tokens: full([batch, beams, places], end, "int32"),
    scores: full([batch, beams], none),
    lengths: full([batch, beams], places, "int32"),
    ...(source && { attention: zeros([batch, beams, places, source]) }),
  });
  // One beam to begin with: K equal ones would find everything K times.
  const single = broadcastTo(where(equal(arange(beams), 0), 0, none), [batch, beams]);
  const start = { n: full([], 0, "int32"), token: first, memory, alive: { ...blank(), scores: single }, ended: blank() };
  const allEnded = ({ scores }: Sequences): Tensor => equal(sum(cast(exists(scores), "int32"), 1), beams); // [B]

  const last = whileLoop(
    ({ n, ended }: typeof start) => and(less(n, places), anyOf(not(allEnded(ended)))),
    ({ n, token, memory: before, alive, ended }: typeof start) => {
      const step = read(before, token, n);
      const total = add(reshape(alive.scores, [batch, beams, 1]), reshape(step.logProbabilities, [batch, beams, vocabulary]));
      // Of 2 K candidates at most K end, so that K are left to go on.
      const best = topK(reshape(total, [batch, beams * vocabulary]), 2 * beams); // [B, C]
      const parent = div(best.indices, vocabulary);
      const chosen = mod(best.indices, vocabulary);
      const ends = equal(chosen, end);
      const candidates = written(
        pickSequences(alive, parent),
        n,
        chosen,
        step.attention && {
          attention: pick(reshape(step.attention, [batch, beams, -1]), parent),
        },
      );

      const going = topK(where(ends, none, best.values), beams); // stays in order
      const rows = takeAlongAxis(parent, going.indices);
      const next = mapTree(step.memory, isTensor, (leaf: Tensor) => {
        const grouped = reshape(leaf, [batch, beams, ...leaf.shape.slice(1)]);
        return reshape(pick(grouped, rows), leaf.shape);
      });

      // An end counts when it is among the K best candidates, as if it took its beam's place; a sentence that is done takes no more.
      const fresh = slice(and(and(ends, exists(best.values)), not(reshape(allEnded(ended), [batch, 1]))), { 1: { stop: beams } });
      const length = add(n, 1);
      const penalised = div(slice(best.values, { 1: { stop: beams } }), penalty(length, lengthPenalty));
      const ending: Sequences = {
        ...pickSequences(candidates, broadcastTo(arange(beams), [batch, beams])),
        scores: where(fresh, penalised, none),
        lengths: broadcastTo(n, [batch, beams]),
      };
      const pool = join(ended, ending);
      const kept = topK(pool.scores, beams);
      return {
        n: length,
        token: reshape(takeAlongAxis(chosen, going.indices), [batch * beams]),
        memory: next as Memory,
        alive: { ...pickSequences(candidates, going.indices), scores: going.values },
        ended: pickSequences(pool, kept.indices),
      };
    },
    start,
    { limit: places },
  );

  // Those that ended, then those that were cut off: both are in order.
  const cut = where(exists(last.alive.scores), div(last.alive.scores, penalty(last.n, lengthPenalty)), none);
  const pool = join(last.ended, { ...last.alive, scores: cut });
  const count = sum(cast(exists(last.ended.scores), "int32"), 1, { keepDims: true }); // [B, 1]
  const place = broadcastTo(arange(beams), [batch, beams]);
  return pickSequences(pool, where(less(place, count), place, add(sub(place, count), beams)));
}

/**
 * Sampling, with the options of `sampleToken`.
 *
 * @param memory what `read` is given first; leaves [B K, …]
 * @throws ShapeError when the shapes that `read` returns do not fit the options
 * @example
 * const { tokens } = sampleSequences(read, memory, { batch: 1, samples: 3, places: 50, begin: 1, end: 2, sampling: { topP: 0.9 }, key });
 */
export function sampleSequences<Memory>(
  read: ReadToken<Memory>,
  memory: Memory,
  { batch, samples, places, begin, end, sampling = {}, key }: SampleSequencesOptions,
): WrittenSequences {
  const rows = batch * samples;
  const options: SamplingOptions = { ...samplingDefaults, ...sampling };
  const first = firstTokens(begin, batch, samples);
  const { vocabulary, source } = sizesOf("sampleSequences", read(memory, first, full([], 0, "int32")), rows);
  const chances = uniform(key, [places, rows]);
  const blank: Sequences = {
    tokens: full([batch, samples, places], end, "int32"),
    scores: zeros([batch, samples]),
    lengths: full([batch, samples], places, "int32"),
    ...(source && { attention: zeros([batch, samples, places, source]) }),
  };
  const start = {
    n: full([], 0, "int32"),
    token: first,
    memory,
    over: full([rows], 0, "bool"),
    sequences: blank,
    ...(options.repetitionPenalty !== 1 && { seen: full([rows, vocabulary], 0, "bool") }),
  };
  const last = whileLoop(
    ({ n, over }: typeof start) => and(less(n, places), anyOf(not(over))),
    ({ n, token, memory: before, over, sequences, seen }: typeof start) => {
      const step = read(before, token, n);
      const drawn = sampleToken(step.logProbabilities, gather(chances, n), seen, options);
      const chosen = where(over, end, drawn);
      const gained = reshape(takeAlongAxis(step.logProbabilities, reshape(chosen, [rows, 1])), [rows]);
      const byText = (x: Tensor): Tensor => reshape(x, [batch, samples, ...x.shape.slice(1)]);
      const attention = step.attention && where(reshape(over, [rows, 1]), 0, step.attention);
      const ends = and(equal(chosen, end), not(over));
      return {
        n: add(n, 1),
        token: chosen,
        memory: step.memory,
        over: or(over, ends),
        sequences: {
          ...written(sequences, n, byText(chosen), attention && { attention: byText(attention) }),
          scores: add(sequences.scores, byText(where(over, 0, gained))),
          lengths: where(byText(ends), n, sequences.lengths),
        },
        ...(seen && { seen: markSeen(seen, chosen) }),
      };
    },
    start,
    { limit: places },
  );
  return last.sequences;
}

/** ((5 + N) / 6)^α */
function penalty(length: Tensor, alpha: number): Tensor {
  return pow(div(add(cast(length, "float32"), 5), 6), alpha);
}

/** Whether any of these (bool) is true, a bool scalar. */
function anyOf(x: Tensor): Tensor {
  return less(0, sum(cast(x, "int32")));
}

/** The first token of each row, int32 [R]. */
function firstTokens(begin: number | Tensor, batch: number, times: number): Tensor {
  if (typeof begin === "number") return full([batch * times], begin, "int32");
  return reshape(broadcastTo(reshape(begin, [batch, 1]), [batch, times]), [batch * times]);
}

/** V, and T if there is attention; `step` is only looked at, and is no part of the graph. */
function sizesOf(
  op: string,
  { logProbabilities, attention }: TokenStep<unknown>,
  rows: number,
): { vocabulary: number; source: number | undefined } {
  const [count, vocabulary] = logProbabilities.shape;
  if (logProbabilities.shape.length !== 2 || count !== rows)
    throw new ShapeError(op, `expected log-probabilities [${rows}, V], got ${typeName(logProbabilities)}`);
  if (attention && (attention.shape.length !== 2 || attention.shape[0] !== rows))
    throw new ShapeError(op, `expected attention [${rows}, T], got ${typeName(attention)}`);
  return { vocabulary: vocabulary as number, source: attention?.shape[1] };
}

/** Rows of each sentence: x [B, N, ...], places int32 [B, M] → [B, M, ...] */
function pick(x: Tensor, places: Tensor): Tensor {
  const [batch, count, ...rest] = x.shape as [number, number, ...number[]];
  const rows = add(places, mul(reshape(arange(batch), [batch, 1]), count)); // [B, M], counted over all sentences
  return gather(reshape(x, [batch * count, ...rest]), rows);
}

function pickSequences({ tokens, scores, lengths, attention }: Sequences, places: Tensor): Sequences {
  return {
    tokens: pick(tokens, places),
    scores: takeAlongAxis(scores, places),
    lengths: takeAlongAxis(lengths, places),
    ...(attention && { attention: pick(attention, places) }),
  };
}

/** Both, side by side: [B, N + M, …]. */
function join(a: Sequences, b: Sequences): Sequences {
  return {
    tokens: concat([a.tokens, b.tokens], 1),
    scores: concat([a.scores, b.scores], 1),
    lengths: concat([a.lengths, b.lengths], 1),
    ...(a.attention && b.attention && { attention: concat([a.attention, b.attention], 1) }),
  };
}

/** Sequences with a token [B, N] (and where it looked [B, N, T]) at place n. */
function written(sequences: Sequences, n: Tensor, token: Tensor, looked?: { readonly attention: Tensor }): Sequences {
  const [batch, count, places] = sequences.tokens.shape as [number, number, number];
  const here = equal(arange(places), n); // [U]
  const { attention } = sequences;
  return {
    ...sequences,
    tokens: where(here, reshape(token, [batch, count, 1]), sequences.tokens),
    ...(attention &&
      looked && {
        attention: where(reshape(here, [places, 1]), reshape(looked.attention, [batch, count, 1, -1]), attention),
      }),
  };
}
