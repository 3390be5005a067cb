/**
 * Conversation: replies to some turns of a dialogue, in an emotion that is chosen or guessed.
 *
 * Reading order of the task's files: options, lexicon and emotions (where labels come from), data, batch, replies (the model at work),
 * measures, use (evaluation, prediction, pictures), and this one, which joins them.
 */
import type { Tensor } from "../../core/index.ts";
import { type Answered, type ConversationParams, conversationLoss, forward, init } from "../../models/conversation.ts";
import type { NdArray } from "../../util/ndarray.ts";
import type { Tree } from "../../util/tree.ts";
import { bucketed } from "../sequence/bucketed.ts";
import { splitPlaced } from "../sequence/records.ts";
import type { SequenceTask } from "../sequence/sequence-task.ts";
import { specialTokens } from "../sequence/special-tokens.ts";
import { learnTokenizer } from "../sequence/text.ts";
import { replyBatch } from "./batch.ts";
import {
  type ConverseFacts,
  converseFacts,
  encodeReply,
  inputReply,
  type RawReply,
  type ReplyExample,
  readReplies,
} from "./data.ts";
import {
  evaluateOptions,
  inspectOptions,
  predictOptions,
  sampleOptions,
  type TrainingOptions,
  trainingOptions,
} from "./options.ts";
import { converseMeasureNames, useConversation } from "./use.ts";

export const converseTask: SequenceTask<TrainingOptions, RawReply, ConverseFacts, ReplyExample, Answered<NdArray>> = {
  name: "converse",
  reads: true,
  options: trainingOptions,
  abilities: { sample: sampleOptions, evaluate: evaluateOptions, inspect: inspectOptions, predict: predictOptions },
  read: readReplies,
  identify: ({ context, reply, emotion = "", speaker = "", placed: { side = "" } }) =>
    JSON.stringify([side, emotion, speaker, reply, ...context]),
  split: (raws, options) =>
    splitPlaced(raws, { placedOf: ({ placed }) => placed, inputOf: ({ context }) => context.join("\n") }, options),
  async learn(train, options, known) {
    const texts = train.flatMap(({ context, reply }) => [context.at(-1) as string, reply as string]);
    return { facts: await converseFacts(train, options), tokenizer: await learnTokenizer(options, texts, known) };
  },
  encode: encodeReply,
  input: inputReply,
  describe: ({ train, validation, test }, { facts: { emotions, counts, weak, speakers }, tokenizer }) => ({
    replies: `${whole(train.length)} to learn from, ${whole(validation.length)} for validation, ${whole(test.length)} for the final evaluation`,
    emotions: `${emotions.map((name, i) => `${name} ${whole(counts[i] as number)}`).join(", ")}${weak ? ` (weak labels, by ${weak})` : ""}`,
    ...(speakers.length > 0 && { speakers: speakers.join(", ") }),
    tokens: `${whole(tokenizer?.vocabularySize ?? 0)} different`,
  }),
  measureNames: converseMeasureNames,
  pathOptions: ["emotionRun"],
  unit: "tokens",
  model({ network, config, assets, options }) {
    const { emotions, counts, speakers } = assets.facts;
    const total = counts.reduce((a, b) => a + b, 0);
    const evenly = (count: number): number => (count === 0 ? 1 : Math.sqrt(total / (counts.length * count)));
    const importance = options.balance === "weights" ? [...counts.map(evenly), 1] : undefined;
    const tokens = specialTokens(assets.tokenizer as NonNullable<typeof assets.tokenizer>);
    const { vocabulary } = tokens;
    const model = {
      network,
      config,
      vocabulary,
      emotions: emotions.length,
      speakers: speakers.length,
      dropout: options.outputDropout,
    };
    return {
      init: (key) => init(model, key) as unknown as Tree<NdArray>,
      loss(params, batch, key) {
        const { labelSmoothing, detection, condition } = options;
        const hide = { emotion: condition ? options.hide : 1, speaker: options.hide };
        return {
          loss: conversationLoss(model, params as unknown as ConversationParams, batch, { hide, labelSmoothing, detection, key }),
        };
      },
      batches: (examples, key) =>
        bucketed(examples, key, {
          ...options,
          lengthsOf: ({ context, reply }) => [context.length, reply.length + 1],
          collate: (some, lengths, counted) =>
            replyBatch(some, {
              rows: some.length,
              lengths,
              counted,
              tokens,
              hidden: emotions.length,
              ...(importance && { importance }),
            }),
          units: ({ written }) => (written.data as Int32Array).reduce((sum, id) => sum + (id >= 0 ? 1 : 0), 0),
        }),
      use: (device) => useConversation(model, { assets, options, tokens, device }),
      graphs: [
        {
          name: "conversation",
          inputs: [
            {
              name: "context",
              dtype: "int32",
              shape: ["batch", "length"],
              note: `tokens of tokenizer.json, ${tokens.mask} between turns, filled up with 0`,
              below: vocabulary,
            },
            { name: "lengths", dtype: "int32", shape: ["batch"], note: "how many tokens of each context count", below: "length" },
            {
              name: "reply",
              dtype: "int32",
              shape: ["batch", "places"],
              note: `${tokens.begin}, then the reply so far; ${tokens.end} ends one`,
              below: vocabulary,
            },
            { name: "emotion", dtype: "int32", shape: ["batch"], note: listed(emotions, "hidden"), below: emotions.length + 1 },
            { name: "speaker", dtype: "int32", shape: ["batch"], note: listed(speakers, "unknown"), below: speakers.length + 1 },
          ],
          output: { name: "logits", note: "scores of each next token [batch, places, vocabulary]" },
          apply: (params, ...inputs) => {
            const [context, lengths, read, emotion, speaker] = inputs as [Tensor, Tensor, Tensor, Tensor, Tensor];
            return forward(model, params as unknown as ConversationParams, { context, lengths, read, emotion, speaker }).logits;
          },
        },
      ],
    };
  },
};

const whole = (value: number): string => value.toLocaleString("en");
const listed = (names: readonly string[], last: string): string => [...names, last].map((name, i) => `${i} ${name}`).join(", ");
