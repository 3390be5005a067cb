/** A trained conversation model: evaluated, asked, shown and drawn. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Tokenizer } from "../../data/index.ts";
import { bitsPer, classificationScores, confusionMatrix, measureText, perplexity } from "../../metrics/index.ts";
import type { ConversationConfig } from "../../models/conversation.ts";
import type { Device } from "../../runtime/index.ts";
import { HeptagenError } from "../../util/errors.ts";
import type { NdArray } from "../../util/ndarray.ts";
import type { Tree } from "../../util/tree.ts";
import { drawMatrix } from "../drawing/matrix.node.ts";
import { checkStop, type Measure, type Options } from "../recipe.ts";
import { pick } from "../sequence/pick.ts";
import type { Assets, EvaluationContext, TaskUse } from "../sequence/sequence-task.ts";
import type { SpecialTokens } from "../sequence/special-tokens.ts";
import { type ConverseFacts, numberOf, type RawReply, type ReplyExample } from "./data.ts";
import { emotionLabeller } from "./emotions.ts";
import { fitJudge, plain, replyMeasures, retrievedReplies } from "./measures.ts";
import type { TrainingOptions, Writing } from "./options.ts";
import { type ScoredReply, useReplies, type WrittenReply } from "./replies.ts";

/** Tokens of a context and of a reply that are drawn. */
const drawnTokens = 40;
/** Contexts that replies in every emotion are written to for a picture. */
const drawnContexts = 24;

interface Settings {
  readonly assets: Assets<ConverseFacts>;
  readonly options: TrainingOptions;
  readonly tokens: SpecialTokens;
  readonly device: Device;
}

export function useConversation<Config>(
  model: ConversationConfig<Config>,
  { assets, options, tokens, device }: Settings,
): TaskUse<RawReply, ReplyExample> {
  const { emotions, counts, weak } = assets.facts;
  const tokenizer = assets.tokenizer as Tokenizer;
  const { scored, written } = useReplies(model, { tokenizer, tokens, longestReply: options.longestReply, device });
  const hidden = emotions.length;
  const weakly = weak ? " (weak labels)" : "";
  /** Examples in another emotion; a model without emotions knows hidden ones only. */
  const inEmotion = (examples: readonly ReplyExample[], emotionOf: (example: ReplyExample, i: number) => number) =>
    examples.map((example, i) => ({ ...example, emotion: options.condition ? emotionOf(example, i) : hidden }));
  const guessed = ({ detected }: ScoredReply): number => detected.indexOf(Math.max(...detected));
  const writingOf = (asked: Options): Writing => {
    const writing = asked as unknown as Writing; // checked when the options were parsed
    return options.condition ? writing : { ...writing, guidance: 1 };
  };

  /** Summed over all replies. */
  const total = (results: readonly ScoredReply[]) => ({
    nats: results.reduce((sum, { nats }) => sum + nats, 0),
    count: results.reduce((sum, { tokens: count }) => sum + count, 0),
  });
  const guesses = (results: readonly ScoredReply[], examples: readonly ReplyExample[]) => {
    const known = examples.flatMap(({ emotion }, i) => (emotion === hidden ? [] : [i]));
    if (known.length === 0) return undefined;
    const truth = known.map((i) => examples[i]?.emotion as number);
    const scores = classificationScores(
      truth,
      known.map((i) => guessed(results[i] as ScoredReply)),
      hidden,
    );
    const frequent = counts.indexOf(Math.max(...counts));
    return { scores, majority: truth.filter((emotion) => emotion === frequent).length / truth.length };
  };

  return {
    async validate(params, examples) {
      const results = await scored(
        params,
        inEmotion(examples, ({ emotion }) => emotion),
      );
      const { nats, count } = total(results);
      const found = guesses(results, examples);
      return {
        measures: { perplexity: perplexity(nats, count), ...(found && { emotionGuess: found.scores.accuracy }) },
        score: nats / count,
      };
    },

    async evaluate(params, examples, context) {
      const look = (done: number) => {
        checkStop(context);
        context.onEvent?.({ kind: "progress", what: "reading and replying", done });
      };
      look(0);
      const measures: Measure[] = [];
      const add = (name: string, words: string, value: number, better: "lower" | "higher" = "higher") =>
        measures.push({ key: name, name: words, value, better });
      const results = await scored(
        params,
        inEmotion(examples, ({ emotion }) => emotion),
        { look },
      );
      const { nats, count } = total(results);
      add(
        "perplexity",
        `perplexity of replies${options.condition ? `, their emotion told${weakly}` : ""}`,
        perplexity(nats, count),
        "lower",
      );
      if (options.condition) {
        for (const [name, words, emotionOf] of [
          ["Detected", "emotion guessed from the context", (_: ReplyExample, i: number) => guessed(results[i] as ScoredReply)],
          ["Hidden", "emotion hidden", () => hidden],
        ] as const) {
          const other = total(await scored(params, inEmotion(examples, emotionOf), { look }));
          add(`perplexity${name}`, `perplexity of replies, ${words}`, perplexity(other.nats, other.count), "lower");
        }
      }
      const characters = examples.reduce((sum, { raw }) => sum + measureText(raw.reply ?? "").characters, 0);
      add("bitsPerCharacter", "bits per character of replies", bitsPer(nats, characters), "lower");
      const found = guesses(results, examples);
      if (found) {
        add("emotionGuess", `accuracy of the emotion guessed from the context${weakly}`, found.scores.accuracy);
        add("emotionGuessMacroF1", `macro F1 of the emotion guessed from the context${weakly}`, found.scores.macro.f1);
        add("baselineEmotionGuess", `accuracy of always guessing the most frequent emotion${weakly}`, found.majority);
      }
      measures.push(...(await judged(params, examples, context, look)));
      return [...measures, { key: "examples", name: "replies", value: examples.length }];
    },

    async predict(params, examples, asked) {
      const results = await scored(params, examples);
      const inputs = inEmotion(examples, ({ emotion, raw }, i) => {
        if (emotion !== hidden) return emotion;
        const chosen = asked.emotion as string | undefined;
        return chosen === undefined
          ? guessed(results[i] as ScoredReply)
          : numberOf(chosen, emotions, { what: "emotions", place: raw.placed.place });
      });
      if (!options.condition) refuseEmotions(examples, asked);
      const replies = await written(params, inputs, writingOf(asked));
      return replies.map(({ text, score }, i) => {
        const { detected } = results[i] as ScoredReply;
        const emotion = inputs[i]?.emotion as number;
        const told = examples[i]?.emotion !== hidden || asked.emotion !== undefined;
        return {
          reply: text.trim(),
          emotion: emotions[emotion] ?? null,
          ...(emotion !== hidden && !told && { probability: rounded(detected[emotion] as number) }),
          score: rounded(score),
        };
      });
    },

    async show(params, examples, asked) {
      const given = asked as Options & { readonly emotions?: readonly string[] };
      const writing = writingOf({ ...defaultWriting, ...asked });
      const some = pick(examples, asked);
      const shown = !options.condition
        ? [hidden]
        : (given.emotions?.map((name) => numberOf(name, emotions, { what: "emotions", place: "--emotions" })) ??
          frequentFeelings());
      const columns: WrittenReply[][] = [];
      for (const emotion of shown)
        columns.push(
          await written(
            params,
            inEmotion(some, () => emotion),
            writing,
          ),
        );
      const note = weak ? [`(emotions are weak labels, by ${weak})`] : [];
      const dialogues = some.map(({ raw }, i) =>
        [
          ...raw.context.slice(-options.turns).map((turn) => `  – ${oneLine(turn)}`),
          `  true${raw.emotion === undefined ? "" : ` (${raw.emotion})`}: ${oneLine(raw.reply ?? "")}`,
          ...shown.map((emotion, e) => `  ${emotions[emotion] ?? "reply"}: ${oneLine(columns[e]?.[i]?.text ?? "")}`),
        ].join("\n"),
      );
      return [...note, ...dialogues].join("\n\n");
    },

    async inspect(params, examples, asked) {
      const writing = writingOf(asked);
      const pictures: { file: string; caption: string }[] = [];
      const draw = async (name: string, caption: string, picture: Promise<Uint8Array>) => {
        const file = join(asked.out, name);
        await writeFile(file, await picture);
        pictures.push({ file, caption });
      };
      const results = await scored(params, examples);
      const known = examples.flatMap(({ emotion }, i) => (emotion === hidden ? [] : [i]));
      if (known.length > 0) {
        const truth = known.map((i) => examples[i]?.emotion as number);
        const guess = known.map((i) => guessed(results[i] as ScoredReply));
        const title = `emotion of ${known.length} held-out replies${weakly}`;
        await draw(
          "emotions.png",
          "which emotion is expected for which",
          confusion(truth, guess, { title, axes: ["of the true reply", "guessed from the context"] }),
        );
      }
      const labeller = options.condition ? await emotionLabeller(options) : undefined;
      if (labeller) {
        const some = pick(examples, { numSamples: drawnContexts, seed: writing.seed });
        const inputs = emotions.flatMap((_, e) => inEmotion(some, () => e));
        const replies = await written(params, inputs, writing);
        const labels = await labeller.label(replies.map(({ text }) => text));
        const title = `replies to ${drawnContexts} contexts, judged by ${labeller.name}`;
        const axes = ["emotion asked for", "emotion judged"] as const;
        const told = labels.map((label) => emotions.indexOf(label));
        await draw(
          "replies.png",
          "which emotion replies have that were written in which",
          confusion(
            inputs.map(({ emotion }) => emotion),
            told,
            { title, axes },
          ),
        );
      }
      const some = inEmotion(pick(examples, { numSamples: asked.numSamples, seed: writing.seed }), ({ emotion }) => emotion);
      for (const [i, { ids, text, attention }] of (await written(params, some, writing)).entries()) {
        if (!attention) break;
        const { context, emotion } = some[i] as ReplyExample;
        const from = Math.max(0, context.length - drawnTokens);
        const label = (id: number) =>
          id === tokens.mask ? "│" : id < tokenizer.vocabularySize ? tokenizer.decode([id]).trim() || "·" : "end";
        const rows = [...ids, tokens.end].slice(0, Math.min(attention.length, drawnTokens));
        await draw(
          `attention-${i + 1}.png`,
          `where "${oneLine(text)}" looks${emotions[emotion] ? ` (${emotions[emotion]}${weakly})` : ""}`,
          drawMatrix({
            title: "what each token of a reply looks at",
            rows: rows.map(label),
            columns: [...context.subarray(from)].map(label),
            values: rows.map((_, u) => (attention[u] as Float32Array).subarray(from)),
            axes: ["reply", "context"],
          }),
        );
      }
      return { pictures };
    },

    async dispose() {},
  };

  /** Replies of the model's own, judged: in every emotion, and beside the true ones and those of similar contexts. */
  async function judged(
    params: Tree<NdArray>,
    examples: readonly ReplyExample[],
    context: EvaluationContext<RawReply>,
    look: (done: number) => void,
  ): Promise<Measure[]> {
    const measures: Measure[] = [];
    const writing = writingOf(context.options);
    const some = spread(examples, context.options.replies as number);
    const training = await context.training();
    if (!training) {
      const message = "neither judge nor baseline: the run's training data is no longer as it was";
      context.onEvent?.({ kind: "note", message });
    }
    if (options.condition) {
      const asked = emotions.flatMap((_, e) => inEmotion(some, () => e));
      const texts = (await written(params, asked, writing, { look })).map(({ text }) => text);
      const share = (told: readonly number[], wanted: readonly ReplyExample[]) =>
        told.filter((emotion, i) => emotion === wanted[i]?.emotion).length / told.length;
      if (training) {
        const judge = fitJudge(training, emotions);
        const known = examples.filter(({ emotion }) => emotion !== hidden);
        const judgeName = "TF-IDF with logistic regression";
        measures.push({
          key: "emotionAccuracy",
          name: `replies in the emotion asked for, judged by ${judgeName}${weakly}`,
          value: share(judge(texts), asked),
          better: "higher",
        });
        if (known.length > 0) {
          const own = share(judge(known.map(({ raw }) => raw.reply as string)), known);
          measures.push({ key: "judgeAccuracy", name: `accuracy of that judge on the true replies${weakly}`, value: own });
        }
      }
      const labeller = await emotionLabeller(options);
      if (labeller) {
        const labels = (await labeller.label(texts)).map((label) => emotions.indexOf(label));
        measures.push({
          key: "emotionAccuracyWeak",
          name: `replies in the emotion asked for, judged by ${labeller.name}`,
          value: share(labels, asked),
          better: "higher",
        });
      }
      measures.push({
        key: "baselineEmotionAccuracy",
        name: "replies in the emotion asked for if it had no influence",
        value: 1 / hidden,
      });
    }
    const references = some.map(({ raw }) => raw.reply as string);
    const replies = (
      await written(
        params,
        inEmotion(some, ({ emotion }) => emotion),
        writing,
        { look },
      )
    ).map(({ text }) => text);
    const known = training && new Set(training.map(({ reply }) => plain(reply as string)));
    measures.push(...replyMeasures({ key: "", name: "replies" }, replies, { references, known }));
    if (training && context.options.baseline !== false) {
      const found = retrievedReplies(
        training,
        some.map(({ raw }) => raw),
      );
      measures.push(
        ...replyMeasures({ key: "baseline", name: "replies to the most similar context (BM25)" }, found, { references }),
      );
    }
    return [...measures, ...replyMeasures({ key: "true", name: "the true replies" }, references, {})];
  }

  function confusion(
    actual: readonly number[],
    told: readonly number[],
    { title, axes }: { readonly title: string; readonly axes: readonly [string, string] },
  ): Promise<Uint8Array> {
    const matrix = confusionMatrix(actual, told, hidden);
    return drawMatrix({
      title,
      rows: emotions,
      columns: emotions,
      values: matrix.map((row) =>
        row.map(
          (count) =>
            count /
            Math.max(
              1,
              row.reduce((a, b) => a + b, 0),
            ),
        ),
      ),
      cells: matrix.map((row) => row.map(String)),
      axes,
    });
  }

  /** The two most frequent emotions, "neutral" apart if there are others. */
  function frequentFeelings(): number[] {
    const order = [...emotions.keys()].sort((a, b) => (counts[b] as number) - (counts[a] as number));
    const felt = order.filter((emotion) => emotions[emotion] !== "neutral");
    return (felt.length > 1 ? felt : order).slice(0, 2);
  }

  /** @throws HeptagenError `options/value` */
  function refuseEmotions(examples: readonly ReplyExample[], asked: Options): void {
    const named = examples.find(({ emotion }) => emotion !== hidden);
    if (named === undefined && asked.emotion === undefined) return;
    const place = named ? named.raw.placed.place : "--emotion";
    throw new HeptagenError(
      "options/value",
      `${place}: expected no emotion, since the run was trained without, got "${named?.raw.emotion ?? asked.emotion}"`,
      {
        next: "Leave it out, or train with --condition.",
      },
    );
  }
}

const defaultWriting: Writing = { beams: 0, temperature: 0.7, topP: 0.9, repetitionPenalty: 1.2, guidance: 1.5, seed: 0 };

const rounded = (value: number): number => Number(value.toPrecision(4));
const oneLine = (value: string): string => {
  const line = value.replace(/\s+/g, " ").trim();
  return line.length > 160 ? `${line.slice(0, 159)}…` : line;
};

/** At most `count` examples, from beginning to end. */
function spread<Example>(examples: readonly Example[], count: number): Example[] {
  const size = Math.min(count, examples.length);
  return Array.from({ length: size }, (_, i) => examples[Math.floor((i * examples.length) / size)] as Example);
}

export const converseMeasureNames: Readonly<Record<string, string>> = {
  perplexity: "perplexity of replies",
  emotionGuess: "accuracy of the emotion guessed",
};
