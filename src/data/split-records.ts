/**
 * Splitting examples into training, validation and test sides, so that nothing leaks: what belongs together, and what is the
 * same, is always on one side, whatever else is added to the data.
 */
import { HeptagenError } from "../util/errors.ts";
import { sha256 } from "./token-dataset.ts";

export interface Split<Example> {
  readonly train: Example[];
  readonly validation: Example[];
  readonly test: Example[];
}

export interface SplitOptions<Example> {
  /** Fractions of the examples that are not told where to go. */
  readonly validation: number;
  readonly test: number;
  /** What must not be on two sides: the author, the package, or the input itself. */
  groupOf(example: Example): string;
  /** Where the data says which side an example is on. */
  sideOf?(example: Example): keyof Split<Example> | undefined;
}

/**
 * Splits examples by a hash of their group; those with a side of their own go there.
 *
 * @throws HeptagenError `data/empty` when nothing is left to learn from or to validate with
 * @example await splitRecords(rows, { validation: 0.05, test: 0.05, groupOf: ({ values }) => values.author });
 */
export async function splitRecords<Example>(
  examples: readonly Example[],
  { validation, test, groupOf, sideOf }: SplitOptions<Example>,
): Promise<Split<Example>> {
  const split: Split<Example> = { train: [], validation: [], test: [] };
  const known = new Map<string, keyof Split<Example>>();
  const told = { validation: false, test: false };
  for (const example of examples) {
    const side = sideOf?.(example);
    if (side === "validation" || side === "test") told[side] = true;
  }
  const shares = { test: told.test ? 0 : test, validation: told.validation ? 0 : validation };
  for (const example of examples) {
    const given = sideOf?.(example);
    if (given === "validation" || given === "test") {
      split[given].push(example);
      continue;
    }
    const group = groupOf(example);
    let side = known.get(group);
    if (side === undefined) {
      const place = Number.parseInt((await sha256([group])).slice(0, 8), 16) / 2 ** 32;
      side = place < shares.test ? "test" : place < shares.test + shares.validation ? "validation" : "train";
      known.set(group, side);
    }
    split[side].push(example);
  }
  for (const side of ["train", "validation", "test"] as const) {
    if (split[side].length > 0 || (side !== "train" && shares[side] === 0)) continue;
    throw new HeptagenError("data/empty", `expected examples for ${side}, got none of ${examples.length}`, {
      facts: { train: split.train.length, validation: split.validation.length, test: split.test.length },
      next:
        side === "train" ? "Give more examples, or keep less for validation and test." : `Give more examples, or raise ${side}.`,
    });
  }
  return split;
}

/** Groups of one side that are on another too: none, if nothing leaks. */
export function sharedGroups<Example>(
  a: readonly Example[],
  b: readonly Example[],
  groupOf: (example: Example) => string,
): string[] {
  const groups = new Set(a.map(groupOf));
  return [...new Set(b.map(groupOf))].filter((group) => groups.has(group));
}
