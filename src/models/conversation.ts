/**
 * Conversation: an encoder reads the turns so far, a decoder writes the reply in a chosen emotion.
 *
 * The emotion is a vector added to everything the decoder reads, the first token included; it is hidden from part of the training
 * examples, so that one model also knows replies of no particular emotion and the difference of the two can be exaggerated
 * (guidance). A linear head on the encoder's summary guesses which emotion the reply will have, where none is chosen.
 *
 * Papers: Vinyals & Le 2015 (neural conversation), Zhou et al. 2018 (emotion embeddings), Li et al. 2016 (speakers as vectors), Ho &
 * Salimans 2022 and Sanchez et al. 2023 (classifier-free guidance, of text), Press & Wolf 2017 (output tied to the embeddings).
 *
 * Legend: B contexts, K replies of each, T tokens of the context, U of the reply, V vocabulary, W width, E emotions, S speakers.
 */
import type { Tensor, TracedKey } from "../core/index.ts";
import {
  beamSearch,
  constantInit,
  crossEntropies,
  dropout,
  type Embedding,
  embedding,
  initEmbedding,
  initLinear,
  type Linear,
  linear,
  type ReadToken,
  type SamplingOptions,
  sampleSequences,
  type WrittenSequences,
} from "../nn/index.ts";
import {
  add,
  bernoulli,
  broadcastTo,
  div,
  full,
  logSoftmax,
  matmul,
  maximum,
  mul,
  reshape,
  sub,
  sum,
  where,
} from "../ops/index.ts";
import type { NdArray } from "../util/ndarray.ts";
import { fold, type Key } from "../util/random.ts";
import type { Tree } from "../util/tree.ts";
import type { Encoded, SequenceNetwork } from "./sequence-network.ts";

export interface ConversationConfig<Config> {
  readonly network: SequenceNetwork<Config>;
  readonly config: Config;
  /** V */
  readonly vocabulary: number;
  /** E; their numbers are 0 to E - 1, and E is a hidden one. */
  readonly emotions: number;
  /** S, may be 0; S is an unknown one. */
  readonly speakers: number;
  /** Fraction of the summary and of the decoder's states dropped in training. */
  readonly dropout: number;
}

export interface ConversationParams<Leaf = Tensor> {
  /** [V, W], read and written with the same table. */
  readonly tokens: Embedding<Leaf>;
  readonly encoder: Tree<Leaf>;
  readonly decoder: Tree<Leaf>;
  /** [E + 1, W] */
  readonly emotions: Embedding<Leaf>;
  /** [S + 1, W] */
  readonly speakers: Embedding<Leaf>;
  /** [V], of the output layer. */
  readonly bias: Leaf;
  readonly detector: Linear<Leaf>;
}

/** Who is to reply to what, and how. */
export interface Asked<Leaf = Tensor> {
  /** int32 [B, T], of which `lengths` (int32 [B]) count. */
  readonly context: Leaf;
  readonly lengths: Leaf;
  /** int32 [B] */
  readonly emotion: Leaf;
  /** int32 [B] */
  readonly speaker: Leaf;
}

/** Contexts with the replies they got. */
export interface Answered<Leaf = Tensor> extends Asked<Leaf> {
  /** What the decoder reads: the begin token, then the reply; int32 [B, U]. */
  readonly read: Leaf;
  /** What it is to write: the reply, then the end token, then -1; int32 [B, U]. */
  readonly written: Leaf;
  /** How much each reply counts in training, float32 [B]. */
  readonly weights: Leaf;
}

export function init<Config>(model: ConversationConfig<Config>, key: Key): ConversationParams<NdArray> {
  const { network, config, vocabulary, emotions, speakers } = model;
  const width = network.width(config);
  // Read as √W times as much: vectors of unit variance go in, and logits of unit variance come out.
  const table = (name: string, count: number) => initEmbedding(fold(key, name), count, width, 1 / Math.sqrt(width));
  return {
    tokens: table("tokens", vocabulary),
    encoder: network.encoder.init(config, fold(key, "encoder")),
    decoder: network.decoder.init(config, fold(key, "decoder"), true),
    emotions: table("emotions", emotions + 1),
    speakers: table("speakers", speakers + 1),
    bias: constantInit([vocabulary], 0),
    detector: initLinear(fold(key, "detector"), width, emotions),
  };
}

/**
 * Scores of each token of the replies, and of the emotions they might have.
 *
 * @returns `logits` [B, U, V], `detected` [B, E], and how much each place of the reply looked at each of the context, [B, U, T]
 */
export function forward<Config>(
  model: ConversationConfig<Config>,
  params: ConversationParams,
  given: Omit<Answered, "written" | "weights">,
  { key }: { readonly key?: TracedKey | undefined } = {},
): { readonly logits: Tensor; readonly detected: Tensor; readonly attention?: Tensor } {
  const { network, config, dropout: rate } = model;
  const source = readContext(model, params, given, key?.fold("encoder"));
  const manner = reshape(mannerOf(params, given), [given.read.shape[0] as number, 1, -1]); // [B, 1, W]
  const vectors = add(embed(params.tokens, given.read), manner); // [B, U, W]
  const { states, attention } = network.decoder.forward(config, params.decoder, vectors, source, { key: key?.fold("decoder") });
  const detected = linear(params.detector, dropout(source.summary, rate, key?.fold("summary")));
  const logits = scoresOf(params, dropout(states, rate, key?.fold("states")));
  return { logits, detected, ...(attention && { attention }) };
}

export interface LossOptions {
  /** Part of the examples whose emotion is hidden, and part of those whose speaker is. */
  readonly hide: { readonly emotion: number; readonly speaker: number };
  readonly labelSmoothing: number;
  /** What the guess of the emotion counts beside the reply. */
  readonly detection: number;
  readonly key: TracedKey;
}

/** Weighted mean loss of a token, with that of guessing the emotion (of those whose emotion is known). */
export function conversationLoss<Config>(
  model: ConversationConfig<Config>,
  params: ConversationParams,
  batch: Answered,
  { hide, labelSmoothing, detection, key }: LossOptions,
): Tensor {
  const hiding = (name: "emotion" | "speaker", hidden: number): Tensor => {
    const [ids, rate] = [batch[name], hide[name]];
    const none = full(ids.shape, hidden, "int32");
    if (rate === 0) return ids;
    return rate >= 1 ? none : where(bernoulli(key.fold(`hide ${name}`), rate, ids.shape), none, ids);
  };
  const emotion = hiding("emotion", model.emotions);
  const speaker = hiding("speaker", model.speakers);
  const { logits, detected } = forward(model, params, { ...batch, emotion, speaker }, { key });
  const words = crossEntropies(logits, batch.written, { labelSmoothing });
  const guesses = crossEntropies(detected, batch.emotion, { ignoreIndex: model.emotions });
  const mean = ({ losses, counted }: typeof words) => {
    const byReply = (x: Tensor) => mul(sum(reshape(x, [batch.weights.shape[0] as number, -1]), 1), batch.weights); // [B]
    return div(sum(byReply(losses)), maximum(sum(byReply(counted)), 1e-6));
  };
  return add(mean(words), mul(mean(guesses), detection));
}

/** Negative log-likelihood of each reply in nats, its end token included, [B], and the scores of the emotions [B, E]. */
export function scoreReplies<Config>(
  model: ConversationConfig<Config>,
  params: ConversationParams,
  batch: Answered,
): { readonly nats: Tensor; readonly detected: Tensor } {
  const { logits, detected } = forward(model, params, batch);
  return { nats: sum(reshape(crossEntropies(logits, batch.written).losses, batch.read.shape), 1), detected };
}

export interface ReplyOptions {
  /** U: tokens of a reply at most, its end among them. */
  readonly places: number;
  readonly begin: number;
  readonly end: number;
  /** Keeps the likeliest replies; 0 samples one of each context. */
  readonly beams: number;
  readonly lengthPenalty: number;
  readonly sampling: Partial<SamplingOptions>;
  /** How far the emotion is exaggerated: 1 not at all. */
  readonly guidance: number;
  readonly key: TracedKey;
}

/** Writes replies: beams of them, best first, or one that is sampled. */
export function writeReplies<Config>(
  model: ConversationConfig<Config>,
  params: ConversationParams,
  asked: Asked,
  { places, begin, end, beams, lengthPenalty, sampling, guidance, key }: ReplyOptions,
): WrittenSequences {
  const batch = asked.lengths.shape[0] as number;
  const each = Math.max(1, beams); // K
  const { read, memory } = replyReader(model, params, asked, { each, places, guidance });
  if (beams > 0) return beamSearch(read, memory, { batch, beams, places, begin, end, lengthPenalty });
  return sampleSequences(read, memory, { batch, samples: 1, places, begin, end, sampling, key });
}

/** A step of the decoder as the search takes it. With guidance it runs twice, once without the emotion. */
function replyReader<Config>(
  model: ConversationConfig<Config>,
  params: ConversationParams,
  asked: Asked,
  { each, places, guidance }: { readonly each: number; readonly places: number; readonly guidance: number },
): { readonly read: ReadToken<Tree<Tensor>[]>; readonly memory: Tree<Tensor>[] } {
  const { network, config } = model;
  const batch = asked.lengths.shape[0] as number;
  const start = network.decoder.start(config, params.decoder, { batch: batch * each, places }, readContext(model, params, asked));
  const spread = (x: Tensor): Tensor =>
    reshape(broadcastTo(reshape(x, [batch, 1, -1]), [batch, each, x.shape[1] as number]), [batch * each, -1]); // [B K, W]
  const hidden = { ...asked, emotion: full([batch], model.emotions, "int32") };
  const manners = (guidance === 1 ? [asked] : [asked, hidden]).map((one) => spread(mannerOf(params, one)));
  return {
    memory: manners.map(() => start.memory),
    read(memory, token, n) {
      const vectors = embed(params.tokens, token); // [B K, W]
      const steps = manners.map((manner, i) =>
        network.decoder.step(config, params.decoder, start.source, memory[i] as Tree<Tensor>, add(vectors, manner), n),
      );
      const [chosen, without] = steps.map(({ state }) => logSoftmax(scoresOf(params, state)));
      const logs = chosen as Tensor;
      return {
        logProbabilities: without ? logSoftmax(add(without, mul(sub(logs, without), guidance))) : logs,
        memory: steps.map((step) => step.memory),
        attention: steps[0]?.attention,
      };
    },
  };
}

function readContext<Config>(
  { network, config }: ConversationConfig<Config>,
  params: ConversationParams,
  { context, lengths }: Pick<Asked, "context" | "lengths">,
  key?: TracedKey,
): Encoded {
  return network.encoder.forward(config, params.encoder, embed(params.tokens, context), lengths, { key });
}

function embed(table: Embedding, ids: Tensor): Tensor {
  return mul(embedding(table, ids), Math.sqrt(table.weight.shape[1] as number));
}

/** What is added to each token of a reply, [B, W]. */
function mannerOf(params: ConversationParams, { emotion, speaker }: Pick<Asked, "emotion" | "speaker">): Tensor {
  return add(embed(params.emotions, emotion), embed(params.speakers, speaker));
}

/** [..., W] → [..., V] */
function scoresOf(params: ConversationParams, states: Tensor): Tensor {
  return add(matmul(states, params.tokens.weight, { transposeB: true }), params.bias);
}
