/**
 * Splitting examples into training, validation and test sides, so that nothing of one side is seen on another.
 *
 * Examples of the same group, or with the same input, belong together, and so does whatever they are linked to in turn: a family.
 * Where a family lands depends on its least name alone, not on the order of the examples nor on how many others there are.
 *
 * An input that many groups have (a heading, a greeting) says nothing about any of them, and would link them all into one family.
 * Such examples all go to training instead, and link nothing: so the same input still never lies on two sides.
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
  /** What is asked, where it is not the group: neither may lie on two sides. */
  inputOf?(example: Example): string;
  /** Where the data says which side an example is on. */
  sideOf?(example: Example): keyof Split<Example> | undefined;
}

/** Groups that may have the same input before it counts as commonplace. */
const fewGroups = 4;

/**
 * Splits examples by families; those with a side of their own go there.
 *
 * @throws HeptagenError `data/split` for shares that leave nothing to train, `data/empty` when a side has no example
 * @example await splitRecords(rows, { validation: 0.05, test: 0.05, groupOf: ({ values }) => values.author });
 */
export async function splitRecords<Example>(
  examples: readonly Example[],
  { validation, test, groupOf, inputOf, sideOf }: SplitOptions<Example>,
): Promise<Split<Example>> {
  if (!(validation >= 0 && test >= 0 && validation + test < 1)) {
    throw new HeptagenError("data/split", `expected shares that leave some to train, got ${validation} and ${test}`, {
      facts: { validation, test },
    });
  }
  const split: Split<Example> = { train: [], validation: [], test: [] };
  const given = examples.map((example) => sideOf?.(example));
  const shares = {
    test: given.includes("test") ? 0 : test,
    validation: given.includes("validation") ? 0 : validation,
  };
  const families = familiesOf(examples, groupOf, inputOf);
  const sides = new Map<string, keyof Split<Example>>();
  for (const [i, example] of examples.entries()) {
    const told = given[i];
    if (told === "validation" || told === "test") {
      split[told].push(example);
      continue;
    }
    const family = families[i];
    if (family === undefined) {
      split.train.push(example);
      continue;
    }
    let side = sides.get(family);
    if (side === undefined) {
      const place = Number.parseInt((await sha256([family])).slice(0, 8), 16) / 2 ** 32;
      side = place < shares.test ? "test" : place < shares.test + shares.validation ? "validation" : "train";
      sides.set(family, side);
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

/** Each example's family, by the least group in it; undefined where the input is commonplace. */
function familiesOf<Example>(
  examples: readonly Example[],
  groupOf: (example: Example) => string,
  inputOf: ((example: Example) => string) | undefined,
): (string | undefined)[] {
  const groups = examples.map(groupOf);
  if (!inputOf) return groups;
  const groupsOfInput = new Map<string, Set<string>>();
  examples.forEach((example, i) => {
    const input = inputOf(example);
    const own = groupsOfInput.get(input) ?? new Set();
    groupsOfInput.set(input, own.add(groups[i] as string));
  });
  const parents = new Map<string, string>();
  const least = (name: string): string => {
    let root = name;
    for (let up = parents.get(root); up !== undefined; up = parents.get(root)) root = up;
    for (let at = name; at !== root; ) {
      const up = parents.get(at) as string;
      parents.set(at, root);
      at = up;
    }
    return root;
  };
  for (const own of groupsOfInput.values()) {
    if (own.size > fewGroups) continue;
    const [first, ...others] = own;
    for (const other of others) {
      const [a, b] = [least(first as string), least(other)];
      if (a !== b) parents.set(a < b ? b : a, a < b ? a : b);
    }
  }
  return examples.map((example, i) => {
    const common = (groupsOfInput.get(inputOf(example))?.size ?? 0) > fewGroups;
    return common ? undefined : least(groups[i] as string);
  });
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
