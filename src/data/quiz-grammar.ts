/**
 * The little language of the quiz game's files (quiz(6)): `:` parts fields, `|` alternatives, `[a|b]` groups them, `{x}` is optional,
 * a backslash makes the next character plain and joins lines.
 */

/** A part of a pattern: text, or one of several sequences of parts. */
type Part = string | { readonly options: readonly (readonly Part[])[] };

/** Rows of a quiz file, as patterns. */
export function quizRows(text: string): string[][] {
  const joined = text.replace(/\\\n/g, "");
  return joined
    .split("\n")
    .flatMap((line) => (line.trim() === "" ? [] : [line.match(/(?:\\.|[^:\\])+|(?<=:)(?=:|$)|^(?=:)/g) ?? []]));
}

/**
 * What a pattern matches, what stands first and in full before the rest: `{George }Washington|GW` is "George Washington",
 * "Washington", "GW".
 *
 * @param most no more than so many are given
 */
export function expansions(pattern: string, most = 24): string[] {
  const [parts] = parse(pattern, 0, "");
  const found = spell(parts, most * 4).map((each) => accented(each).replace(/\s+/g, " ").trim());
  return [...new Set(found)].filter(Boolean).slice(0, most);
}

const backspace = "\b";
/** Marks that terminals of paper struck over letters, and what Unicode has for them. */
const accents: Readonly<Record<string, string>> = {
  "'": "\u0301",
  "`": "\u0300",
  '"': "\u0308",
  "^": "\u0302",
  "~": "\u0303",
  ",": "\u0327",
};

/** A letter and a mark struck over one another, in either order, as one letter. */
function accented(text: string): string {
  if (!text.includes(backspace)) return text;
  return text
    .replace(/(.)[\b](.)/g, (_all, first: string, second: string) => {
      const [letter, mark] = /\p{L}/u.test(first) ? [first, second] : [second, first];
      return letter + (accents[mark] ?? "");
    })
    .normalize("NFC");
}

/** Alternatives up to the character that ends them, as one part; and where they end. */
function parse(pattern: string, start: number, end: string): [parts: Part[], at: number] {
  const options: Part[][] = [[]];
  let at = start;
  while (at < pattern.length && pattern[at] !== end) {
    const character = pattern[at++] as string;
    const current = options.at(-1) as Part[];
    if (character === "\\") current.push(pattern[at++] ?? "");
    else if (character === "|") options.push([]);
    else if (character === "[" || character === "{") {
      const [inner, next] = parse(pattern, at, character === "[" ? "]" : "}");
      at = next + 1;
      current.push(character === "[" ? { options: [inner] } : { options: [inner, []] });
    } else current.push(character);
  }
  return [[{ options }], at];
}

function spell(parts: readonly Part[], most: number): string[] {
  let found = [""];
  for (const part of parts) {
    const ends = typeof part === "string" ? [part] : part.options.flatMap((option) => spell(option, most));
    found = found.flatMap((begin) => ends.map((end) => begin + end)).slice(0, most);
  }
  return found;
}
