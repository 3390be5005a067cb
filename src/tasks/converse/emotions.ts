/** Where the emotions of replies come from: a column, a run that classifies texts, or a lexicon. The last two are weak labels. */
import { openRun } from "../../train/index.ts";
import { HeptagenError } from "../../util/errors.ts";
import { gruSequence, lstmSequence, rnnSequence, type SequenceBackbone, transformerSequence } from "../backbones/sequence.ts";
import { classifyTask } from "../classify/classify.ts";
import type { ClassFacts } from "../classify/data.ts";
import { sequenceRecipe } from "../sequence/sequence-recipe.ts";
import { lexiconEmotion, lexiconEmotions } from "./lexicon.ts";

/** Labels texts nobody has labelled. */
export interface Labeller {
  /** For people: "a lexicon of single words". */
  readonly name: string;
  readonly emotions: readonly string[];
  label(texts: readonly string[]): Promise<readonly string[]>;
}

export type EmotionChoice = { readonly emotionColumn?: string | undefined; readonly emotionRun?: string | undefined };

/**
 * What labels replies; undefined where a column does.
 *
 * @throws HeptagenError `run/…`, `options/value` for a run that classifies no texts
 */
export async function emotionLabeller({ emotionColumn, emotionRun }: EmotionChoice): Promise<Labeller | undefined> {
  if (emotionColumn !== undefined) return undefined;
  if (emotionRun !== undefined) return runLabeller(emotionRun);
  return {
    name: "a lexicon of single words",
    emotions: lexiconEmotions,
    label: async (texts) => texts.map(lexiconEmotion),
  };
}

const backbones: readonly SequenceBackbone<never>[] = [transformerSequence, lstmSequence, gruSequence, rnnSequence] as never[];

async function runLabeller(folder: string): Promise<Labeller> {
  const { recipe, data } = (await openRun(folder)).config;
  const [family, task] = recipe.split("/");
  const backbone = backbones.find(({ name }) => name === family);
  if (!backbone || (task !== "classify" && task !== "sentiment") || (data.facts as ClassFacts).several) {
    throw new HeptagenError(
      "options/value",
      `emotionRun: expected a run that tells one class of a text, got ${folder} (${recipe})`,
      {
        next: "Train one with a recipe …/classify or …/sentiment, or name the column of emotions with --emotion-column.",
      },
    );
  }
  const classifier = await sequenceRecipe(classifyTask(task), backbone, { summary: "", presets: {} }).open(folder);
  return {
    name: `the classifier ${folder}`,
    emotions: (data.facts as ClassFacts).labels,
    async label(texts) {
      const inputs = texts.map((value, i) => ({ value, place: `reply ${i + 1}` }));
      const labels: string[] = [];
      for await (const { label } of classifier.predict?.(inputs, {}) ?? []) labels.push(String(label));
      return labels;
    },
  };
}
