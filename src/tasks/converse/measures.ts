/** What replies are measured against: a judge of emotions fitted on true replies, and replies that others got to similar contexts. */
import {
  buildBm25,
  fitLogisticRegression,
  fitTfIdf,
  predictProbabilities,
  searchBm25,
  tfIdfVectors,
} from "../../baselines/index.ts";
import { corpusChrf, distinctN } from "../../metrics/index.ts";
import type { Measure } from "../recipe.ts";
import type { RawReply } from "./data.ts";

/** Tells the emotions of texts, as numbers. */
export type Judge = (texts: readonly string[]) => number[];

/**
 * A classifier apart from the model: TF-IDF of words with logistic regression, fitted on the true replies of the training part, rare
 * emotions counting as much as frequent ones.
 */
export function fitJudge(training: readonly RawReply[], emotions: readonly string[]): Judge {
  const known = training.filter(({ emotion }) => emotion !== undefined && emotions.includes(emotion));
  const texts = known.map(({ reply }) => reply as string);
  const words = fitTfIdf(texts, { sublinear: true });
  const labels = known.map(({ emotion }) => emotions.indexOf(emotion as string));
  const model = fitLogisticRegression(tfIdfVectors(words, texts), labels, emotions.length, {
    balanced: true,
    inverseRegularization: 10,
  });
  return (asked) => {
    const flat = predictProbabilities(model, tfIdfVectors(words, asked));
    return asked.map((_, i) => {
      const p = flat.subarray(i * emotions.length, (i + 1) * emotions.length);
      return p.indexOf(Math.max(...p));
    });
  };
}

/** For each context, the reply that the most similar context of the training part got (BM25 over all its turns). */
export function retrievedReplies(training: readonly RawReply[], asked: readonly RawReply[]): string[] {
  const index = buildBm25(training.map(({ context }) => context.join(" ")));
  return asked.map(({ context }) => training[searchBm25(index, context.join(" "), 1)[0]?.document ?? 0]?.reply as string);
}

/** How varied replies are, how alike the true ones, and how many are copies of what was learnt. */
export function replyMeasures(
  of: { readonly key: string; readonly name: string },
  replies: readonly string[],
  { references, known }: { readonly references?: readonly string[]; readonly known?: ReadonlySet<string> | undefined },
): Measure[] {
  const key = (name: string) => (of.key === "" ? `${name[0]?.toLowerCase()}${name.slice(1)}` : `${of.key}${name}`);
  const copies = known && replies.filter((reply) => known.has(plain(reply))).length / replies.length;
  return [
    { key: key("Distinct1"), name: `distinct-1 of ${of.name}`, value: distinctN(replies, 1), better: "higher" },
    { key: key("Distinct2"), name: `distinct-2 of ${of.name}`, value: distinctN(replies, 2), better: "higher" },
    ...(references
      ? [
          {
            key: key("Chrf"),
            name: `chrF of ${of.name}`,
            value: corpusChrf(replies, references).score,
            better: "higher" as const,
          },
        ]
      : []),
    ...(copies === undefined
      ? []
      : [
          {
            key: key("Copied"),
            name: `part of ${of.name} that occurs in the training part`,
            value: copies,
            better: "lower" as const,
          },
        ]),
  ];
}

/** A reply without what does not matter when it is compared. */
export const plain = (reply: string): string =>
  reply
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, " ")
    .trim();
