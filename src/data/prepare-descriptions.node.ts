/**
 * Records made of Debian's descriptions of its packages: pairs of languages, texts by section, bodies with their titles.
 *
 * Packages of one source (`foo`, `foo-dev`, `foo-doc`) are described alike: `group` names it, and what is split for training and
 * testing must be split by it.
 */
import { promises as fs } from "node:fs";
import { join } from "node:path";
import type { DescribedPackage, Description } from "./fetch-debian-index.node.ts";
import type { Prepare } from "./prepare.node.ts";
import { fileBelow, jsonLines, write } from "./prepare-files.node.ts";

async function readDescriptions(from: readonly string[]): Promise<DescribedPackage[]> {
  const text = await fs.readFile(await fileBelow(from, /(^|\/)descriptions\.jsonl$/), "utf8");
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as DescribedPackage); // written by `fetchDebianIndex`
}

/** What counts as short: so many words of English, and so many of the other language, or characters if it has no spaces. */
const short = { words: 16, translatedWords: 20, characters: 40 } as const;

/**
 * Titles and paragraphs in English with their translations, each English text once: `short.jsonl` and `all.jsonl`. Descriptions
 * whose paragraphs are not as many in both languages give their titles alone; what was left untranslated is left out.
 */
export const prepareTranslations =
  (language: string): Prepare =>
  async (from, to) => {
    const [all, brief]: [object[], object[]] = [[], []];
    const seen = new Set<string>();
    for (const { source: group, text } of await readDescriptions(from)) {
      const [english, translated] = [text.en, text[language]];
      if (!english || !translated) continue;
      for (const [source, target] of aligned(english, translated)) {
        if (seen.has(source) || source === target) continue;
        seen.add(source);
        all.push({ source, target, group });
        if (isShort(source, target, language)) brief.push({ source, target, group });
      }
    }
    await write(join(to, "short.jsonl"), jsonLines(brief));
    await write(join(to, "all.jsonl"), jsonLines(all));
  };

function aligned(a: Description, b: Description): [string, string][] {
  const [first, second] = [paragraphs(a.body), paragraphs(b.body)];
  const bodies = first.length === second.length ? first.map((text, i): [string, string] => [text, second[i] as string]) : [];
  const pairs: [string, string][] = [[onOneLine(a.title), onOneLine(b.title)], ...bodies];
  return pairs.filter(([source, target]) => source !== "" && target !== "");
}

const paragraphs = (body: string): string[] => body.split("\n\n").map(onOneLine);
const onOneLine = (text: string): string => text.replace(/\s+/g, " ").trim();
const wordCount = (text: string): number => text.split(" ").length;

function isShort(source: string, target: string, language: string): boolean {
  if (wordCount(source) > short.words) return false;
  return language.startsWith("zh") ? target.length <= short.characters : wordCount(target) <= short.translatedWords;
}

/** Sections that are kept: the largest. */
const largest = 10;

/** A text, title and body, labelled with its section; of the ten sections with most descriptions. */
export async function prepareDebianSections(from: readonly string[], to: string): Promise<void> {
  const counts = new Map<string, number>();
  const rows = (await english(from)).map(({ package: name, source: group, section, title, body }) => {
    counts.set(section, (counts.get(section) ?? 0) + 1);
    return { text: `${title}\n${body}`.trim(), label: section, group, package: name };
  });
  const kept = new Set([...counts].sort(([, a], [, b]) => b - a).flatMap(([name], i) => (i < largest ? [name] : [])));
  await write(join(to, "sections.jsonl"), jsonLines(rows.filter(({ label }) => kept.has(label))));
}

/**
 * A body with its title as the summary: each body once in `all.jsonl`; in `summaries.jsonl` each first paragraph once, because
 * packages of one source share all but the last.
 */
export async function prepareDebianSummaries(from: readonly string[], to: string): Promise<void> {
  const rows = (await english(from)).filter(once(({ body }) => body));
  const records = rows.map(({ package: name, source: group, title, body }) => ({
    text: body,
    summary: title,
    group,
    package: name,
  }));
  await write(join(to, "summaries.jsonl"), jsonLines(records.filter(once(({ text }) => text.split("\n\n")[0] as string))));
  await write(join(to, "all.jsonl"), jsonLines(records));
}

/** A title as the query that its body answers; bodies and titles may be others' too. */
export async function prepareDebianPassages(from: readonly string[], to: string): Promise<void> {
  const rows = await english(from);
  const records = rows.map(({ package: name, source: group, title, body }, i) => ({
    id: String(i),
    query: title,
    text: body,
    group,
    package: name,
  }));
  await write(join(to, "passages.jsonl"), jsonLines(records));
}

type EnglishPackage = Omit<DescribedPackage, "text"> & Description;

/** Descriptions in English that have a title and a body, each once. */
async function english(from: readonly string[]): Promise<EnglishPackage[]> {
  const rows = (await readDescriptions(from)).flatMap(({ text: { en }, ...rest }) =>
    en ? [{ ...rest, title: onOneLine(en.title), body: en.body.trim() }] : [],
  );
  return rows.filter(({ title, body }) => title !== "" && body !== "").filter(once(({ title, body }) => `${title}\n${body}`));
}

/** Lets through what has a key that was not seen before. */
function once<T>(key: (each: T) => string): (each: T) => boolean {
  const seen = new Set<string>();
  return (each) => seen.size < seen.add(key(each)).size;
}
