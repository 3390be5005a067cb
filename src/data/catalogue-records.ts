/** The catalogue's sets of records: texts with labels, pairs, questions and tables, made from its other sets. */
import type { DataSet } from "./catalogue.ts";

/** What is made of Debian's descriptions: fields `group` (the source package, by which to split) and, but for pairs, `package`. */
const ofDescriptions = {
  kind: "text",
  source: { from: "set", set: "debian-descriptions" },
  licence: "none stated",
  licenceNote: "Descriptions are part of their packages, translations of the Debian Description Translation Project.",
} as const;

export const recordSets: readonly DataSet[] = [
  {
    name: "food-reviews",
    kind: "text",
    summary: "4,000 reviews of food in English, great or other (food-reviews:test: 1,000 more): text, label, product, id",
    source: { from: "set", set: "modeldata" },
    preparation: "food-reviews",
    content: "train.jsonl",
    parts: { train: "train.jsonl", test: "test.jsonl" },
    licence: "MIT",
    licenceNote: "The licence of the package; the reviews were written by customers of Amazon.",
    citation: "J. McAuley, J. Leskovec: From Amateurs to Connoisseurs, WWW 2013; modeldata by M. Kuhn",
  },
  {
    name: "chicago-ridership",
    kind: "table",
    summary: "5,684 days of 20 stations of Chicago's L (thousands of entries), with each day's weather and games",
    source: { from: "set", set: "modeldata" },
    preparation: "chicago-ridership",
    content: "ridership.csv",
    licence: "MIT",
    licenceNote: "Columns: date, 20 stations, then 28 of weather and games, known beforehand at best as forecasts.",
    citation: "M. Kuhn, K. Johnson: Feature Engineering and Selection, 2020; Chicago Transit Authority",
  },
  ...(
    [
      ["debian-en-fr", "English to French: 29,000 short", "48,000"],
      ["debian-en-de", "English to German: 20,000 short", "31,000"],
      ["debian-en-zh", "English to Chinese: 1,500 short", "2,600"],
    ] as const
  ).map(
    ([name, what, all]): DataSet => ({
      name,
      summary: `${what} titles and sentences (${name}:all: ${all}, long ones too): source, target, group`,
      preparation: name,
      content: "short.jsonl",
      parts: { short: "short.jsonl", all: "all.jsonl" },
      ...ofDescriptions,
    }),
  ),
  {
    name: "debian-sections",
    summary: "35,000 descriptions of packages labelled with their section, of the ten largest: text, label, group, package",
    preparation: "debian-sections",
    content: "sections.jsonl",
    ...ofDescriptions,
  },
  {
    name: "debian-summaries",
    summary:
      "40,000 descriptions with a summary of a line (debian-summaries:all: 60,000, siblings alike): text, summary, group, package",
    preparation: "debian-summaries",
    content: "summaries.jsonl",
    parts: { all: "all.jsonl" },
    ...ofDescriptions,
  },
  {
    name: "debian-passages",
    summary: "61,000 queries (titles) with the passage (body) that each should find: id, query, text, group, package",
    preparation: "debian-passages",
    content: "passages.jsonl",
    ...ofDescriptions,
  },
  {
    name: "debian-reference-en-zh",
    kind: "text",
    summary: "4,886 paragraphs, cells and titles of the Debian Reference, English and Chinese: source, target, page",
    source: { from: "set", set: "debian-reference" },
    preparation: "debian-reference-en-zh",
    content: "pairs.jsonl",
    licence: "GPL-2.0-or-later",
    licenceNote: "What you share of it must be under the same licence.",
    citation: "O. Aoki: Debian Reference, with its translators",
  },
  {
    name: "brown-names",
    kind: "text",
    summary:
      "57,340 sentences, words with names marked (tags), parts of speech (parts), and weak types of names (types: guessed by lists of words)",
    source: { from: "set", set: "brown" },
    preparation: "brown-names",
    content: "names.jsonl",
    licence: "MIT (package)",
    licenceNote: "Fields: text, tokens, tags, types, parts, offsets, genre, file. Split it by file.",
    citation: "W. N. Francis, H. Kučera: Brown Corpus Manual, Brown University, 1964, revised 1979",
  },
  {
    name: "fish-replies",
    kind: "text",
    summary: "1,789 replies in 80 scenes, English, with up to three lines before each: context, reply, speaker, level",
    source: { from: "set", set: "fish-dialogues" },
    preparation: "fish-replies",
    content: "replies.jsonl",
    licence: "GPL-2.0-only",
    licenceNote: "What you share of it must be under the same licence. Split it by level; the speaker is null where unknown.",
    citation: "Fish Fillets NG, ALTAR interactive and contributors",
  },
  {
    name: "quiz-questions",
    kind: "text",
    summary:
      "2,740 questions of general knowledge, each with a passage that has the answer: question, answer, answers, passage, start",
    source: { from: "set", set: "quiz" },
    preparation: "quiz-questions",
    content: "questions.jsonl",
    licence: "BSD-3-Clause",
    licenceNote: "Further fields: category, and group, by which to split. Facts are those of the game's authors, about 1990.",
  },
  {
    name: "debian-faq-questions",
    kind: "text",
    summary: "103 questions about Debian with their answers, English: question, answer, section",
    source: { from: "set", set: "debian-faq" },
    preparation: "debian-faq-questions",
    content: "questions.jsonl",
    licence: "own terms",
    licenceNote: "May be copied and changed; changed copies must be under the same terms.",
  },
];
