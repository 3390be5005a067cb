/** Records of a user's files for tasks on sequences: where they are, which part of the data and which group they belong to. */
import { z } from "zod";
import { pickColumns, type DataRecord, readRecords, splitRecords } from "../../data/index.ts";
import { HeptagenError } from "../../util/errors.ts";
import { files } from "./options.ts";
import type { Side, Sides } from "./sequence-task.ts";

/** Where examples are, for tasks that read tables. */
export const recordOptions = {
  data: files
    .optional()
    .describe("examples: .csv, .tsv, .jsonl, .parquet, folders of them, - for JSON lines on stdin, or a name of `heptagen data list`"),
  validationData: files.optional().describe("examples for validation, instead of a fraction of the others"),
  testData: files.optional().describe("examples for the final evaluation, instead of a fraction of the others"),
  splitColumn: z.string().optional().describe("which column says train, validation or test"),
  groupColumn: z.string().optional().describe("which column names what must stay together on one side: an author, a package, a voice"),
};

export interface PlacedRecord {
  readonly values: Readonly<Record<string, unknown>>;
  /** File and line. */
  readonly place: string;
  /** Where the data says so. */
  readonly side?: Side;
  readonly group?: string;
}
