/**
 * Proper names in the Brown corpus, as spans of words.
 *
 * Its makers tagged names (np, nps) and the words of titles (-tl, "Grand/jj-tl Jury/nn-tl"): names are the longest runs of such words.
 * Of which kind a name is, nobody has said: `types` guesses it by lists of words, and is weak.
 */
import { promises as fs } from "node:fs";
import { join } from "node:path";
import { firstNames, organisationHeads, personTitles, placeHeads, placeStarts, places } from "./name-lists.ts";
import { filesBelow, jsonLines, stem, write } from "./prepare-files.node.ts";

/** By the letter of a file's name (manual, section 2). */
const genres: Readonly<Record<string, string>> = {
  a: "press: reportage",
  b: "press: editorial",
  c: "press: reviews",
  d: "religion",
  e: "skill and hobbies",
  f: "popular lore",
  g: "belles-lettres",
  h: "miscellaneous",
  j: "learned",
  k: "fiction: general",
  l: "fiction: mystery",
  m: "fiction: science",
  n: "fiction: adventure",
  p: "fiction: romance",
  r: "humour",
};

/** A sentence of the corpus: words, and their parts of speech. */
interface Sentence {
  readonly tokens: readonly string[];
  readonly parts: readonly string[];
}

/** From one word to before another. */
type Span = readonly [from: number, to: number];

/** A sentence a line, with the names in it; split it by `file`. */
export async function prepareBrownNames([from]: readonly string[], to: string): Promise<void> {
  const rows: object[] = [];
  for (const path of await filesBelow(join(from as string, "texts"), /\.txt$/)) {
    const text = await fs.readFile(join(from as string, "texts", path), "utf8");
    const sentences = text.split("\n").map(readSentence);
    const file = stem(path);
    const told = sentences
      .filter(({ tokens }) => tokens.length > 0)
      .map((sentence) => ({ ...sentence, names: nameSpans(sentence) }));
    const kindOf = namesOfFile(told.flatMap(({ tokens, names }) => names.map(([start, end]) => tokens.slice(start, end))));
    for (const { tokens, parts, names } of told) {
      const kinds = names.map(([start, end]) => kindOf(tokens.slice(start, end)));
      const { text, offsets } = written(tokens);
      rows.push({
        text,
        tokens: tokens.map(plainMark),
        tags: marked(
          tokens.length,
          names,
          names.map(() => "NAME"),
        ),
        types: marked(tokens.length, names, kinds),
        parts,
        offsets,
        genre: genres[file[1] ?? ""],
        file,
      });
    }
  }
  await write(join(to, "names.jsonl"), jsonLines(rows));
}

/** Marks of quotation as they are written outside the corpus. */
const plainMark = (token: string): string => (token === "``" || token === "''" ? '"' : token === "`" ? "'" : token);

/** `The/at Fulton/np-tl …`; a word may have a "/" itself. */
export function readSentence(line: string): Sentence {
  const pairs = line.trim().split(/\s+/).filter(Boolean);
  const cuts = pairs.map((pair) => pair.lastIndexOf("/"));
  return {
    tokens: pairs.map((pair, i) => pair.slice(0, cuts[i])),
    parts: pairs.map((pair, i) => pair.slice((cuts[i] as number) + 1)),
  };
}

/** The longest runs of words tagged as names or of titles, that begin and end with a letter or digit. */
export function nameSpans({ tokens, parts }: Sentence): Span[] {
  const isName = parts.map((part) => /^(?:fw-)?nps?\b/.test(part) || /-tl\b/.test(part));
  const isWord = tokens.map((token) => /[\p{L}\p{N}]/u.test(token));
  const spans: Span[] = [];
  for (let at = 0; at < tokens.length; at++) {
    if (!isName[at]) continue;
    let [start, end] = [at, at];
    while (isName[end]) end++;
    at = end;
    while (start < end && !isWord[start]) start++;
    while (start < end && !isWord[end - 1]) end--;
    if (start < end) spans.push([start, end]);
  }
  return spans;
}

/** B- at the first word of each span, I- within, O elsewhere. */
function marked(length: number, spans: readonly Span[], kinds: readonly string[]): string[] {
  const tags = new Array<string>(length).fill("O");
  for (const [i, [start, end]] of spans.entries()) {
    for (let at = start; at < end; at++) tags[at] = `${at === start ? "B" : "I"}-${kinds[i]}`;
  }
  return tags;
}

/** A sentence as it would be printed, and where in it each word stands. */
export function written(tokens: readonly string[]): { readonly text: string; readonly offsets: readonly Span[] } {
  let text = "";
  let glued = true;
  const offsets = tokens.map((token): Span => {
    if (!glued && !/^(?:''?|[,.;:?!)\]]+)$/.test(token)) text += " ";
    const start = text.length;
    text += plainMark(token);
    glued = /^(?:``?|[([])$/.test(token);
    return [start, text.length];
  });
  return { text, offsets };
}

const withoutPossessive = (word: string): string => word.replace(/'s?$/, "");

/** The kind of each name of a text: PER, LOC, ORG, MISC. A surname that stands alone is a person's if it was one's before. */
function namesOfFile(names: readonly (readonly string[])[]): (name: readonly string[]) => string {
  const surnames = new Set<string>();
  for (const name of names) {
    const last = withoutPossessive(name.filter((word) => !/^[JS]r\.$/.test(word)).at(-1) ?? "");
    if (name.length > 1 && /^\p{Lu}\p{L}{2}/u.test(last) && kindOfName(name) === "PER") surnames.add(last);
  }
  return (name) => {
    const kind = kindOfName(name);
    return kind === "MISC" && name.length === 1 && surnames.has(withoutPossessive(name[0] as string)) ? "PER" : kind;
  };
}

/** What a name's words say of its kind. */
export function kindOfName(name: readonly string[]): string {
  const plain = [...name.slice(0, -1), withoutPossessive(name.at(-1) as string)];
  const [first, last] = [plain[0] as string, plain.at(-1) as string];
  const head = plain.includes("of") ? first : last;
  if (places.has(plain.join(" "))) return "LOC";
  if (organisationHeads.has(head)) return "ORG";
  if (name.length > 1 && (placeHeads.has(head) || placeStarts.has(first))) return "LOC";
  if (name.length > 1 && personTitles.has(first)) return "PER";
  if (firstNames.has(first) || (name.length > 1 && /^[A-Z]\.$/.test(first) && /^\p{L}{2}/u.test(last))) return "PER";
  return "MISC";
}
