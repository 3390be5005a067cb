import { expect, test } from "vitest";
import { allocate, type DType, isNdArray, ndarray, sameShape, scalar, sizeOf } from "../../../src/util/ndarray.ts";

test("a shape's size is the product of its dimensions", () => {
  expect([sizeOf([]), sizeOf([3]), sizeOf([2, 3, 4]), sizeOf([2, 0])]).toEqual([1, 3, 24, 0]);
  expect(sameShape([2, 3], [2, 3])).toBe(true);
  expect(sameShape([2, 3], [3, 2])).toBe(false);
  expect(sameShape([2], [2, 1])).toBe(false);
});

test.each<[DType, unknown]>([
  ["float32", Float32Array],
  ["int32", Int32Array],
  ["bool", Uint8Array],
  ["int64", BigInt64Array],
])("%s is stored in its own kind of array", (dtype, kind) => {
  expect(allocate(dtype, 3)).toBeInstanceOf(kind);
  expect(Array.from(ndarray(dtype, [2], [1, 0]).data, Number)).toEqual([1, 0]);
});

test("values must fill the shape", () => {
  expect(() => ndarray("float32", [2, 2], [1, 2, 3])).toThrow("ndarray: expected 4 values for shape [2,2], got 3");
});

test("a typed array is taken as it is, without a copy", () => {
  const data = Float32Array.of(1, 2);
  expect(ndarray("float32", [2], data).data).toBe(data);
});

test("isNdArray tells arrays from everything else", () => {
  expect(isNdArray(scalar(1))).toBe(true);
  for (const other of [null, undefined, 1, [], {}, { data: [1], shape: [1] }]) expect(isNdArray(other)).toBe(false);
});
