/** Translation: a sentence in one language, made of a sentence in another. What it shares with other texts is in `text-to-text`. */
import { z } from "zod";
import { buildBm25, searchBm25 } from "../../baselines/index.ts";
import { corpusBleu, corpusChrf } from "../../metrics/index.ts";
import type { RawPair } from "../text-to-text/data.ts";
import { trainingOptions } from "../text-to-text/options.ts";
import { type Baseline, textToTextTask } from "../text-to-text/text-to-text.ts";

const options = z.strictObject({
  ...trainingOptions.shape,
  bleu: z.enum(["13a", "zh", "char"]).describe("how sacreBLEU splits the target language into words: 13a, or zh for Chinese"),
});
export type TranslationOptions = z.output<typeof options>;

export const translateTask = textToTextTask<TranslationOptions>({
  name: "translate",
  options,
  answer: "translation",
  cuts: false,
  places: (source) => Math.ceil(1.5 * source) + 8,
  measure(texts, references, { bleu: tokenizer }) {
    const bleu = corpusBleu(texts, references, { tokenizer });
    const chrf = corpusChrf(texts, references);
    return {
      measures: [
        { key: "bleu", name: "BLEU", value: bleu.score, better: "higher" },
        { key: "chrf", name: chrf.name, value: chrf.score, better: "higher" },
      ],
      notes: [`BLEU ${bleu.signature}`, `${chrf.name} ${chrf.signature}`],
    };
  },
  baselines: (training, sources) => [
    { key: "copy", name: "copying the source", texts: sources },
    ...(training ? [translationMemory(training, sources)] : []),
  ],
});

/** The translation of the most similar source of the training examples, as translation memories offer it. */
function translationMemory(training: readonly RawPair[], sources: readonly string[]): Baseline {
  const index = buildBm25(training.map(({ source }) => source));
  const texts = sources.map((source) => {
    const [hit] = searchBm25(index, source, 1);
    return hit ? (training[hit.document]?.target as string) : source;
  });
  return { key: "memory", name: "the most similar training pair (BM25)", texts };
}
