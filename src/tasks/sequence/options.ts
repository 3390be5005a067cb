/** Options that tasks on sequences share. */
import { z } from "zod";
import { count, fraction, optimization } from "../training.ts";

export const files = z.union([z.string(), z.array(z.string()).min(1)]);

/** How training goes, whatever the task. A task adds where its examples are and what is made of them. */
export const sequenceOptions = {
  initFrom: z
    .string()
    .optional()
    .describe("fine-tune: start from this run: its tokenizer, its network's options, and all parameters that fit"),
  validation: fraction.describe("fraction of the examples kept for validation, unless the data says which"),
  test: fraction.describe("fraction of the examples kept for the final evaluation, unless the data says which"),
  batch: count.describe("examples per step"),
  shapes: count.describe("different lengths that batches are padded to, at most: more waste less, and each is compiled once"),
  ...optimization,
};

/** How a task turns text into tokens. */
export const textOptions = {
  tokenizer: z.enum(["character", "byte", "bpe"]).describe("what a token is"),
  vocabulary: z.int().min(2).describe("number of different tokens that a bpe tokenizer learns"),
};

/** For tasks that only read text. */
export const caseOption = {
  lowercase: z.boolean().describe("read text in lower case, so that a word is the same at the start of a sentence"),
};

/** Which of a run's own examples are used, where no other data is named. */
export const sideOption = z
  .enum(["train", "validation", "test"])
  .optional()
  .describe("which part of the run's own data to use; the test part unless set, or the validation part where there is none");

/** Options of looking at answers. */
export const showOptions = {
  numSamples: count.default(5).describe("examples to show"),
  seed: z.int().default(0).describe("the same seed shows the same examples"),
};
