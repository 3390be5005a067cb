/** A trained span reader at work: finding passages, reading them, saying nothing where they have no answer, measures. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buildBm25, searchBm25 } from "../../baselines/index.ts";
import type { Tokenizer } from "../../data/index.ts";
import { answerF1, answerScores, rankingScores } from "../../metrics/index.ts";
import type { SpanReaderConfig } from "../../models/span-reader.ts";
import type { Device } from "../../runtime/index.ts";
import { writeFileAtomically } from "../../train/index.ts";
import { isNdArray, type NdArray } from "../../util/ndarray.ts";
import { fold, key, randint } from "../../util/random.ts";
import { flatten, type Tree } from "../../util/tree.ts";
import { drawMatrix } from "../drawing/matrix.node.ts";
import { checkStop, type EvaluateContext, type Measure, type Options } from "../recipe.ts";
import { type FindPassages, openRetriever } from "../retrieve/open.ts";
import { type Passage, readCorpus } from "../sequence/corpus.ts";
import type { EvaluationContext, Sides, TaskUse } from "../sequence/sequence-task.ts";
import { neighbourAnswers, sentenceAnswers } from "./baseline.ts";
import { placedTokens, type QuestionExample, questionTokens, type RawQuestion, readerInput, windowsOf } from "./data.ts";
import type { TrainingOptions } from "./options.ts";
import { type ReadablePassages, type Reading, readablePassages, readPassages, spanScorer } from "./reading.ts";

export interface ReaderParts {
  readonly tokenizer: Tokenizer;
  readonly options: TrainingOptions;
  readonly device: Device;
  /** Of the run, once it is done: the threshold is kept there. */
  readonly folder: string | undefined;
  /** The run's own data. */
  readonly own: () => Promise<Sides<RawQuestion>>;
}

/** Passages and how they are found. */
interface Library {
  readonly passages: ReadablePassages;
  readonly find: FindPassages;
  numberOf(text: string | undefined): number | undefined;
}

/** How passages are found and how many are read. */
interface Finding {
  readonly retriever: string;
  readonly passages: number;
  readonly threshold?: number | undefined;
}

export function useReader<Config>(
  model: SpanReaderConfig<Config>,
  { tokenizer, options, device, folder, own: ownData }: ReaderParts,
): TaskUse<RawQuestion, QuestionExample> {
  const scorer = spanScorer(model, device);
  const settings = { tokenizer, window: options.window, longestAnswer: options.longestAnswer };
  const libraries = new Map<string, Promise<Library>>();
  const thresholds = new Map<string, Promise<number>>();

  const library = async (list: readonly Passage[], retriever: string): Promise<Library> => {
    const numbers = new Map(list.map(({ text }, i) => [text, i]));
    return {
      passages: readablePassages(tokenizer, list),
      find: retriever === "bm25" ? byWords(list) : await openRetriever(retriever, list, device),
      numberOf: (text) => (text === undefined ? undefined : numbers.get(text)),
    };
  };
  const remembered = <Value>(known: Map<string, Promise<Value>>, name: string, make: () => Promise<Value>): Promise<Value> => {
    const value = known.get(name) ?? make();
    known.set(name, value);
    return value;
  };
  const ownLibrary = (retriever: string): Promise<Library> =>
    remembered(libraries, `own\n${retriever}`, async () => {
      const { train, validation, test } = await ownData();
      return library(distinct([...train, ...validation, ...test]), retriever);
    });
  const read = (params: Tree<NdArray>, { passages }: Library, examples: readonly QuestionExample[], found: readonly number[][]) =>
    readPassages((inputs) => scorer(params, inputs), passages, { examples, found }, settings);

  /** Passages for each question; without its own, as if nobody had written it, where asked. */
  const findFor = async (from: Library, examples: readonly QuestionExample[], k: number, { own = true } = {}) => {
    const questions = examples.map(({ raw }) => raw.question);
    const found = await from.find(questions, own ? k : k + 1);
    if (own) return found;
    return found.map((list, i) => list.filter((one) => one !== from.numberOf(examples[i]?.raw.passage)).slice(0, k));
  };

  const encode = (raws: readonly RawQuestion[]): QuestionExample[] =>
    raws.map((raw) => ({ raw, question: questionTokens(tokenizer, raw.question, options.longestQuestion, raw.placed.place) }));

  /** The best for the run's validation questions, each once with its passage among those that are searched and once without. */
  const thresholdOf = (params: Tree<NdArray>, { retriever, passages: k }: Finding, context: EvaluateContext = {}) =>
    remembered(thresholds, `${retriever}\n${k}`, async () => {
      const { validation } = await ownData();
      const from = await ownLibrary(retriever);
      const hash = createHash("sha256").update(`${retriever}\n${k}\n`);
      for (const { leaf } of flatten(params, isNdArray)) {
        const { buffer, byteOffset, byteLength } = leaf.data as Float32Array;
        hash.update(new Uint8Array(buffer, byteOffset, byteLength));
      }
      for (const { text } of from.passages.list) hash.update(text);
      const fingerprint = hash.digest("hex");
      const file = folder === undefined ? undefined : join(folder, "threshold.json");
      if (file !== undefined && existsSync(file)) {
        const kept = JSON.parse(await readFile(file, "utf8")) as { fingerprint?: string; threshold?: number };
        if (kept.fingerprint === fingerprint && typeof kept.threshold === "number") return kept.threshold;
      }
      context.onEvent?.({ kind: "note", message: `choosing a threshold by ${validation.length} validation questions` });
      const examples = encode(validation);
      const there = await read(params, from, examples, await findFor(from, examples, k));
      checkStop(context);
      const gone = await read(params, from, examples, await findFor(from, examples, k, { own: false }));
      const threshold = bestThreshold([
        ...examples.map(({ raw }, i) => tried(there[i], raw.answers)),
        ...examples.map((_, i) => tried(gone[i], [])),
      ]);
      if (file !== undefined) await writeFileAtomically(file, `${JSON.stringify({ fingerprint, threshold })}\n`);
      return threshold;
    });

  /** Answers to questions that are read with their own passage, whatever the score. */
  const withOwn = async (params: Tree<NdArray>, examples: readonly QuestionExample[]) => {
    const from = await library(distinct(examples.map(({ raw }) => raw)), "bm25");
    const found = examples.map(({ raw }) => [from.numberOf(raw.passage) as number]);
    return { from, readings: await read(params, from, examples, found) };
  };
  const meansOf = (readings: readonly (Reading | undefined)[], examples: readonly QuestionExample[]) =>
    answerScores(
      readings.map((reading) => reading?.answer ?? ""),
      examples.map(({ raw }) => raw.answers),
    );

  return {
    async validate(params, examples) {
      const some = examples.filter(({ raw }) => raw.answers.length > 0);
      const chosen = some.length > 0 ? some : examples;
      const { exact, f1 } = meansOf((await withOwn(params, chosen)).readings, chosen);
      return { measures: { readerExact: exact, readerF1: f1 }, score: -f1 };
    },

    async evaluate(params, examples, context) {
      checkStop(context);
      const finding = context.options as unknown as Finding;
      const from =
        context.options.data === undefined
          ? await ownLibrary(finding.retriever)
          : await library(distinct(context.raws), finding.retriever);
      const threshold = finding.threshold ?? (await thresholdOf(params, finding, context));
      checkStop(context);
      const k = finding.passages;
      const found = await findFor(from, examples, k);
      context.onEvent?.({ kind: "note", message: `reading ${k} passages for each of ${examples.length} questions` });
      const there = accepted(await read(params, from, examples, found), threshold);
      checkStop(context);
      const gone = accepted(await read(params, from, examples, await findFor(from, examples, k, { own: false })), threshold);
      checkStop(context);
      const answerable = examples.filter(({ raw }) => raw.answers.length > 0);
      const all = meansOf(there, examples);
      const share = (readings: readonly (Reading | undefined)[]) =>
        readings.filter((reading) => reading === undefined).length / readings.length;
      const measures: Measure[] = [measure("exact", all.exact), measure("f1", all.f1)];
      if (answerable.length > 0) {
        const alone = meansOf((await withOwn(params, answerable)).readings, answerable);
        measures.push(measure("readerExact", alone.exact), measure("readerF1", alone.f1));
      }
      const ranked = examples.map(({ raw }, i) => ({
        ranked: found[i] as number[],
        relevant: new Set([from.numberOf(raw.passage) as number]),
      }));
      measures.push(
        measure("recall1", rankingScores(ranked, { k: 1 }).recall),
        measure("recall", rankingScores(ranked, { k }).recall),
      );
      measures.push(measure("refusedWithout", share(gone)), measure("refused", share(there), "lower"));
      if (context.options.baseline !== false) measures.push(...(await baselineMeasures(from.passages.list, examples, context)));
      return [
        ...measures,
        { key: "threshold", name: "score from which an answer is given", value: threshold },
        { key: "questions", name: "questions", value: examples.length },
        { key: "passages", name: "passages searched", value: from.passages.list.length },
      ];
    },

    async predict(params, examples, given) {
      const finding = given as unknown as Finding;
      const corpus = given.corpus as string | readonly string[] | undefined;
      const from =
        corpus === undefined
          ? await ownLibrary(finding.retriever)
          : await remembered(libraries, `${[corpus].flat().join("\n")}\n\n${finding.retriever}`, async () =>
              library(await readCorpus(corpus, given.corpusColumn as string), finding.retriever),
            );
      const threshold = finding.threshold ?? (await thresholdOf(params, finding));
      const readings = await read(params, from, examples, await findFor(from, examples, finding.passages));
      return examples.map(({ raw: { question } }, i) => {
        const reading = readings[i];
        if (!reading) return { question, answer: null, score: null };
        const { answer, score, passage, start, end } = reading;
        const { text, place } = from.passages.list[passage] as Passage;
        const there = { passage: text, place, start, end };
        return score >= threshold
          ? { question, answer, score: rounded(score), ...there }
          : { question, answer: null, score: rounded(score), nearest: { answer, ...there } };
      });
    },

    async show(params, examples, asked) {
      const some = pick(examples, asked);
      const { readings } = await withOwn(params, some);
      return some
        .map(({ raw }, i) => {
          const reading = readings[i];
          const said = reading && reading.score >= 0 ? reading.answer : "(no answer)";
          const right = answerF1(said, raw.answers) === 1;
          const truth = raw.answers[0] ?? "(no answer)";
          return `${right ? "right" : "wrong"}: ${raw.question}\n  ${said}${right ? "" : `  (true: ${truth})`}`;
        })
        .join("\n");
    },

    async inspect(params, examples, asked) {
      const pictures = [];
      for (const [i, { raw, question }] of pick(examples, asked).entries()) {
        const passage = { text: raw.passage as string, place: raw.placed.place };
        const tokens = placedTokens(tokenizer, passage.text, passage.place);
        const [window] = windowsOf(passage, tokens, question, drawnTokens);
        const input = readerInput(tokenizer, question, window as NonNullable<typeof window>);
        const [logs] = (await scorer(params, [input])) as [Float32Array];
        const places = Array.from({ length: input.tokens.length - input.between }, (_, p) => input.between + p);
        const file = join(asked.out, `span-${i + 1}.png`);
        const picture = await drawMatrix({
          title: raw.question,
          rows: ["begins", "ends"],
          columns: places.map((p) => (p === input.between ? "(no answer)" : tokenizer.decode([input.tokens[p] as number]))),
          values: [0, 1].map((side) => places.map((p) => Math.exp(logs[2 * p + side] as number))),
        });
        await writeFile(file, picture);
        pictures.push({
          file,
          caption: `where the answer to "${raw.question}" begins and ends (true: ${raw.answers[0] ?? "none"})`,
        });
      }
      return { pictures };
    },

    async dispose() {},
  };

  async function baselineMeasures(
    passages: readonly Passage[],
    examples: readonly QuestionExample[],
    context: EvaluationContext<RawQuestion>,
  ): Promise<Measure[]> {
    const questions = examples.map(({ raw }) => raw.question);
    const answers = examples.map(({ raw }) => raw.answers);
    const sentence = answerScores(sentenceAnswers(questions, passages), answers);
    const measures = [measure("sentenceExact", sentence.exact), measure("sentenceF1", sentence.f1)];
    const training = await context.training();
    if (!training) {
      context.onEvent?.({
        kind: "note",
        message: "no answers of training questions: the run's training data is no longer as it was",
      });
      return measures;
    }
    const neighbour = answerScores(neighbourAnswers(questions, training), answers);
    return [...measures, measure("neighbourExact", neighbour.exact), measure("neighbourF1", neighbour.f1)];
  }
}

/** Tokens of a passage that are drawn. */
const drawnTokens = 48;

/** The passages of some questions, each once. */
function distinct(raws: readonly RawQuestion[]): Passage[] {
  const passages = new Map<string, Passage>();
  for (const { passage, placed } of raws) {
    if (passage !== undefined && !passages.has(passage)) passages.set(passage, { text: passage, place: placed.place });
  }
  return [...passages.values()];
}

function byWords(list: readonly Passage[]): FindPassages {
  const index = buildBm25(list.map(({ text }) => text));
  return async (questions, k) => questions.map((question) => searchBm25(index, question, k).map(({ document }) => document));
}

/** What an answer is worth if it is given, and what it is worth to give none. */
interface Tried {
  readonly score: number;
  readonly given: number;
  readonly none: number;
}

function tried(reading: Reading | undefined, answers: readonly string[]): Tried {
  return {
    score: reading?.score ?? Number.NEGATIVE_INFINITY,
    given: answerF1(reading?.answer ?? "", answers),
    none: answers.length === 0 ? 1 : 0,
  };
}

/** The score from which answers should be given, for the highest mean F1; halfway between the scores on either side. */
export function bestThreshold(all: readonly Tried[]): number {
  const sorted = all.filter(({ score }) => Number.isFinite(score)).sort((a, b) => a.score - b.score);
  let gain = 0; // over giving every answer
  let best = { gain: 0, threshold: Math.min(0, (sorted[0]?.score ?? 0) - 1) };
  sorted.forEach(({ score, given, none }, i) => {
    gain += none - given;
    if (gain <= best.gain) return;
    const next = sorted[i + 1]?.score ?? score + 2;
    best = { gain, threshold: (score + next) / 2 };
  });
  return best.threshold;
}

const accepted = (readings: readonly (Reading | undefined)[], threshold: number) =>
  readings.map((reading) => (reading && reading.score >= threshold ? reading : undefined));

const rounded = (value: number): number => Number(value.toPrecision(4));

/** A few examples, the same for the same seed. */
function pick<Example>(examples: readonly Example[], { numSamples = 4, seed = 0 }: Options): Example[] {
  const places = new Int32Array(numSamples as number);
  randint(fold(key(seed as number), "show"), 0, examples.length, places);
  return Array.from(places, (at) => examples[at] as Example);
}

const measure = (name: keyof typeof answerMeasureNames, value: number, better: "higher" | "lower" = "higher"): Measure => ({
  key: name,
  name: answerMeasureNames[name] as string,
  value,
  better,
});

export const answerMeasureNames: Readonly<Record<string, string>> = {
  exact: "exact match",
  f1: "F1",
  readerExact: "exact match with the right passage",
  readerF1: "F1 with the right passage",
  recall1: "recall@1 of passages",
  recall: "recall of passages among those read",
  refusedWithout: "share refused where no passage has the answer",
  refused: "share refused where one has",
  sentenceExact: "exact match of the most similar sentence",
  sentenceF1: "F1 of the most similar sentence",
  neighbourExact: "exact match of the nearest training question's answer",
  neighbourF1: "F1 of the nearest training question's answer",
};
