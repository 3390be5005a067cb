/**
 * Small real data for every task, as files of a folder: a declaration in two languages, reviews, weather, spoken words, recordings of
 * strokes, and a novel, whose chapters, names and speeches serve the other tasks. Where from: test/samples/README.md.
 */
import { copyFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const root = new URL("../../", import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), "utf8");
const line = (row: unknown) => `${JSON.stringify(row)}\n`;

interface Chapter {
  readonly number: number;
  readonly title: string;
  /** Paragraphs, a line each. */
  readonly paragraphs: readonly string[];
}

function chaptersOf(novel: string): Chapter[] {
  return novel
    .split(/^CHAPTER /m)
    .slice(1)
    .map((chapter) => {
      const [heading = "", ...paragraphs] = chapter.split(/\n\n+/).map((part) => part.replace(/\s+/g, " ").trim());
      const [, number, title = ""] = /^(\d+)\. (.+?)\.?$/.exec(heading) ?? [];
      return { number: Number(number), title, paragraphs: paragraphs.filter((text) => text.length > 40) };
    });
}

/** Names of the novel, of persons and of places. */
const names = new Map([
  ...["Ahab", "Queequeg", "Starbuck", "Stubb", "Flask", "Peleg", "Bildad", "Ishmael", "Jonah"].map(
    (name) => [name, "PER"] as const,
  ),
  ...["Nantucket", "Manhattan", "Bedford", "Cape", "Horn", "Pacific", "Japan"].map((name) => [name, "LOC"] as const),
]);

/** Words of a sentence with the names among them, in CoNLL's way: B- begins a name, I- goes on with it. */
function tagged(sentence: string) {
  const words = sentence.match(/[\p{L}’-]+|[^\s\p{L}]/gu) ?? [];
  const types = words.map((word, i) => {
    const type = names.get(word);
    if (!type) return "O";
    return `${names.get(words[i - 1] ?? "") === type ? "I" : "B"}-${type}`;
  });
  return { words, types, tags: types.map((type) => type.replace(/PER|LOC/, "NAME")) };
}

/** Writes the files. Lengths are cut so that training takes moments. */
export function writeRealRecords(folder: string): void {
  const records = (file: string, rows: readonly unknown[]) => writeFileSync(join(folder, file), rows.map(line).join(""));
  for (const file of ["rights.jsonl", "reviews.jsonl", "weather.csv"])
    copyFileSync(new URL(`test/samples/${file}`, root), join(folder, file));
  const novel = read("assets/moby-dick.txt");
  writeFileSync(join(folder, "novel.txt"), novel.slice(0, 12_000));

  const chapters = chaptersOf(novel);
  const opening = ({ paragraphs }: Chapter, length: number) => (paragraphs[0] as string).slice(0, length);
  records(
    "chapters.jsonl",
    chapters.slice(0, 60).map((chapter) => ({ query: chapter.title, text: opening(chapter, 160) })),
  );
  const about = chapters.filter(({ title }) => ["Cetology", "The Spouter-Inn", "The Whiteness of The Whale"].includes(title));
  records(
    "paragraphs.jsonl",
    about.flatMap(({ title, paragraphs }) => paragraphs.slice(0, 20).map((text) => ({ label: title, text: text.slice(0, 200) }))),
  );

  const sentences = chapters.slice(20, 50).flatMap(({ number, paragraphs }) =>
    paragraphs
      .join(" ")
      .split(/(?<=[.!?]) /)
      .filter((sentence) => sentence.length < 80)
      .map((sentence) => ({ chapter: `chapter ${number}`, ...tagged(sentence) })),
  );
  const named = sentences.filter(({ types }) => types.some((type) => type !== "O"));
  records("names.jsonl", named.slice(0, 90));

  // A question blanks out a name of a sentence.
  const asked = named.slice(0, 60).map(({ words, types }) => {
    const at = types.findIndex((type) => type !== "O");
    const passage = words.join(" ");
    return { passage, question: `Who or where: ${words.map((word, i) => (i === at ? "…" : word)).join(" ")}`, answer: words[at] };
  });
  records("questions.jsonl", [...new Map(asked.map((row) => [row.passage, row])).values()]);

  // What is said in a chapter, one speech after the other; who says it where the novel tells that next.
  const persons = [...names].flatMap(([name, type]) => (type === "PER" ? [name] : [])).join("|");
  const speech = new RegExp(`“([^“”]{8,60})”(?:,? (?:said|cried|asked) (${persons}))?`, "g");
  const speeches = chapters.slice(2, 60).flatMap(({ number, paragraphs }) => {
    const said = [...paragraphs.join(" ").matchAll(speech)].map(([, words = "", speaker]) => ({
      words,
      speaker: speaker ?? null,
    }));
    return said.slice(1).map(({ words, speaker }, i) => ({
      context: said.slice(Math.max(0, i - 1), i + 1).map((one) => one.words),
      reply: words,
      speaker,
      chapter: `chapter ${number}`,
    }));
  });
  records("speeches.jsonl", speeches.slice(0, 80));

  cpSync(new URL("test/samples/words", root), join(folder, "words"), { recursive: true });
  const few = join(folder, "few-strokes");
  mkdirSync(few);
  for (const file of ["na", "na-o", "ghe1", "ghe4"])
    copyFileSync(new URL(`assets/percussion/tabla/${file}.flac`, root), join(few, `${file}.flac`));
}
