/** Dialogues: contexts of some turns with their replies, read, checked, and turned into tokens and numbers. */
import { type DataRecord, type Tokenizer, textIn, textOrNothing } from "../../data/index.ts";
import { HeptagenError, nearest } from "../../util/errors.ts";
import { type Placed, type PlacedRecord, readPlaced } from "../sequence/records.ts";
import type { Assets } from "../sequence/sequence-task.ts";
import { specialTokens } from "../sequence/special-tokens.ts";
import { encodeText } from "../sequence/text.ts";
import { emotionLabeller } from "./emotions.ts";
import type { TrainingOptions } from "./options.ts";

/** A reply with the turns before it. */
export interface RawReply {
  /** The oldest first; at least one. */
  readonly context: readonly string[];
  /** undefined where one is asked for. */
  readonly reply: string | undefined;
  /** undefined where it is not known, or to be guessed. */
  readonly emotion: string | undefined;
  readonly speaker: string | undefined;
  readonly placed: Placed;
}

/** What training learns about emotions and speakers. */
export interface ConverseFacts {
  /** In alphabetical order; their numbers are places in it. */
  readonly emotions: readonly string[];
  /** How many replies of the training part have each. */
  readonly counts: readonly number[];
  /** Who labelled the emotions, where no person did: the labels are weak. */
  readonly weak: string | null;
  /** In alphabetical order; none without a column of them. */
  readonly speakers: readonly string[];
}

export interface ReplyExample {
  readonly raw: RawReply;
  /** The turns, with the mask token between two of them. */
  readonly context: Int32Array;
  readonly reply: Int32Array;
  /** The number of emotions where it is hidden. */
  readonly emotion: number;
  readonly speaker: number;
}

/**
 * Reads dialogues, and labels their emotions where no column does.
 *
 * @throws HeptagenError `data/…` with file and line
 */
export async function readReplies(options: TrainingOptions): Promise<RawReply[]> {
  const { contextColumn, replyColumn, turnSeparator, speakerColumn, emotionColumn } = options;
  const raws = (await readPlaced(options)).map((record): RawReply => {
    const reply = textIn(record, replyColumn, "--reply-column");
    return {
      context: turnsIn(record, contextColumn, turnSeparator),
      reply,
      emotion: optionalText(record, emotionColumn, "--emotion-column"),
      speaker: optionalText(record, speakerColumn, "--speaker-column"),
      placed: placedOf(record),
    };
  });
  const labeller = await emotionLabeller(options);
  if (!labeller) return raws;
  const labels = await labeller.label(raws.map(({ reply }) => reply as string));
  return raws.map((raw, i) => ({ ...raw, emotion: labels[i] }));
}

const placedOf = ({ place, side, group }: PlacedRecord): Placed => ({
  place,
  ...(side && { side }),
  ...(group !== undefined && { group }),
});

function nothingSaid(message: string): HeptagenError {
  return new HeptagenError("data/empty", message, { next: "Fill it in or remove the line." });
}

/** @throws HeptagenError `data/column`, `data/empty` for turns of nothing */
function turnsIn(record: DataRecord, column: string, separator: string | undefined): string[] {
  const given = record.values[column];
  const text = () => textIn(record, column, "--context-column");
  const turns = Array.isArray(given) ? given : separator === undefined ? [text()] : text().split(separator);
  const wrong = turns.find((turn) => typeof turn !== "string");
  if (wrong !== undefined) {
    throw new HeptagenError(
      "data/column",
      `${record.place}: expected turns that are texts in "${column}", got ${JSON.stringify(wrong)}`,
      {
        next: 'Write each turn as a text: ["Where are we?", "In a wreck."].',
      },
    );
  }
  if (turns.length > 0 && turns.every((turn) => turn.trim() !== "")) return turns;
  throw nothingSaid(
    `${record.place}: expected at least one turn in "${column}" and none that is empty, got ${JSON.stringify(given)}`,
  );
}

function optionalText(record: DataRecord, column: string | undefined, option: string): string | undefined {
  if (column === undefined) return undefined;
  const text = textOrNothing(record, column, option).trim();
  return text === "" ? undefined : text;
}

/**
 * A line of what `predict` is given: a text (one turn), or an object.
 *
 * @throws HeptagenError `data/json`, `data/column`, `data/empty`
 */
export function inputReply(value: unknown, place: string): RawReply {
  const placed = { place };
  if (typeof value === "string") {
    return {
      context: turnsIn({ values: { context: value }, place }, "context", undefined),
      reply: undefined,
      emotion: undefined,
      speaker: undefined,
      placed,
    };
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new HeptagenError("data/json", `${place}: expected a text or an object with "context", got ${JSON.stringify(value)}`, {
      next: 'For example {"context": ["Where are we?", "In a wreck."], "emotion": "joy"}.',
    });
  }
  const record = { values: { emotion: null, speaker: null, ...value }, place };
  return {
    context: turnsIn(record, "context", undefined),
    reply: undefined,
    emotion: optionalText(record, "emotion", ""),
    speaker: optionalText(record, "speaker", ""),
    placed,
  };
}

/** @throws HeptagenError `data/one-class` */
export async function converseFacts(train: readonly RawReply[], options: TrainingOptions): Promise<ConverseFacts> {
  const labeller = await emotionLabeller(options);
  const counts = new Map<string, number>((labeller?.emotions ?? []).map((emotion) => [emotion, 0]));
  for (const { emotion } of train) if (emotion !== undefined) counts.set(emotion, (counts.get(emotion) ?? 0) + 1);
  const emotions = [...counts.keys()].sort();
  if (emotions.length < 2) {
    throw new HeptagenError(
      "data/one-class",
      `expected replies of at least two emotions, got ${emotions.length} (${emotions.join(", ")})`,
      {
        facts: { emotions },
        next: "Name the column that holds them with --emotion-column, or leave it out: a lexicon then labels them weakly.",
      },
    );
  }
  const speakers = [...new Set(train.flatMap(({ speaker }) => speaker ?? []))].sort();
  return { emotions, counts: emotions.map((emotion) => counts.get(emotion) as number), weak: labeller?.name ?? null, speakers };
}

/** @throws HeptagenError `data/label` for an emotion that training has not seen, `data/empty` */
export function encodeReply(
  raw: RawReply,
  { tokenizer, facts }: Assets<ConverseFacts>,
  { turns, longest, longestReply }: Pick<TrainingOptions, "turns" | "longest" | "longestReply">,
): ReplyExample {
  const { place } = raw.placed;
  const read = tokenizer as Tokenizer;
  const { mask } = specialTokens(read);
  const tokens = raw.context
    .slice(-turns)
    .flatMap((turn, i) => [...(i > 0 ? [mask] : []), ...encodeText(read, turn, Number.POSITIVE_INFINITY, place)]);
  return {
    raw,
    context: Int32Array.from(tokens.slice(-longest)),
    reply: raw.reply === undefined ? new Int32Array() : encodeText(read, raw.reply, longestReply, place),
    emotion: numberOf(raw.emotion, facts.emotions, { what: "emotions", place }),
    speaker: speakerOf(raw, facts.speakers),
  };
}

/** Whoever training has not heard is an unknown speaker; to ask for one's reply is an error. */
function speakerOf({ speaker, reply, placed: { place } }: RawReply, known: readonly string[]): number {
  const unknown = speaker !== undefined && !known.includes(speaker);
  return numberOf(unknown && reply !== undefined ? undefined : speaker, known, { what: "speakers", place });
}

/** Its place in the list, or the list's length where there is none. */
export function numberOf(
  name: string | undefined,
  known: readonly string[],
  { what, place }: { readonly what: string; readonly place: string },
): number {
  if (name === undefined) return known.length;
  const at = known.indexOf(name);
  if (at >= 0) return at;
  const near = nearest(name, known);
  throw new HeptagenError("data/label", `${place}: expected one of the ${what} that the run knows, got "${name}"`, {
    facts: { name, known },
    next: near ? `Did it mean "${near}"?` : `It knows: ${known.join(", ")}.`,
  });
}
