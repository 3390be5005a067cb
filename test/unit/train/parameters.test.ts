import { expect, test } from "vitest";
import { flattenParameters, restoreTree } from "../../../src/train/index.ts";
import { parseJson, stringifyJson } from "../../../src/train/json.ts";
import { ndarray } from "../../../src/util/ndarray.ts";

const w = ndarray("float32", [2], [1, 2]);
const b = ndarray("int32", [], [3]);

test("a tree and its flat map go back and forth; structure without arrays is the template's", () => {
  const tree = { blocks: [{ w }, { w, dropped: null }], empty: [], head: { b } };
  const flat = flattenParameters(tree);
  expect([...flat.keys()]).toEqual(["blocks.0.w", "blocks.1.w", "head.b"]);
  const specs = {
    blocks: [{ w: { dtype: "float32", shape: [2] } }, { w: { dtype: "float32", shape: [2] }, dropped: null }],
    empty: [],
    head: { b: { dtype: "int32", shape: [] } },
  };
  expect(restoreTree(specs, flat)).toEqual(tree);
  expect(restoreTree(w, flattenParameters(w))).toBe(w); // a tree may be one leaf
  const typed: typeof tree = restoreTree(tree, flat);
  expect(typed).toEqual(tree);
});

test("keys with dots that meet are refused", () => {
  expect(() => flattenParameters({ "a.b": w, a: { b } })).toThrow('expected one array at "a.b", got two: a key contains a dot');
});

test("every missing, extra and different array is named", () => {
  const layers = Object.fromEntries(Array.from({ length: 7 }, (_, i) => [`layer${i}`, w]));
  const flat = new Map([
    ["head.wieght", w],
    ["head.bias", ndarray("float32", [3], [1, 2, 3])],
    ["head.count", w],
  ]);
  const template = { head: { weight: w, bias: w, count: b }, ...layers };
  expect(() => restoreTree(template, flat, "model.safetensors")).toThrowErrorMatchingInlineSnapshot(`
    [HeptagenError: model.safetensors: expected the 10 arrays of the model, got 3 that do not fit
      missing: head.weight (there is head.wieght)
      missing: layer0
      missing: layer1
      missing: layer2
      missing: layer3
      missing: and 3 more
      not expected: head.wieght
      different: head.bias: expected float32 [2], got float32 [3]
      different: head.count: expected int32 [], got float32 [2]
      → Load it with the configuration it was saved with.]
  `);
});

test("JSON gives back what was put in, or names what it cannot hold", () => {
  const state = { step: 1, best: null, nested: [{ seed: "2^64" }], left: undefined };
  expect(parseJson(stringifyJson(state, "state"), "state.json")).toEqual({ step: 1, best: null, nested: [{ seed: "2^64" }] });
  expect(stringifyJson([1], "list", 0)).toBe("[1]");
  for (const [value, message] of [
    [{ loss: Number.NaN }, "state.loss: expected something JSON can hold, got number NaN"],
    [[1, undefined], "state.1: expected something JSON can hold, got undefined undefined"],
    [{ a: { b: 3n } }, "state.a.b: expected something JSON can hold, got bigint 3"],
    [{ when: new Date(0) }, "state.when: expected something JSON can hold, got a Date"],
    [new Map(), "state: expected something JSON can hold, got a Map"],
  ] as const) {
    expect(() => stringifyJson(value, "state")).toThrow(message);
  }
  expect(() => parseJson("{", "state.json")).toThrow(/^state.json: expected JSON, got something else \(/);
});
