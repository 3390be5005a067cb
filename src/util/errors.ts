/**
 * Errors that teach.
 *
 * Every error Heptagen throws on purpose is a `HeptagenError`: a sentence that says what was expected, what was got and
 * where; a stable `code` for programs; the real values as `facts`; and, where there is one, the next step to take.
 */

/** What a caller may add to an error besides its sentence. */
export interface ErrorDetail {
  /** The real values behind the message, for programs. */
  readonly facts?: Readonly<Record<string, unknown>>;
  /** What to do next, as an imperative sentence. */
  readonly next?: string;
  /** The caller's own source line where the failing thing was written (`file:line:column`). */
  readonly at?: string | undefined;
  /** The error underneath, if any. */
  readonly cause?: unknown;
}

/**
 * An error raised on purpose by Heptagen.
 *
 * @example
 * throw new HeptagenError("data/empty-file", `expected text, got an empty file: ${path}`, { next: "Choose a file with text in it." });
 */
export class HeptagenError extends Error {
  /** Stable, greppable name of the failure: `area/what` in kebab case. */
  readonly code: string;
  readonly facts: Readonly<Record<string, unknown>>;
  readonly next: string | undefined;
  readonly at: string | undefined;

  constructor(code: string, message: string, detail: ErrorDetail = {}) {
    const lines = [message];
    if (detail.at) lines.push(`  written at ${detail.at}`);
    if (detail.next) lines.push(`  → ${detail.next}`);
    super(lines.join("\n"), detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = "HeptagenError";
    this.code = code;
    this.facts = detail.facts ?? {};
    this.next = detail.next;
    this.at = detail.at;
  }
}

/**
 * The candidate nearest to `word` by edit distance, or undefined when none is near (more than a third of the letters differ).
 *
 * @example nearest("trasformer", ["transformer", "rnn"]) // "transformer"
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best !== undefined && bestDistance <= Math.max(2, Math.floor(best.length / 3)) ? best : undefined;
}

/** Levenshtein distance in characters between two strings. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitute = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitute, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
