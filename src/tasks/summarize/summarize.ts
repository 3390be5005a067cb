/** Summaries: a line that says what a text says. What it shares with other texts is in `text-to-text`. */
import { leadWords } from "../../baselines/index.ts";
import { rougeMean } from "../../metrics/index.ts";
import { type TrainingOptions, trainingOptions } from "../text-to-text/options.ts";
import { textToTextTask } from "../text-to-text/text-to-text.ts";

/** Words of the baseline: as many as the summaries of packages have. */
const leading = 8;

export const summarizeTask = textToTextTask<TrainingOptions>({
  name: "summarize",
  options: trainingOptions,
  answer: "summary",
  cuts: true,
  places: (_, { longestTarget }) => longestTarget + 1,
  measure(texts, references) {
    const { rouge1, rouge2, rougeL } = rougeMean(references, texts, { stem: true });
    return {
      measures: [
        { key: "rouge1", name: "ROUGE-1 F", value: 100 * rouge1.f1, better: "higher" },
        { key: "rouge2", name: "ROUGE-2 F", value: 100 * rouge2.f1, better: "higher" },
        { key: "rougeL", name: "ROUGE-L F", value: 100 * rougeL.f1, better: "higher" },
      ],
      notes: ["ROUGE as rouge_score computes it, words stemmed; F of each example, then their mean, in per cent"],
    };
  },
  baselines: (_, sources) => [
    { key: "lead", name: `the first ${leading} words`, texts: sources.map((source) => leadWords(source, leading)) },
  ],
});
