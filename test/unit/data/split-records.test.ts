/** Splits of examples: nothing lost, and nothing of one side on another. */
import { expect, it } from "vitest";
import { sharedGroups, splitRecords } from "../../../src/data/index.ts";

const rows = Array.from({ length: 600 }, (_, i) => ({ text: `text ${(i * 7) % 250}`, group: `g${(i * 7) % 90}` }));
const options = { validation: 0.3, test: 0.2, groupOf: ({ text }: (typeof rows)[number]) => text };
const pairs = [
  ["train", "validation"],
  ["train", "test"],
  ["validation", "test"],
] as const;

it("keeps equal inputs on one side, whatever the order and however many others there are", async () => {
  const split = await splitRecords(rows, options);
  expect([...split.train, ...split.validation, ...split.test].length).toBe(rows.length);
  for (const [a, b] of pairs) expect(sharedGroups(split[a], split[b], options.groupOf)).toEqual([]);
  expect(split.test.length).toBeGreaterThan(60);
  expect(split.validation.length).toBeGreaterThan(120);
  const half = await splitRecords([...rows.slice(0, 300)].reverse(), options);
  expect(half.test.every((row) => split.test.includes(row))).toBe(true);
  expect(sharedGroups(split.train, split.train.slice(0, 1), options.groupOf)).toHaveLength(1);
});
it("keeps groups and equal inputs on one side, also those that are linked in turn", async () => {
  // a and b share an input, b and c another: one family of three groups; so are d, e, f and so on.
  const linked = Array.from({ length: 300 }, (_, i) => {
    const [family, k] = [Math.floor(i / 3), i % 3];
    return [0, 1].map((j) => ({ text: `${family}/${Math.min(2, k + j)}`, group: `g${family}-${k}` }));
  }).flat();
  type Row = (typeof linked)[number];
  const both = { validation: 0.3, test: 0.2, groupOf: ({ group }: Row) => group, inputOf: ({ text }: Row) => text };
  const split = await splitRecords(linked, both);
  for (const [a, b] of pairs) {
    expect(sharedGroups(split[a], split[b], both.groupOf)).toEqual([]);
    expect(sharedGroups(split[a], split[b], both.inputOf)).toEqual([]);
    expect(sharedGroups(split[a], split[b], ({ text }) => text.split("/")[0] as string)).toEqual([]);
  }
  expect(split.test.length).toBeGreaterThan(60);
});
it("lets no commonplace input link everything: such examples go to training", async () => {
  const common = Array.from({ length: 200 }, (_, i) => [
    { text: "Development files", group: `g${i}` },
    { text: `text ${i}`, group: `g${i}` },
  ]).flat();
  const split = await splitRecords(common, {
    validation: 0.3,
    test: 0.2,
    groupOf: ({ group }) => group,
    inputOf: ({ text }) => text,
  });
  expect(split.train.filter(({ text }) => text === "Development files")).toHaveLength(200);
  expect(split.validation.length).toBeGreaterThan(30);
  expect(split.test.length).toBeGreaterThan(20);
});
it("follows what the data says, and then takes no more for that side", async () => {
  const told = rows.map((row, i) => ({ ...row, side: i % 10 === 0 ? ("test" as const) : undefined }));
  type Told = (typeof told)[number];
  const split = await splitRecords(told, { ...options, groupOf: ({ text }: Told) => text, sideOf: ({ side }: Told) => side });
  expect(split.test).toEqual(told.filter(({ side }) => side === "test"));
  expect(split.validation.length).toBeGreaterThan(100);
});
it("says which side has nothing", async () => {
  await expect(splitRecords(rows.slice(0, 1), { ...options, validation: 0, test: 0.001 })).rejects.toThrow(
    "expected examples for test, got none of 1",
  );
  await expect(splitRecords(rows, { ...options, validation: 0.6, test: 0.4 })).rejects.toThrow("expected shares that leave some");
});
