/**
 * Word and character error rates: the fewest substitutions, deletions and insertions that turn what was said into what was heard,
 * over the length of what was said (Levenshtein 1966), with jiwer's definitions and alignments.
 *
 * Nothing is normalised: case and punctuation count unless the caller takes them away on both sides.
 */
import { checkPairs, splitWords } from "./overlap.ts";

/** Parts `from` to `to` (without it) of the reference, and those of the hypothesis that stand for them. */
export interface AlignmentChunk {
  readonly type: "equal" | "substitute" | "delete" | "insert";
  readonly reference: readonly [from: number, to: number];
  readonly hypothesis: readonly [from: number, to: number];
}

export interface ErrorRate {
  /** (substitutions + deletions + insertions) / parts of the references: 0 is perfect, more than 1 is possible. */
  readonly rate: number;
  readonly hits: number;
  readonly substitutions: number;
  readonly deletions: number;
  readonly insertions: number;
  /** For each pair, what became of its parts. */
  readonly alignments: readonly (readonly AlignmentChunk[])[];
}

/**
 * WER: errors in words, summed over all pairs before dividing. With references without a word the rate is the count of insertions.
 *
 * @throws HeptagenError `metrics/length` when the lists differ in length or are empty
 * @example wordErrorRate(["this is a test"], ["this test"]).rate // 0.5
 */
export function wordErrorRate(references: readonly string[], hypotheses: readonly string[]): ErrorRate {
  return errorRate("wordErrorRate", references, hypotheses, splitWords);
}

/**
 * CER: errors in characters (Unicode code points, spaces between words included, those around the text not).
 *
 * @throws HeptagenError `metrics/length` when the lists differ in length or are empty
 * @example characterErrorRate(["This is a test"], ["This test"]).rate // 5 / 14
 */
export function characterErrorRate(references: readonly string[], hypotheses: readonly string[]): ErrorRate {
  return errorRate("characterErrorRate", references, hypotheses, (text) => [...text.trim()]);
}

function errorRate(
  what: string,
  references: readonly string[],
  hypotheses: readonly string[],
  split: (text: string) => string[],
): ErrorRate {
  checkPairs(what, references, hypotheses);
  const counts = { equal: 0, substitute: 0, delete: 0, insert: 0 };
  const alignments = references.map((reference, i) => {
    const chunks = align(split(reference), split(hypotheses[i] as string));
    for (const { type, reference: said, hypothesis: heard } of chunks) {
      counts[type] += Math.max(said[1] - said[0], heard[1] - heard[0]);
    }
    return chunks;
  });
  const errors = counts.substitute + counts.delete + counts.insert;
  return {
    rate: errors / Math.max(1, counts.equal + counts.substitute + counts.delete),
    hits: counts.equal,
    substitutions: counts.substitute,
    deletions: counts.delete,
    insertions: counts.insert,
    alignments,
  };
}

/**
 * An alignment with the fewest errors. Of several equally good it is the one that rapidfuzz, and so jiwer, finds: what both begin and end
 * with is equal; in between, looking from the end, a deletion is taken before an insertion before a substitution.
 *
 * @example align(["a", "b"], ["a", "c"]) // equal [0, 1] to [0, 1], substitute [1, 2] to [1, 2]
 */
export function align<Part>(reference: readonly Part[], hypothesis: readonly Part[]): AlignmentChunk[] {
  const shorter = Math.min(reference.length, hypothesis.length);
  let start = 0;
  while (start < shorter && reference[start] === hypothesis[start]) start++;
  let end = 0;
  while (end < shorter - start && reference.at(-1 - end) === hypothesis.at(-1 - end)) end++;
  const inside = <T>(parts: readonly T[]) => parts.slice(start, parts.length - end);
  const equal = (count: number) => new Array<AlignmentChunk["type"]>(count).fill("equal");
  return chunksOf([...equal(start), ...alignInside(inside(reference), inside(hypothesis)), ...equal(end)]);
}

function alignInside<Part>(reference: readonly Part[], hypothesis: readonly Part[]): AlignmentChunk["type"][] {
  const distances = editDistances(reference, hypothesis);
  const at = (i: number, j: number) => distances[i * (hypothesis.length + 1) + j] as number;
  const steps: AlignmentChunk["type"][] = [];
  let [i, j] = [reference.length, hypothesis.length];
  while (i > 0 || j > 0) {
    if (i > 0 && (j === 0 || at(i, j) === at(i - 1, j) + 1)) steps.push("delete");
    else if (i === 0 || at(i, j - 1) < at(i - 1, j - 1)) steps.push("insert");
    else steps.push(reference[i - 1] === hypothesis[j - 1] ? "equal" : "substitute");
    const step = steps.at(-1);
    if (step !== "insert") i--;
    if (step !== "delete") j--;
  }
  return steps.reverse();
}

/** Distances between the first i parts of one and the first j of the other: [reference + 1, hypothesis + 1] */
function editDistances<Part>(reference: readonly Part[], hypothesis: readonly Part[]): Uint32Array {
  const width = hypothesis.length + 1;
  const distances = new Uint32Array((reference.length + 1) * width);
  for (let j = 0; j < width; j++) distances[j] = j;
  for (let i = 1; i <= reference.length; i++) {
    const row = i * width;
    distances[row] = i;
    for (let j = 1; j < width; j++) {
      const replaced = (distances[row - width + j - 1] as number) + (reference[i - 1] === hypothesis[j - 1] ? 0 : 1);
      const changed = Math.min(distances[row - width + j] as number, distances[row + j - 1] as number) + 1;
      distances[row + j] = Math.min(replaced, changed);
    }
  }
  return distances;
}

/** Joins neighbouring steps of one type. */
function chunksOf(steps: readonly AlignmentChunk["type"][]): AlignmentChunk[] {
  const chunks: AlignmentChunk[] = [];
  let [i, j] = [0, 0];
  for (const type of steps) {
    const [nextI, nextJ] = [type === "insert" ? i : i + 1, type === "delete" ? j : j + 1];
    const last = chunks.at(-1);
    if (last?.type === type) {
      chunks[chunks.length - 1] = { type, reference: [last.reference[0], nextI], hypothesis: [last.hypothesis[0], nextJ] };
    } else chunks.push({ type, reference: [i, nextI], hypothesis: [j, nextJ] });
    [i, j] = [nextI, nextJ];
  }
  return chunks;
}
