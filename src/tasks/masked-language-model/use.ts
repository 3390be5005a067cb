/** A trained masked language model at work: measures, guesses, pictures. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Tokenizer } from "../../data/index.ts";
import { forward, type MaskedConfig, type MaskedParams } from "../../models/masked-language-model.ts";
import { softmax } from "../../ops/index.ts";
import { type Device, jit } from "../../runtime/index.ts";
import { HeptagenError } from "../../util/errors.ts";
import { type NdArray, ndarray } from "../../util/ndarray.ts";
import { fold, key } from "../../util/random.ts";
import type { Tree } from "../../util/tree.ts";
import { drawMatrix } from "../drawing/matrix.node.ts";
import { checkStop, type Measure } from "../recipe.ts";
import { inBatches, padRows } from "../sequence/in-batches.ts";
import { pick } from "../sequence/pick.ts";
import type { Assets, TaskUse } from "../sequence/sequence-task.ts";
import { specialTokens } from "../sequence/special-tokens.ts";
import { cased } from "../sequence/text.ts";
import { hideTokens, type MaskedExample, type RawParagraph, type TextFacts, tokenParts } from "./data.ts";
import type { TrainingOptions } from "./options.ts";

/** Texts at once: scores of all tokens of a large vocabulary take room. */
const batch = 16;
/** Paragraphs of a quick look. */
const quick = 400;
/** Tokens of a text that are shown. */
const shownTokens = 48;
/** Guesses that are drawn for a place, and places. */
const [drawnGuesses, drawnPlaces] = [5, 12];

/** Probabilities of all tokens at places of a text. */
interface Question {
  readonly shown: Int32Array;
  readonly places: Int32Array;
}

export function useMasked<Config>(
  model: MaskedConfig<Config>,
  assets: Assets<TextFacts>,
  options: Pick<TrainingOptions, "longest" | "maskRate" | "lowercase">,
  device: Device,
): TaskUse<RawParagraph, MaskedExample> {
  const tokenizer = assets.tokenizer as Tokenizer;
  const special = specialTokens(tokenizer);
  const { vocabulary } = special;
  const run = jit<[Tree<NdArray>, NdArray, NdArray, NdArray], ReturnType<typeof softmax>>(
    (params, tokens, lengths, places) => softmax(forward(model, params as unknown as MaskedParams, { tokens, lengths, places })),
    { device },
  );

  /** What `each` makes of the probabilities of each question, [N, V] row by row. */
  const ask = <Own extends Question, Result>(
    params: Tree<NdArray>,
    questions: readonly Own[],
    each: (question: Own, probabilities: Float32Array) => Result,
    look?: (done: number) => void,
  ): Promise<Result[]> =>
    inBatches(
      questions,
      ({ shown, places }) => [shown.length, places.length],
      async (some, { rows, lengths: [length = 0, count = 0] }) => {
        const { tokens, lengths } = padRows(
          some.map(({ shown }) => shown),
          { rows, length },
        );
        const places = new Int32Array(rows * count);
        for (const [b, question] of some.entries()) places.set(question.places, b * count);
        const { data } = await run(params, tokens, lengths, ndarray("int32", [rows, count], places));
        return some.map((question, b) => {
          const from = b * count * vocabulary;
          return each(question, (data as Float32Array).subarray(from, from + question.places.length * vocabulary));
        });
      },
      { batch, ...(look && { look }) },
    );

  const row = (p: Float32Array, n: number): Float32Array => p.subarray(n * vocabulary, (n + 1) * vocabulary);

  /** A text in which a marker stands for each token to be guessed. @throws HeptagenError `data/mask` */
  const marked = ({ text, place }: MaskedExample, marker: string) => {
    const parts = text.split(marker);
    if (parts.length === 1) {
      throw new HeptagenError("data/mask", `${place}: expected ${marker} where a token is to be guessed, got none`, {
        facts: { marker },
        next: `Write "The captain of the ${marker} was old.", or name another marker with --marker.`,
      });
    }
    // A token begins with the space before its word.
    const pieces = parts.map((part, i) => (i < parts.length - 1 ? part.replace(/ $/, "") : part));
    const [shown, places]: [number[], number[]] = [[], []];
    for (const [i, piece] of pieces.entries()) {
      if (piece !== "") shown.push(...tokenizer.encode(cased(piece, options)));
      if (i < pieces.length - 1) places.push(shown.push(special.mask) - 1);
    }
    return { shown: Int32Array.from(shown), places: Int32Array.from(places), pieces, text };
  };

  const hide = (ids: readonly Int32Array[], seed: number) =>
    ids.map((own, i) => ({ ...hideTokens(own, options.maskRate, special, fold(fold(key(seed), "hidden"), i)), ids: own }));
  const partsOf = (examples: readonly MaskedExample[]) => examples.flatMap(({ ids }) => tokenParts(ids, options.longest));

  const measure = async (params: Tree<NdArray>, ids: readonly Int32Array[], seed: number, look?: (done: number) => void) => {
    const found = await ask(
      params,
      hide(ids, seed),
      ({ ids: own, places }, p) => {
        let [loss, right] = [0, 0];
        places.forEach((place, n) => {
          const likely = row(p, n);
          const given = likely[own[place] as number] as number;
          loss -= Math.log(Math.max(given, 1e-30));
          if (likely.every((value) => value <= given)) right++;
        });
        return { loss, right, count: places.length };
      },
      look,
    );
    const total = (of: "loss" | "right" | "count") => found.reduce((sum, one) => sum + one[of], 0);
    const loss = total("loss") / total("count");
    return { loss, perplexity: Math.exp(loss), accuracy: total("right") / total("count"), hidden: total("count") };
  };

  const best = (row: Float32Array, top: number): { token: string; probability: number }[] =>
    Array.from(row.keys())
      .sort((a, b) => (row[b] as number) - (row[a] as number))
      .filter((id) => id < special.begin)
      .slice(0, top)
      .map((id) => ({ token: tokenizer.decode([id]), probability: rounded(row[id] as number) }));

  /** Tokens as text, with _ for hidden ones. */
  const withMarks = (shown: Int32Array): string =>
    Array.from(shown, (id) => (id === special.mask ? " _" : tokenizer.decode([id])))
      .join("")
      .replace(/\s+/g, " ");

  return {
    async validate(params, examples) {
      const { loss, perplexity, accuracy } = await measure(params, partsOf(pick(examples, { numSamples: quick, seed: 0 })), 0);
      return { measures: { loss, perplexity, accuracy }, score: loss };
    },

    async evaluate(params, examples, context) {
      const look = (done: number) => {
        checkStop(context);
        context.onEvent?.({ kind: "progress", what: "guessing", done });
      };
      look(0);
      const own = await measure(params, partsOf(examples), context.options.seed as number, look);
      const measures: Measure[] = [
        { key: "loss", name: "loss of hidden tokens (nats)", value: own.loss, better: "lower" },
        { key: "perplexity", name: "perplexity of hidden tokens", value: own.perplexity, better: "lower" },
        { key: "accuracy", name: "hidden tokens guessed right", value: own.accuracy, better: "higher" },
      ];
      const training = await context.training();
      if (training) {
        const counts = new Float64Array(vocabulary).fill(1);
        const add = ({ text }: RawParagraph) => {
          for (const id of tokenizer.encode(cased(text, options))) counts[id] = (counts[id] as number) + 1;
        };
        training.forEach(add);
        const all = counts.reduce((a, b) => a + b, 0);
        let [loss, right, count] = [0, 0, 0];
        const usual = counts.indexOf(Math.max(...counts));
        for (const { ids, places } of hide(partsOf(examples), context.options.seed as number)) {
          for (const place of places) {
            const id = ids[place] as number;
            loss -= Math.log((counts[id] as number) / all);
            if (id === usual) right++;
            count++;
          }
        }
        measures.push(
          {
            key: "baselinePerplexity",
            name: "perplexity of how often tokens occur",
            value: Math.exp(loss / count),
            better: "lower",
          },
          { key: "baselineAccuracy", name: "accuracy of the most frequent token", value: right / count, better: "higher" },
        );
      } else {
        context.onEvent?.({ kind: "note", message: "no baseline: the run's training data is no longer as it was" });
      }
      return [...measures, { key: "hidden", name: "hidden tokens", value: own.hidden }];
    },

    predict(params, examples, { marker, top }) {
      const questions = examples.map((example) => marked(example, marker as string));
      return ask(params, questions, ({ places, pieces, text }, p) => {
        const masks = Array.from(places, (_, n) => best(row(p, n), top as number));
        const filled = pieces.map((piece, i) => `${piece}${masks[i]?.[0]?.token ?? ""}`).join("");
        return { text, filled, masks };
      });
    },

    async show(params, examples, given) {
      const some = partsOf(pick(examples, given)).map((ids) => ids.slice(0, shownTokens));
      const found = await ask(params, hide(some, (given.seed as number | undefined) ?? 0), ({ ids, shown, places }, p) => {
        const guesses = Array.from(places, (place, n) => {
          const [guess] = best(row(p, n), 1);
          const [was, said] = [tokenizer.decode([ids[place] as number]), guess?.token ?? ""];
          return `${JSON.stringify(was)} ${was === said ? "right" : `guessed ${JSON.stringify(said)}`}, ${Math.round(100 * (guess?.probability ?? 0))} %`;
        });
        return `${withMarks(shown)}\n  ${guesses.join(", ")}`;
      });
      return found.join("\n");
    },

    async inspect(params, examples, given) {
      const some = pick(examples, given).map(({ ids }) => ids.slice(0, options.longest));
      const drawn = await ask(params, hide(some, given.seed as number), ({ ids, places }, p) =>
        Array.from(places.slice(0, drawnPlaces), (place, n) => ({
          token: tokenizer.decode([ids[place] as number]),
          guesses: best(row(p, n), drawnGuesses),
        })),
      );
      const pictures: { file: string; caption: string }[] = [];
      for (const [i, own] of drawn.entries()) {
        const file = join(given.out, `guesses-${i + 1}.png`);
        const picture = await drawMatrix({
          title: "what was hidden, and the most likely tokens",
          rows: own.map(({ token }) => token),
          columns: Array.from({ length: drawnGuesses }, (_, n) => `${n + 1}.`),
          values: own.map(({ guesses }) => guesses.map(({ probability }) => probability)),
          cells: own.map(({ guesses }) => guesses.map(({ token }) => token)),
          axes: ["hidden token", "guess"],
        });
        await writeFile(file, picture);
        pictures.push({ file, caption: "the most likely tokens at hidden places" });
      }
      return { pictures };
    },

    async dispose() {},
  };
}

const rounded = (value: number): number => Number(value.toPrecision(4));

export const maskedMeasureNames: Readonly<Record<string, string>> = {
  loss: "loss of hidden tokens (nats)",
  perplexity: "perplexity of hidden tokens",
  accuracy: "hidden tokens guessed right",
};
