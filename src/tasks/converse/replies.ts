/** A conversation model at work: how likely replies are, which emotion is expected, and replies of its own. */
import type { Tensor, TracedKey } from "../../core/index.ts";
import type { Tokenizer } from "../../data/index.ts";
import {
  type Answered,
  type Asked,
  type ConversationConfig,
  type ConversationParams,
  scoreReplies,
  writeReplies,
} from "../../models/conversation.ts";
import type { WrittenSequences } from "../../nn/index.ts";
import { softmax } from "../../ops/index.ts";
import { type Concrete, type Device, jit } from "../../runtime/index.ts";
import type { NdArray } from "../../util/ndarray.ts";
import { fold, type Key, key } from "../../util/random.ts";
import type { Tree } from "../../util/tree.ts";
import { inBatches } from "../sequence/in-batches.ts";
import type { SpecialTokens } from "../sequence/special-tokens.ts";
import { replyBatch } from "./batch.ts";
import type { ReplyExample } from "./data.ts";
import type { Writing } from "./options.ts";

export interface ScoredReply {
  /** −ln p of the reply and its end. */
  readonly nats: number;
  /** Tokens, the end among them. */
  readonly tokens: number;
  /** How likely each emotion is, as guessed from the context. */
  readonly detected: Float32Array;
}

export interface WrittenReply {
  readonly text: string;
  readonly ids: Int32Array;
  /** ln p of the reply and its end, by a token; under guidance and before temperature. */
  readonly score: number;
  /** How much each token of the reply (and its end) looked at each of the context, where the network tells. */
  readonly attention: readonly Float32Array[] | undefined;
}

export interface SpeakerOptions {
  readonly tokenizer: Tokenizer;
  readonly tokens: SpecialTokens;
  readonly longestReply: number;
  readonly device: Device;
}

type Look = { readonly look?: (done: number) => void };

/** Of beam search (see `BeamSearchOptions`); scores are told without it. */
const lengthPenalty = 0.6;

/** Compiles what is needed when it is first needed. */
export function useReplies<Config>(
  model: ConversationConfig<Config>,
  { tokenizer, tokens, longestReply, device }: SpeakerOptions,
) {
  const places = longestReply + 1;
  const own = (params: Tree<Tensor>) => params as unknown as ConversationParams;
  const scores = jit<[Tree<NdArray>, Answered<NdArray>], { nats: Tensor; detected: Tensor }>(
    ((params: Tree<Tensor>, batch: Answered) => {
      const { nats, detected } = scoreReplies(model, own(params), batch);
      return { nats, detected: softmax(detected) };
    }) as never, // the mapped types follow the trees' structure
    { device },
  );
  const writer = (writing: Writing) =>
    jit<[Tree<NdArray>, Asked<NdArray>, Key], WrittenSequences>(
      ((params: Tree<Tensor>, asked: Asked, random: TracedKey) => {
        const { temperature, topP, repetitionPenalty, beams, guidance } = writing;
        const sampling = { temperature, topP, repetitionPenalty };
        return writeReplies(model, own(params), asked, {
          ...tokens,
          places,
          beams,
          lengthPenalty,
          sampling,
          guidance,
          key: random,
        });
      }) as never,
      { device },
    );
  const writers = new Map<string, ReturnType<typeof writer>>();

  return {
    /** Scores replies as they are: with their emotions. */
    scored(params: Tree<NdArray>, examples: readonly ReplyExample[], look: Look = {}): Promise<ScoredReply[]> {
      return inBatches(
        examples,
        ({ context, reply }) => [context.length, reply.length + 1],
        async (some, { rows, lengths }) => {
          const { nats, detected } = await scores(params, replyBatch(some, { rows, lengths, tokens, hidden: model.emotions }));
          const guesses = detected.data as Float32Array;
          return some.map(({ reply }, b) => ({
            nats: Number(nats.data[b]),
            tokens: reply.length + 1,
            detected: guesses.slice(b * model.emotions, (b + 1) * model.emotions),
          }));
        },
        look,
      );
    },

    /** Writes a reply to each context, in each example's emotion. */
    written(
      params: Tree<NdArray>,
      examples: readonly ReplyExample[],
      writing: Writing,
      look: Look = {},
    ): Promise<WrittenReply[]> {
      const { beams, temperature, topP, repetitionPenalty, guidance, seed } = writing;
      const name = JSON.stringify([beams, temperature, topP, repetitionPenalty, guidance]);
      const write = writers.get(name) ?? writer(writing);
      writers.set(name, write);
      const root = fold(key(seed), "replies");
      return inBatches(
        examples,
        ({ context }) => [context.length],
        async (some, { rows, lengths: [length] }) => {
          const { context, lengths, emotion, speaker } = replyBatch(some, {
            rows,
            lengths: [length as number, 1],
            tokens,
            hidden: model.emotions,
          });
          const random = fold(root, (some[0] as ReplyExample).context.join(" ")); // other batches draw other numbers
          const found = await write(params, { context, lengths, emotion, speaker }, random);
          return some.map((example, b) => replyOf(found, b, { beams, context: example.context.length }));
        },
        look,
      );
    },
  };

  /** The best reply to the b-th context. */
  function replyOf(
    found: Concrete<WrittenSequences>,
    b: number,
    { beams, context }: { readonly beams: number; readonly context: number },
  ): WrittenReply {
    const each = Math.max(1, beams);
    const row = b * each;
    const count = Number(found.lengths.data[row]);
    const ids = (found.tokens.data as Int32Array).slice(row * places, row * places + count);
    const length = Math.min(count + 1, places);
    const total = Number(found.scores.data[row]) * (beams > 0 ? ((5 + length) / 6) ** lengthPenalty : 1);
    const looked = found.attention?.data as Float32Array | undefined;
    const width = found.attention?.shape.at(-1) ?? 0;
    const at = (u: number) => (row * places + u) * width;
    return {
      text: tokenizer.decode(ids.filter((id) => id < tokenizer.vocabularySize)),
      ids,
      score: total / length,
      attention: looked && Array.from({ length }, (_, u) => looked.slice(at(u), at(u) + context)),
    };
  }
}
