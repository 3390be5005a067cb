/** Dialogues of one shape, as the model takes them. */
import type { Answered } from "../../models/conversation.ts";
import type { NdArray } from "../../util/ndarray.ts";
import { ndarray } from "../../util/ndarray.ts";
import { padRows } from "../sequence/in-batches.ts";
import type { SpecialTokens } from "../sequence/special-tokens.ts";
import type { ReplyExample } from "./data.ts";

export interface BatchOptions {
  readonly rows: number;
  /** T and U. */
  readonly lengths: readonly number[];
  /** E: what stands for a hidden emotion. */
  readonly hidden: number;
  readonly tokens: SpecialTokens;
  /** Rows that count; all unless told. */
  readonly counted?: readonly boolean[];
  /** How much replies of each emotion count, and those of a hidden one; 1 unless told. */
  readonly importance?: readonly number[];
}

/** What is read and written of some examples; rows without an example write nothing. */
export function replyBatch(
  examples: readonly ReplyExample[],
  { rows, lengths: [length, places], hidden, tokens: { begin, end }, counted, importance }: BatchOptions,
): Answered<NdArray> {
  const [T, U] = [length as number, places as number];
  const { tokens: context, lengths } = padRows(
    examples.map((example) => example.context),
    { rows, length: T },
  );
  const read = new Int32Array(rows * U).fill(end);
  const written = new Int32Array(rows * U).fill(-1);
  const emotion = new Int32Array(rows).fill(hidden);
  const speaker = new Int32Array(rows);
  const weights = new Float32Array(rows);
  for (let b = 0; b < rows; b++) read[b * U] = begin;
  examples.forEach((example, b) => {
    speaker[b] = example.speaker;
    if (counted && !counted[b]) return;
    emotion[b] = example.emotion;
    weights[b] = importance?.[example.emotion] ?? 1;
    const reply = example.reply.subarray(0, U - 1);
    read.set(reply, b * U + 1);
    written.set(reply, b * U);
    written[b * U + reply.length] = end;
  });
  return {
    context,
    lengths,
    read: ndarray("int32", [rows, U], read),
    written: ndarray("int32", [rows, U], written),
    emotion: ndarray("int32", [rows], emotion),
    speaker: ndarray("int32", [rows], speaker),
    weights: ndarray("float32", [rows], weights),
  };
}
