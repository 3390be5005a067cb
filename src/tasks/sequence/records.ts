/** Records of a user's files for tasks on sequences: where they are, which part of the data and which group they belong to. */
import { z } from "zod";
import { type DataRecord, readRecords, splitRecords, textIn } from "../../data/index.ts";
import { HeptagenError, nearest } from "../../util/errors.ts";
import { files } from "./options.ts";
import type { Side, Sides } from "./sequence-task.ts";

/** Where examples are, for tasks that read records. */
export const recordOptions = {
  data: files
    .optional()
    .describe(
      "examples: .csv .tsv .jsonl .json .parquet .conll, folders of them, - for lines of JSON, or a name of `heptagen data list`",
    ),
  validationData: files.optional().describe("examples for validation, instead of a fraction of the others"),
  testData: files.optional().describe("examples for the final evaluation, instead of a fraction of the others"),
  splitColumn: z.string().optional().describe("which column says train, validation or test"),
  groupColumn: z
    .string()
    .optional()
    .describe("which column names what must stay together on one side: an author, a package, a voice"),
};
export type RecordOptions = z.output<z.ZodObject<typeof recordOptions>>;

/** Options without those that describe one set of data: where it is, which columns split it, and what `more` names. */
export function withoutData(options: Readonly<Record<string, unknown>>, more: readonly string[] = []): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !(name in recordOptions || more.includes(name))));
}

/** Where an example belongs. */
export interface Placed {
  /** File and line, for errors. */
  readonly place: string;
  /** Where the data says so. */
  readonly side?: Side;
  readonly group?: string;
}

export type PlacedRecord = DataRecord & Placed;

const sides: readonly Side[] = ["train", "validation", "test"];

/**
 * Reads the records of a training, or of an evaluation.
 *
 * @param read how a source is read; `readRecords` unless told
 * @throws HeptagenError `options/value` when no data is named, `data/…` with file and line
 */
export async function readPlaced(
  { data, validationData, testData, splitColumn, groupColumn }: RecordOptions,
  read: (sources: string | readonly string[]) => Promise<readonly DataRecord[]> = readRecords,
): Promise<PlacedRecord[]> {
  if (data === undefined) {
    throw new HeptagenError("options/value", "train: expected data, got none", {
      next: "Name files with --data, or choose a preset that has some.",
    });
  }
  const parts: [string | readonly string[], Side | undefined][] = [[data, undefined]];
  if (validationData !== undefined) parts.push([validationData, "validation"]);
  if (testData !== undefined) parts.push([testData, "test"]);
  const placed: PlacedRecord[] = [];
  for (const [sources, given] of parts) {
    for (const record of await read(sources)) {
      const side = given ?? (splitColumn === undefined ? undefined : sideOf(record, splitColumn));
      const group = groupColumn === undefined ? undefined : textIn(record, groupColumn, "--group-column");
      placed.push({ ...record, ...(side && { side }), ...(group !== undefined && { group }) });
    }
  }
  return placed;
}

function sideOf(record: DataRecord, column: string): Side {
  return sideNamed(textIn(record, column, "--split-column"), column, record.place);
}

/**
 * The side that a column of the data names.
 *
 * @throws HeptagenError `data/split`
 */
export function sideNamed(text: string, column: string, place: string): Side {
  const said = text.trim().toLowerCase();
  const side = said === "dev" || said === "valid" || said === "val" ? "validation" : sides.find((one) => one === said);
  if (side) return side;
  const near = nearest(said, sides);
  throw new HeptagenError("data/split", `${place}: expected train, validation or test in "${column}", got "${said}"`, {
    next: near ? `Did it mean "${near}"?` : "Name another column with --split-column.",
  });
}

/**
 * Splits examples as the data says, or by what belongs together: a group, what is asked.
 *
 * @param inputOf what is asked: the same input never lies on two sides, unless the data says so
 * @throws HeptagenError `data/empty`
 */
export function splitPlaced<Raw>(
  raws: readonly Raw[],
  { placedOf, inputOf }: { readonly placedOf: (raw: Raw) => Placed; readonly inputOf: (raw: Raw) => string },
  { validation, test }: { readonly validation: number; readonly test: number },
): Promise<Sides<Raw>> {
  return splitRecords(raws, {
    validation,
    test,
    groupOf: (raw) => placedOf(raw).group ?? inputOf(raw),
    inputOf,
    sideOf: (raw) => placedOf(raw).side,
  });
}

/**
 * The text of an input to `predict`: a text, or a record with the field.
 *
 * @throws HeptagenError `data/column`, `data/json`
 */
export function inputText(value: unknown, place: string, field: string): string {
  if (typeof value === "string") return value;
  if (typeof value === "object" && value !== null) return textIn({ values: value as Record<string, unknown>, place }, field);
  throw new HeptagenError("data/json", `${place}: expected a text or an object with "${field}", got ${JSON.stringify(value)}`);
}
