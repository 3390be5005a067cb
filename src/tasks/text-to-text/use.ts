/** A trained model that makes a text of a text, at work: losses, texts by beam search, measures with their baselines, alignments. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Tensor } from "../../core/index.ts";
import type { Tokenizer } from "../../data/index.ts";
import {
  type SequenceToSequenceConfig,
  type SequenceToSequenceParams,
  tokenLosses,
  write,
} from "../../models/sequence-to-sequence.ts";
import type { WrittenSequences } from "../../nn/index.ts";
import { type Device, jit } from "../../runtime/index.ts";
import type { NdArray } from "../../util/ndarray.ts";
import { fold, key, randint } from "../../util/random.ts";
import type { Tree } from "../../util/tree.ts";
import { drawMatrix } from "../drawing/matrix.node.ts";
import { checkStop, type EvaluateContext, type Measure, type Options } from "../recipe.ts";
import { inBatches, padRows } from "../sequence/in-batches.ts";
import type { Assets, TaskUse } from "../sequence/sequence-task.ts";
import { specialTokens } from "../sequence/special-tokens.ts";
import { collatePairs, type PairExample, placesOf, type RawPair, textOf } from "./data.ts";
import type { TrainingOptions, Writing } from "./options.ts";
import type { TextToText } from "./text-to-text.ts";

/** Sources that are written about at once: few, so that the caches of all their beams stay small. */
const together = 16;
/** Tokens of a drawn text. */
const drawn = 48;

/** A text that was written. */
interface Answer {
  readonly text: string;
  /** Log-probability, penalised for length. */
  readonly score: number;
  readonly ids: Int32Array;
  /** Where each token looked, a row a token. */
  readonly alignment?: readonly Float32Array[];
}

export function useTextToText<Given extends TrainingOptions, Config>(
  kind: TextToText<Given>,
  model: SequenceToSequenceConfig<Config>,
  { tokenizer: given }: Assets,
  { options: own, device }: { readonly options: Given; readonly device: Device },
): TaskUse<RawPair, PairExample> {
  const tokenizer = given as Tokenizer;
  const special = specialTokens(tokenizer);
  const losses = jit<[Tree<NdArray>, Readonly<Record<"source" | "lengths" | "written" | "targets", NdArray>>], Tensor>(
    (params, { targets, ...teaching }) =>
      tokenLosses(model, params as unknown as SequenceToSequenceParams, teaching, targets).losses,
    { device },
  );
  const writer = ({ beams, lengthPenalty, alignment }: Writing & { readonly alignment: boolean }) =>
    jit<[Tree<NdArray>, NdArray, NdArray], WrittenSequences>(
      (params, source, lengths) =>
        write(model, params as unknown as SequenceToSequenceParams, source, lengths, {
          beams,
          lengthPenalty,
          alignment,
          places: kind.places(source.shape[1] as number, own),
        }),
      { device },
    );
  const writers = new Map<string, ReturnType<typeof writer>>();

  /** Losses of each example's tokens, in nats. */
  const lossesOf = (params: Tree<NdArray>, examples: readonly PairExample[]): Promise<Float32Array[]> =>
    inBatches(examples, placesOf, async (some, { rows, lengths }) => {
      const { data } = (await losses(params, { ...collatePairs(some, special, { rows, lengths }) })) as NdArray;
      const places = lengths[1] as number;
      return some.map(({ targetIds }, b) => (data as Float32Array).slice(b * places, b * places + targetIds.length + 1));
    });

  /** The likeliest texts of each example, the best first. */
  const answers = (
    params: Tree<NdArray>,
    examples: readonly PairExample[],
    options: Writing & { readonly alignment?: boolean; readonly look?: (done: number) => void },
  ): Promise<Answer[][]> => {
    const { beams, lengthPenalty, alignment = false, look } = options;
    const name = `${beams} ${lengthPenalty} ${alignment}`;
    const run = writers.get(name) ?? writer({ beams, lengthPenalty, alignment });
    writers.set(name, run);
    return inBatches(
      examples,
      ({ ids }) => [ids.length],
      async (some, { rows, lengths: [length = 1] }) => {
        const batch = padRows(
          some.map(({ ids }) => ids),
          { rows, length },
        );
        const { tokens, lengths, scores, attention } = (await run(
          params,
          batch.tokens,
          batch.lengths,
        )) as unknown as WrittenSequences<NdArray>;
        const places = tokens.shape[2] as number;
        return some.map((example, b) =>
          Array.from({ length: beams }, (_, k): Answer => {
            const row = b * beams + k;
            const ids = (tokens.data as Int32Array).slice(row * places, row * places + Number(lengths.data[row]));
            return {
              text: textOf(tokenizer, ids),
              score: Number(scores.data[row]),
              ids,
              ...(attention && {
                alignment: Array.from(ids, (_, n) => {
                  const at = (row * places + n) * length;
                  return (attention.data as Float32Array).slice(at, at + example.ids.length);
                }),
              }),
            };
          }).filter(({ score }, k) => k === 0 || score > -1e8),
        );
      },
      { batch: together, ...(look && { look }) },
    );
  };

  const summed = (all: readonly Float32Array[]) => {
    const total = all.reduce((sum, one) => sum + one.reduce((a, b) => a + b, 0), 0);
    const lossPerToken = total / all.reduce((sum, one) => sum + one.length, 0);
    return { lossPerToken, perplexity: Math.exp(lossPerToken) };
  };

  const token = (id: number): string => tokenizer.decode([id]);

  return {
    async validate(params, examples) {
      const measures = summed(await lossesOf(params, examples));
      return { measures, score: measures.lossPerToken };
    },

    async evaluate(params, all, context) {
      const asked = context.options as unknown as Writing & { readonly limit?: number; readonly baseline: boolean };
      checkStop(context);
      const examples = all.slice(0, asked.limit);
      const note = (message: string) => context.onEvent?.({ kind: "note", message });
      const loss = summed(await lossesOf(params, examples));
      const found = await answers(params, examples, { ...asked, look: progress(context) });
      const references = examples.map(({ target }) => target);
      const { measures, notes } = kind.measure(
        found.map(([best]) => best?.text ?? ""),
        references,
        own,
      );
      for (const text of notes) note(text);
      const result: Measure[] = [...measures];
      if (asked.baseline) {
        const training = await context.training();
        if (!training) note("no baseline that learns: the run's training data is no longer as it was");
        for (const { key: prefix, name, texts } of kind.baselines(
          training,
          examples.map(({ source }) => source),
        )) {
          for (const measure of kind.measure(texts, references, own).measures) {
            const capital = `${measure.key[0]?.toUpperCase()}${measure.key.slice(1)}`;
            result.push({ ...measure, key: `${prefix}${capital}`, name: `${measure.name} of ${name}` });
          }
        }
      }
      return [
        ...result,
        ...Object.entries(loss).map(([key, value]) => ({
          key,
          name: measureNames[key] as string,
          value,
          better: "lower" as const,
        })),
        { key: "examples", name: "examples", value: examples.length },
      ];
    },

    async predict(params, examples, given) {
      const options = given as unknown as Writing & { readonly alternatives: number; readonly alignment: boolean };
      const found = await answers(params, examples, options);
      return examples.map((example, i) => {
        const [best, ...others] = found[i] as [Answer, ...Answer[]];
        const rest = others.slice(0, options.alternatives - 1);
        return {
          source: example.source,
          ...(example.cut > 0 && { unread: `${example.cut} tokens at the end` }),
          [kind.answer]: best.text,
          score: rounded(best.score),
          ...(rest.length > 0 && {
            alternatives: rest.map(({ text, score }) => ({ [kind.answer]: text, score: rounded(score) })),
          }),
          ...(options.alignment && best.alignment && { alignment: aligned(example, best) }),
        };
      });
    },

    async show(params, examples, options) {
      const some = pick(examples, options);
      const { beams = 4, lengthPenalty = 1 } = options as Partial<Writing>;
      const found = await answers(params, some, { beams, lengthPenalty });
      const lines = some.map(({ source, target }, i) =>
        [
          `source     ${oneLine(source)}`,
          `reference  ${oneLine(target)}`,
          `written    ${oneLine(found[i]?.[0]?.text ?? "")}`,
        ].join("\n"),
      );
      return lines.join("\n\n");
    },

    async inspect(params, examples, options) {
      const some = pick(examples, options);
      const found = await answers(params, some, { ...(options as unknown as Writing), alignment: true });
      const surprise = await lossesOf(params, some);
      const pictures = [];
      const told = [];
      for (const [i, example] of some.entries()) {
        const best = found[i]?.[0] as Answer;
        const likely = [...(surprise[i] as Float32Array)].map((loss) => Math.exp(-loss));
        const targets = [...example.targetIds].map(token);
        told.push({
          source: example.source,
          target: example.target,
          [kind.answer]: best.text,
          probabilities: likely.map((p, n) => ({ token: targets[n] ?? "(end)", probability: rounded(p) })),
          ...(best.alignment && { alignment: aligned(example, best) }),
        });
        const shown = likely.slice(0, drawn);
        const file = join(options.out, `probabilities-${i + 1}.png`);
        const picture = await drawMatrix({
          title: "how probable each token of the true text is",
          rows: ["probability"],
          columns: [...targets, "(end)"].slice(0, drawn),
          values: [shown],
          cells: [shown.map((p) => p.toFixed(2))],
        });
        await writeFile(file, picture);
        pictures.push({ file, caption: "how probable each token of the true text is, given those before" });
        if (!best.alignment || best.ids.length === 0) continue;
        const map = join(options.out, `alignment-${i + 1}.png`);
        const matrix = await drawMatrix({
          title: `where each token of the ${kind.answer} looked`,
          rows: [...best.ids].slice(0, drawn).map(token),
          columns: [...example.ids].slice(0, drawn).map(token),
          values: best.alignment.slice(0, drawn),
          axes: [kind.answer, "source"],
        });
        await writeFile(map, matrix);
        pictures.push({ file: map, caption: "alignment: attention of each written token over the source" });
      }
      const json = join(options.out, "alignments.json");
      await writeFile(json, `${JSON.stringify(told, null, 1)}\n`);
      return { pictures: pictures.map(({ file, caption }) => ({ file, caption: `${caption} (all in ${json})` })) };
    },

    async dispose() {},
  };

  /** Tokens of both sides, and for each written one how much it looked at each that was read. */
  function aligned({ ids }: PairExample, { ids: written, alignment = [] }: Answer) {
    return {
      source: [...ids].map(token),
      written: [...written].map(token),
      weights: alignment.map((row) => [...row].map((weight) => Number(weight.toFixed(4)))),
    };
  }
}

const progress = (context: EvaluateContext) => (done: number) => {
  checkStop(context);
  context.onEvent?.({ kind: "progress", what: "writing", done });
};

const rounded = (value: number): number => Number(value.toPrecision(4));

const oneLine = (value: string): string => {
  const line = value.replace(/\s+/g, " ").trim();
  return line.length > 240 ? `${line.slice(0, 239)}…` : line;
};

/** A few examples, the same for the same seed. */
function pick<Example>(examples: readonly Example[], { numSamples = 3, seed = 0 }: Options): Example[] {
  const places = new Int32Array(numSamples as number);
  randint(fold(key(seed as number), "show"), 0, examples.length, places);
  return Array.from(places, (at) => examples[at] as Example);
}

export const measureNames: Readonly<Record<string, string>> = {
  lossPerToken: "loss per token (nats)",
  perplexity: "perplexity per token",
};
