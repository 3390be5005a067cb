/**
 * Scores of tagging with spans (names, chunks): a span counts only if its start, its end and its type are right, as in conlleval and
 * seqeval. Tags are BIO: `B-PER` begins a span of type PER, `I-PER` continues it, `O` is outside.
 */
import { HeptagenError } from "../util/errors.ts";
import { checkPairs, meanOverlap, type Overlap, overlap } from "./overlap.ts";

/** Places from `start` to `end` (without it). */
export interface Span {
  readonly type: string;
  readonly start: number;
  readonly end: number;
}

export interface SpanOptions {
  /**
   * Whether a span must begin with B (seqeval's `mode="strict"`, scheme IOB2). Unless told, an I that continues nothing begins a span
   * too, as in conlleval.
   */
  readonly strict?: boolean;
}

export interface SpanScores {
  /** Each span counts alike: the figure that is usually reported. */
  readonly micro: Overlap;
  /** Each type counts alike. */
  readonly macro: Overlap;
  /** Each type counts by how many spans it has. */
  readonly weighted: Overlap;
  /** Each type that occurs on either side, by name in order of the alphabet. */
  readonly types: Readonly<Record<string, Overlap & { readonly support: number }>>;
}

/**
 * The spans that BIO tags mark.
 *
 * @throws HeptagenError `metrics/tag` when a tag is none
 * @example spansOf(["B-PER", "I-PER", "O", "B-LOC"]) // PER [0, 2), LOC [3, 4)
 */
export function spansOf(tags: readonly string[], { strict = false }: SpanOptions = {}): Span[] {
  const spans: Span[] = [];
  let open: { type: string; start: number } | undefined;
  for (const [i, tag] of tags.entries()) {
    const { prefix, type } = readTag(tag, i);
    if (prefix === "I" && open?.type === type) continue;
    if (open) spans.push({ ...open, end: i });
    open = prefix === "B" || (prefix === "I" && !strict) ? { type, start: i } : undefined;
  }
  if (open) spans.push({ ...open, end: tags.length });
  return spans;
}

/**
 * Precision, recall and F1 of predicted tags, over all sequences.
 *
 * @param actual for each sequence its true tags
 * @throws HeptagenError `metrics/length` when sequences differ in length, `metrics/tag` when a tag is none
 * @example spanScores([["B-PER", "I-PER", "O"]], [["B-PER", "O", "O"]]).micro.f1 // 0
 */
export function spanScores(
  actual: readonly (readonly string[])[],
  predicted: readonly (readonly string[])[],
  options: SpanOptions = {},
): SpanScores {
  checkPairs("spanScores", actual, predicted);
  for (const [i, tags] of actual.entries()) {
    const given = predicted[i] as readonly string[];
    if (given.length === tags.length) continue;
    throw new HeptagenError(
      "metrics/length",
      `spanScores: expected a tag for each of ${tags.length} tokens of sequence ${i}, got ${given.length}`,
      {
        facts: { sequence: i, expected: tags.length, got: given.length },
      },
    );
  }
  const read = (sequences: readonly (readonly string[])[]) => sequences.map((tags) => spansOf(tags, options));
  return compareSpans(read(actual), read(predicted));
}

/**
 * The same for spans that are there already, in tokens or characters.
 *
 * @param actual for each sequence its true spans
 * @throws HeptagenError `metrics/length` when the lists differ in length or are empty
 */
export function compareSpans(actual: readonly (readonly Span[])[], predicted: readonly (readonly Span[])[]): SpanScores {
  checkPairs("compareSpans", actual, predicted);
  const counts = new Map<string, { hits: number; given: number; wanted: number }>();
  const countOf = (type: string) => {
    const count = counts.get(type) ?? { hits: 0, given: 0, wanted: 0 };
    counts.set(type, count);
    return count;
  };
  for (const [i, spans] of actual.entries()) {
    const wanted = new Map(spans.map((span) => [nameOf(span), span]));
    const given = new Map((predicted[i] as readonly Span[]).map((span) => [nameOf(span), span]));
    for (const { type } of wanted.values()) countOf(type).wanted++;
    for (const [name, { type }] of given) {
      countOf(type).given++;
      if (wanted.has(name)) countOf(type).hits++;
    }
  }
  const sorted = [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
  const types = sorted.map(
    ([type, { hits, given, wanted }]) => [type, { ...overlap(hits, given, wanted), support: wanted }] as const,
  );
  const scores = types.map(([, score]) => score);
  const sum = (of: "hits" | "given" | "wanted") => sorted.reduce((total, [, count]) => total + count[of], 0);
  return {
    micro: overlap(sum("hits"), sum("given"), sum("wanted")),
    macro: meanOverlap(scores),
    weighted: meanOverlap(
      scores,
      scores.map(({ support }) => support),
    ),
    types: Object.fromEntries(types),
  };
}

const nameOf = ({ type, start, end }: Span): string => `${start} ${end} ${type}`;

/** A tag without a type is of type `_`, as in seqeval. */
function readTag(tag: string, place: number): { readonly prefix: "B" | "I" | "O"; readonly type: string } {
  if (tag === "O") return { prefix: "O", type: "" };
  const prefix = tag[0];
  if ((prefix === "B" || prefix === "I") && (tag.length === 1 || tag[1] === "-")) return { prefix, type: tag.slice(2) || "_" };
  throw new HeptagenError("metrics/tag", `spansOf: expected O, B-TYPE or I-TYPE, got ${JSON.stringify(tag)} at token ${place}`, {
    facts: { tag, place },
    next: "Convert other schemes (BILOU, IOBES) to BIO first.",
  });
}
