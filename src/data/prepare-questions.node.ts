/** Questions with their answers: out of the quiz game's tables, and out of Debian's list of frequently asked questions. */
import { promises as fs } from "node:fs";
import { join } from "node:path";
import { fileBelow, jsonLines, write } from "./prepare-files.node.ts";
import { expansions, quizRows } from "./quiz-grammar.ts";
import { type QuizTemplate, quizTemplates } from "./quiz-templates.ts";

/** Rows whose facts make one passage. */
const perPassage = 8;

/**
 * Questions, each with its answers (the first in full, then others that are right too), a passage of a few facts, and where in it the
 * first answer begins. Questions of one passage belong to one `group`.
 */
export async function prepareQuizQuestions(from: readonly string[], to: string): Promise<void> {
  const records: object[] = [];
  for (const [name, template] of Object.entries(quizTemplates)) {
    const text = await fs.readFile(await fileBelow(from, new RegExp(`(^|/)quiz/${name}$`)), "utf8");
    const rows = quizRows(text).map((row) => row.map((pattern, field) => answersOf(pattern, template.names?.includes(field))));
    for (let start = 0; start < rows.length; start += perPassage) {
      records.push(...passageQuestions(rows.slice(start, start + perPassage), template, `${name}-${start / perPassage + 1}`));
    }
  }
  await write(join(to, "questions.jsonl"), jsonLines(records));
}

function answersOf(pattern: string, names: boolean | undefined): string[] {
  const found = expansions(pattern);
  return names ? found.map((each) => each.replace(/(?<=^|[\s-])\p{Ll}/gu, (letter) => letter.toUpperCase())) : found;
}

/** What a row leaves open; nobody is asked for it. */
const isOpen = (answers: readonly string[] | undefined): boolean => !answers?.[0] || /^none\b/i.test(answers[0]);

function passageQuestions(rows: readonly string[][][], { category, fact, questions }: QuizTemplate, group: string): object[] {
  const records: object[] = [];
  let passage = "";
  const places = rows.map((row) => {
    const sentence = filled(fact, row);
    const start = passage.length;
    if (sentence !== undefined) passage += `${sentence.text} `;
    return sentence?.places.map((place) => place + start);
  });
  passage = passage.trimEnd();
  for (const [i, row] of rows.entries()) {
    for (const [template, field] of questions) {
      const question = filled(template, row)?.text;
      const start = places[i]?.[field];
      if (question === undefined || start === undefined || isOpen(row[field])) continue;
      records.push({ question, answer: row[field]?.[0], answers: row[field], passage, start, category, group });
    }
  }
  return records;
}

/** A template with the first answers of a row put in, and where each begins; undefined if one that it needs is open. */
function filled(template: string, row: readonly string[][]): { readonly text: string; readonly places: number[] } | undefined {
  const places: number[] = [];
  let text = "";
  for (const [, before = "", article, number] of template.matchAll(/([^{]*)(?:\{(a )?(\d)\})?/g)) {
    text += before;
    if (number === undefined) continue;
    const value = row[Number(number)]?.[0];
    if (value === undefined) return undefined;
    if (article) text += /^[aeiou]/i.test(value) ? "an " : "a ";
    places[Number(number)] = text.length;
    text += value;
  }
  return { text: text.charAt(0).toUpperCase() + text.slice(1), places };
}

/** The FAQ's sections that ask something, with their text; `section` is the chapter. */
export async function prepareFaqQuestions(from: readonly string[], to: string): Promise<void> {
  const text = (await fs.readFile(await fileBelow(from, /debian-faq\.txt$/), "utf8")).replaceAll("\u00a0", " ");
  // The table of contents names everything once before.
  const body = text.slice(text.indexOf("\nChapter 1."));
  const records: object[] = [];
  for (const chapter of body.split(/\n(?=Chapter \d+\. )/)) {
    const [, section] = /^\n?Chapter \d+\. (.+)/.exec(chapter) ?? [];
    // Headings begin at the left margin, and so do the lines that they go on with; what they stand above is indented.
    for (const [, heading = "", answer = ""] of chapter.matchAll(/^\d+\.\d+\. (.+(?:\n\S.*)*)\n((?:(?!\d+\.\d+\. ).*\n?)*)/gm)) {
      const question = heading.replace(/\s+/g, " ").trim();
      const told = unwrapped(answer);
      if (told !== "" && question.includes("?")) records.push({ question, answer: told, section });
    }
  }
  await write(join(to, "questions.jsonl"), jsonLines(records));
}

/** Paragraphs on a line each. */
const unwrapped = (text: string): string =>
  text
    .split(/\n\s*\n/)
    .map((paragraph) =>
      paragraph
        .replace(/\s+/g, " ")
        .trim()
        .replace(/^\d+\.\d+\.\d+\. /, ""),
    )
    .filter(Boolean)
    .join("\n");
