/** Transcripts of speech as a model is trained on them: words in small letters, nothing else. */

const digits = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
/** How keys of a telephone are read. */
const keys: Readonly<Record<string, string>> = { "#": "pound", "*": "star", "&": "and", "%": "percent" };

/**
 * The words of a sentence: in small letters, digits and keys as they are read one by one, no marks but apostrophes; what stands in
 * brackets is a remark and not said.
 *
 * @example spokenText("Press # to hear 3-D (again) [beep].") // "press pound to hear three d again"
 */
export const spokenText = (text: string): string =>
  text
    .replace(/\[[^\]]*\]/g, " ")
    .replace(/[’]/g, "'")
    .replace(/\d/g, (digit) => ` ${digits[Number(digit)]} `)
    .replace(/[#*&%]/g, (key) => ` ${keys[key]} `)
    .replace(/\b([A-Za-z])\.(?=[A-Za-z]\.)/g, "$1 ")
    .toLowerCase()
    .replace(/[^\p{L}']+/gu, " ")
    .replace(/(?<!\p{L})'|'(?!\p{L})/gu, "")
    .trim();

/** A table of transcripts as CSV; nothing in it needs quotes. */
export function transcriptTable(rows: readonly Readonly<Record<string, string>>[]): string {
  const names = Object.keys(rows[0] ?? {});
  return `${[names, ...rows.map((row) => names.map((name) => row[name]))].map((cells) => cells.join(",")).join("\n")}\n`;
}
