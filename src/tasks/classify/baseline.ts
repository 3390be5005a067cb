/** What a classifier of texts is measured against: TF-IDF of words with logistic regression, fitted on the same training texts. */
import {
  fitLogisticRegression,
  fitOneVersusRest,
  fitTfIdf,
  predictLabels,
  predictProbabilities,
  tfIdfVectors,
} from "../../baselines/index.ts";
import type { ClassFacts, RawText, TextExample } from "./data.ts";

/** Probabilities of each class for each example. */
export function classifierBaseline(
  training: readonly RawText[],
  examples: readonly TextExample[],
  { labels, several }: ClassFacts,
): Float32Array[] {
  const vectorizer = fitTfIdf(training.map(({ text }) => text));
  const vectors = tfIdfVectors(
    vectorizer,
    training.map(({ text }) => text),
  );
  const asked = tfIdfVectors(
    vectorizer,
    examples.map(({ text }) => text),
  );
  const classes = training.map((raw) => (raw.labels ?? []).map((label) => labels.indexOf(label)));
  // Gradients are sums over the texts: scikit-learn stops at ten times this, and to go on takes many minutes with 30,000 texts.
  const tolerance = 1e-5 * training.length;
  const flat = several
    ? predictLabels(
        fitOneVersusRest(
          vectors,
          classes.flatMap((set) => labels.map((_, c) => (set.includes(c) ? 1 : 0))),
          labels.length,
          { tolerance },
        ),
        asked,
      )
    : predictProbabilities(
        fitLogisticRegression(
          vectors,
          classes.map(([c]) => c as number),
          labels.length,
          { tolerance },
        ),
        asked,
      );
  return examples.map((_, i) => Float32Array.from(flat.subarray(i * labels.length, (i + 1) * labels.length)));
}
