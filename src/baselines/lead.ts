/** The lead baseline of summarisation: news and descriptions say the most in their first words. */

/**
 * The first `count` words of a text, a space apart. Words are what stands between white space.
 *
 * @example leadWords("A small  editor for the terminal", 3) // "A small editor"
 */
export function leadWords(text: string, count: number): string {
  return text
    .split(/\s+/u)
    .filter((word) => word !== "")
    .slice(0, count)
    .join(" ");
}
