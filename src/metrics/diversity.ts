/** How varied texts are. */

/**
 * Distinct-n (Li et al. 2016): different runs of n words divided by all of them, over all texts together. 1 when no run occurs twice.
 * It falls with the number of words, so compare only sets of texts of like size. Words are runs of letters, digits and apostrophes,
 * in lower case; 0 where there is no run at all.
 *
 * @example distinctN(["I am", "I am here"], 1) // 0.6
 */
export function distinctN(texts: readonly string[], n: number): number {
  const seen = new Set<string>();
  let total = 0;
  for (const text of texts) {
    const words = text.toLowerCase().match(/[\p{L}\p{N}'’]+/gu) ?? [];
    for (let at = 0; at + n <= words.length; at++) {
      seen.add(words.slice(at, at + n).join(" "));
      total++;
    }
  }
  return total === 0 ? 0 : seen.size / total;
}
