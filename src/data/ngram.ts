/**
 * N-gram language models: how likely a token is after the few before it, counted in example texts.
 *
 * Long contexts are rare and short ones say little, so what each length says is mixed with what the next shorter one says, the more
 * of it the more different tokens have been seen after the long one (Witten & Bell 1991). Nothing is impossible: in the end every
 * token of the vocabulary, and one that stands for all others, gets its share.
 */
import { HeptagenError } from "../util/errors.ts";

export interface NgramModel {
  /** Longest sequence counted: a token and the `order - 1` before it. */
  readonly order: number;
  /** All tokens seen, sorted; without the end. */
  readonly vocabulary: readonly string[];
  /** Natural logarithm of the probability of a token after others (from the beginning of a text); undefined is the end. */
  logProbability(before: readonly string[], token: string | undefined): number;
}

/** What was seen after a context: how often each token, how often any. */
interface Followers {
  readonly counts: Map<string, number>;
  total: number;
}

/** After each token of a context's name, and the names of beginning and end: not part of any text. */
const joint = "\u0001";
const begin = "\u0002";
const end = "\u0003";

/**
 * Counts the n-grams of texts.
 *
 * @param texts each a list of tokens: words, or characters
 * @throws HeptagenError `ngram/options` for an order below 1, `ngram/empty` without any text
 * @example const model = countNgrams(lines.map((line) => line.split(" ")), { order: 3 });
 */
export function countNgrams(texts: Iterable<readonly string[]>, { order }: { readonly order: number }): NgramModel {
  if (!(Number.isInteger(order) && order >= 1)) {
    throw new HeptagenError("ngram/options", `countNgrams: expected an order from 1, got ${order}`, { next: "Set order." });
  }
  const contexts = new Map<string, Followers>();
  const known = new Set<string>();
  for (const text of texts) {
    for (const token of text) known.add(token);
    const all = [...Array<string>(order - 1).fill(begin), ...text, end];
    for (let i = order - 1; i < all.length; i++) {
      for (let n = 0; n < order; n++) count(contexts, nameOf(all.slice(i - n, i)), all[i] as string);
    }
  }
  if (contexts.size === 0) {
    throw new HeptagenError("ngram/empty", "countNgrams: expected texts, got none", { next: "Give at least one text." });
  }
  const even = 1 / (known.size + 2); // each known token, the end, and one for all that were never seen
  const logProbability = (before: readonly string[], token: string | undefined): number => {
    const name = token === undefined ? end : token;
    const past = [...Array<string>(order - 1).fill(begin), ...before];
    const context = past.slice(past.length - order + 1);
    let probability = even;
    for (let n = 0; n < order; n++) {
      const found = contexts.get(nameOf(context.slice(context.length - n)));
      if (!found) break;
      const kinds = found.counts.size;
      probability = ((found.counts.get(name) ?? 0) + kinds * probability) / (found.total + kinds);
    }
    return Math.log(probability);
  };
  return { order, vocabulary: [...known].sort(), logProbability };
}

const nameOf = (context: readonly string[]): string => context.map((token) => token + joint).join("");

function count(contexts: Map<string, Followers>, context: string, token: string): void {
  const found: Followers = contexts.get(context) ?? { counts: new Map(), total: 0 };
  found.counts.set(token, (found.counts.get(token) ?? 0) + 1);
  found.total++;
  contexts.set(context, found);
}
