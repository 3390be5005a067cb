/**
 * What a tagger is measured against: what the training sentences say of each word by itself.
 *
 *   most frequent tag    each word has the tag it had most often; words that training has not seen are outside
 *   names and capitals   each word is inside if it was more often than not; unseen words are where they begin with a capital that is not
 *                        a sentence's first; neighbours inside are one span, of the type its words had most often
 */
import type { RawSentence, TagFacts } from "./data.ts";

export interface TagBaselines {
  readonly mostFrequent: (words: readonly string[]) => string[];
  readonly capitals: (words: readonly string[]) => string[];
}

export function tagBaselines(train: readonly RawSentence[], { tags: names }: Pick<TagFacts, "tags">): TagBaselines {
  const counts = new Map<string, Map<string, number>>();
  const types = new Map<string, number>();
  for (const { words, tags = [] } of train) {
    for (const [i, word] of words.entries()) {
      const tag = tags[i] as string;
      const own = counts.get(word) ?? new Map<string, number>();
      counts.set(word, own.set(tag, (own.get(tag) ?? 0) + 1));
      if (tag !== "O") types.set(tag.slice(2), (types.get(tag.slice(2)) ?? 0) + 1);
    }
  }
  const best = (of: ReadonlyMap<string, number>): string | undefined =>
    [...of].reduce<[string, number] | undefined>((a, b) => (a && a[1] >= b[1] ? a : b), undefined)?.[0];
  const frequent = new Map([...counts].map(([word, own]) => [word, best(own) as string]));
  const usual = best(types) ?? names[1]?.slice(2) ?? "";

  const inside = (word: string, i: number): boolean => {
    const own = counts.get(word);
    if (!own) return i > 0 && /^\p{Lu}/u.test(word);
    const all = [...own.values()].reduce((a, b) => a + b, 0);
    return 2 * (own.get("O") ?? 0) < all;
  };
  const typeOf = (words: readonly string[]): string => {
    const votes = new Map<string, number>();
    for (const word of words) {
      for (const [tag, count] of counts.get(word) ?? []) {
        if (tag !== "O") votes.set(tag.slice(2), (votes.get(tag.slice(2)) ?? 0) + count);
      }
    }
    return best(votes) ?? usual;
  };
  return {
    mostFrequent: (words) => words.map((word) => frequent.get(word) ?? "O"),
    capitals(words) {
      const tags: string[] = words.map(() => "O");
      for (let start = 0; start < words.length; start++) {
        let end = start;
        while (end < words.length && inside(words[end] as string, end)) end++;
        if (end === start) continue;
        const type = typeOf(words.slice(start, end));
        for (let i = start; i < end; i++) tags[i] = `${i === start ? "B" : "I"}-${type}`;
        start = end;
      }
      return tags;
    },
  };
}
