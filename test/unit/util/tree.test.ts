import fc from "fast-check";
import { expect, test } from "vitest";
import { flatten, mapTree, unflatten, zipTrees } from "../../../src/util/tree.ts";

const isNumber = (value: unknown): value is number => typeof value === "number";
const parameters = { wte: 1, blocks: [{ attn: { weight: 2 } }, { attn: { weight: 3 } }], head: null };

test("leaves are visited in insertion order under dotted paths", () => {
  expect(flatten(parameters, isNumber)).toEqual([
    { path: "wte", leaf: 1 },
    { path: "blocks.0.attn.weight", leaf: 2 },
    { path: "blocks.1.attn.weight", leaf: 3 },
  ]);
  expect(flatten(7, isNumber)).toEqual([{ path: "", leaf: 7 }]);
});

test("mapTree keeps the structure and passes the path", () => {
  expect(mapTree(parameters, isNumber, (leaf: number, path) => `${path}=${leaf}`)).toEqual({
    wte: "wte=1",
    blocks: [{ attn: { weight: "blocks.0.attn.weight=2" } }, { attn: { weight: "blocks.1.attn.weight=3" } }],
    head: null,
  });
});

test("something that is neither leaf, array nor plain object is refused with its path", () => {
  expect(() => flatten({ a: { b: "text" } }, isNumber)).toThrow('expected a tensor at "a.b", got string text');
  expect(() => flatten({ a: new Map() }, isNumber)).toThrow('expected a tensor at "a", got a Map');
});

test("zipTrees joins equal trees and names the path that differs", () => {
  const add = ([a = 0, b = 0]: number[]) => a + b;
  expect(
    zipTrees(
      [
        { a: 1, b: [2] },
        { a: 10, b: [20] },
      ],
      isNumber,
      add,
    ),
  ).toEqual({ a: 11, b: [22] });
  expect(() => zipTrees([{ a: 1, b: 2 }, { a: 1 }], isNumber, add)).toThrow('"b" is missing from one of them');
  expect(() => zipTrees([{ a: 1 }, { a: 1, c: 2 }], isNumber, add)).toThrow('"c" is missing from the first of them');
});

test("unflatten undoes flatten for every tree of named parameters", () => {
  // Keys of letters: digits alone would be read back as array indices. Empty containers have no leaves to come back from.
  const key = fc.stringMatching(/^[a-z]{1,5}$/).filter((name) => !(name in Object.prototype));
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof({ maxDepth: 4 }, fc.integer(), tie("object"), tie("array")),
    object: fc.dictionary(key, tie("tree"), { minKeys: 1, maxKeys: 4 }),
    array: fc.array(tie("tree"), { minLength: 1, maxLength: 4 }),
  }));
  const root = fc.dictionary(key, tree, { minKeys: 1, maxKeys: 4 });
  fc.assert(
    fc.property(root, (value) => {
      const leaves = flatten(value, isNumber).map(({ path, leaf }) => [path, leaf] as const);
      expect(unflatten(leaves)).toEqual({ ...value });
    }),
  );
});

test("a path through a leaf is refused", () => {
  expect(() =>
    unflatten([
      ["a", 1],
      ["a.b", 2],
    ]),
  ).toThrow('"a.b" runs through a leaf at "a"');
});
