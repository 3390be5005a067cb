/** Texts with their classes: read, checked, and turned into tokens and class numbers. */
import { type DataRecord, type Tokenizer, textIn } from "../../data/index.ts";
import { HeptagenError, nearest } from "../../util/errors.ts";
import { type Placed, readPlaced } from "../sequence/records.ts";
import type { Assets } from "../sequence/sequence-task.ts";
import { cased, encodeText } from "../sequence/text.ts";
import type { TrainingOptions } from "./options.ts";

/** A text as it was read. */
export interface RawText {
  readonly text: string;
  /** undefined where they are to be predicted. */
  readonly labels: readonly string[] | undefined;
  readonly placed: Placed;
}

/** What training learns about the classes. */
export interface ClassFacts {
  /** In alphabetical order; numbers of classes are places in it. */
  readonly labels: readonly string[];
  /** Whether an example can have several, or none. */
  readonly several: boolean;
  /** How often each occurs in training. */
  readonly counts: readonly number[];
  /** Pairs of neighbouring tokens that occur in several texts of training, the most frequent first, as `12 7,3 9`; none without a bag. */
  readonly pairs: string;
}

export interface TextExample {
  readonly text: string;
  readonly ids: Int32Array;
  readonly classes: readonly number[];
}

/** @throws HeptagenError `data/…` with file and line */
export async function readTexts(options: TrainingOptions): Promise<RawText[]> {
  const { textColumn, labelColumn, labelSeparator } = options;
  return (await readPlaced(options)).map((record) => {
    const { place, side, group } = record;
    return {
      text: textIn(record, textColumn, "--text-column"),
      labels: labelsIn(record, labelColumn, labelSeparator),
      placed: { place, ...(side && { side }), ...(group !== undefined && { group }) },
    };
  });
}

function labelsIn(record: DataRecord, column: string, separator: string | undefined): string[] {
  const given = record.values[column];
  const none = separator !== undefined && (given === null || given === ""); // an example of several classes may have none
  const text = () => (none ? "" : textIn(record, column, "--label-column"));
  const labels = Array.isArray(given) ? given.map(String) : separator === undefined ? [text()] : text().split(separator);
  return labels.map((label) => label.trim()).filter((label) => label !== "");
}

/** @throws HeptagenError `data/one-class` */
export function classFacts(train: readonly RawText[]): Omit<ClassFacts, "pairs"> {
  const counts = new Map<string, number>();
  let several = false;
  for (const { labels = [] } of train) {
    several ||= labels.length !== 1;
    for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  }
  const labels = [...counts.keys()].sort();
  if (labels.length < 2) {
    throw new HeptagenError(
      "data/one-class",
      `expected texts of at least two classes, got ${labels.length} (${labels.join(", ")})`,
      {
        facts: { labels },
        next: "Name the column that holds the classes with --label-column.",
      },
    );
  }
  return { labels, several, counts: labels.map((label) => counts.get(label) as number) };
}

/** Texts in which a pair of tokens must occur to be known: of those in a single one nothing holds for others. */
const fewestTexts = 2;

/** Most pairs that are learnt: each has a vector. */
const mostPairs = 32_768;

/** The pairs of neighbouring tokens that occur in several texts, the most frequent first. */
export function learnPairs(texts: readonly Int32Array[], vocabulary: number): [number, number][] {
  const counts = new Map<number, number>();
  for (const ids of texts) {
    const own = new Set<number>();
    for (let t = 1; t < ids.length; t++) own.add((ids[t - 1] as number) * vocabulary + (ids[t] as number));
    for (const pair of own) counts.set(pair, (counts.get(pair) ?? 0) + 1);
  }
  return [...counts]
    .filter(([, count]) => count >= fewestTexts)
    .sort(([a, m], [b, n]) => n - m || a - b)
    .slice(0, mostPairs)
    .map(([pair]) => [Math.floor(pair / vocabulary), pair % vocabulary]);
}

/** @throws HeptagenError `data/label` for a class that training has not seen, `data/empty` */
export function encodeExample(
  { text, labels = [], placed: { place } }: RawText,
  { tokenizer, facts }: Assets<ClassFacts>,
  options: Pick<TrainingOptions, "longest" | "lowercase">,
): TextExample {
  const classes = labels.map((label) => {
    const at = facts.labels.indexOf(label);
    if (at >= 0) return at;
    const near = nearest(label, facts.labels);
    throw new HeptagenError("data/label", `${place}: expected one of the classes that the run knows, got "${label}"`, {
      facts: { label, known: facts.labels },
      next: near ? `Did it mean "${near}"?` : `It knows: ${facts.labels.join(", ")}.`,
    });
  });
  if (!facts.several && classes.length > 1) {
    throw new HeptagenError("data/label", `${place}: expected one class, got ${classes.length}: ${labels.join(", ")}`, {
      next: "The run was trained on one class an example.",
    });
  }
  return { text, ids: encodeText(tokenizer as Tokenizer, cased(text, options), options.longest, place), classes };
}
