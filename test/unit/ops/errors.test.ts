/** Operands that do not fit: every error has a code, the real shapes in its sentence, and the line where the op was written. */
import { describe, expect, test } from "vitest";
import { barrier, input } from "../../../src/core/builtin.ts";
import { grad } from "../../../src/core/grad.ts";
import { scan } from "../../../src/core/scan.ts";
import type { Tensor } from "../../../src/core/tensor.ts";
import * as ops from "../../../src/ops/index.ts";
import { HeptagenError } from "../../../src/util/errors.ts";
import type { DType } from "../../../src/util/ndarray.ts";

const t = (shape: readonly number[], dtype: DType = "float32"): Tensor => input({ shape, dtype });
const int = (...shape: number[]) => t(shape, "int32");
const bool = (...shape: number[]) => t(shape, "bool");

function errorOf(call: () => unknown): HeptagenError {
  try {
    call();
  } catch (error) {
    if (error instanceof HeptagenError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

/** What is called, the code's last part, and what the sentence must say. */
const misuses: readonly (readonly [call: () => unknown, op: string, says: string])[] = [
  [() => ops.add(t([2, 3]), t([2])), "add", "cannot broadcast shapes [2,3] and [2]: axis -1 has sizes 3 and 2"],
  [() => ops.add(t([2]), int(2)), "add", "expected operands of one type, got float32[2] and int32[2]"],
  [() => ops.add(int(2), 0.5), "add", "expected a whole number beside an int32 tensor, got 0.5"],
  [() => ops.exp(int(2)), "exp", "expected float32, got int32[2]"],
  [() => ops.not(t([2])), "not", "expected bool, got float32[2]"],
  [() => ops.mul(bool(2), bool(2)), "mul", "expected float32 or int32, got bool[2] and bool[2]"],
  [() => ops.and(t([2]), t([2])), "and", "expected bool, got float32[2] and float32[2]"],
  [() => ops.where(t([2]), 1, 2), "where", "expected a bool condition, got float32[2]"],
  [() => ops.where(bool(2), t([3]), t([3])), "where", "cannot broadcast shapes [2] and [3] and [3]"],
  [() => ops.pow(int(2), int(2)), "pow", "expected float32, got int32[2] and int32[2]"],
  [() => ops.hardSigmoid(int(2)), "hardSigmoid", "expected float32, got int32[2]"],
  [() => ops.sum(t([2, 3]), 2), "sum", "expected an axis from -2 to 1 for float32[2,3], got 2"],
  [() => ops.sum(t([2, 3]), [1, -1]), "sum", "expected distinct axes, got [1,-1] for float32[2,3]"],
  [() => ops.sum(bool(2)), "sum", "expected float32 or int32, got bool[2]"],
  [() => ops.max(bool(2)), "max", "expected float32 or int32, got bool[2]"],
  [() => ops.max(t([0, 2])), "max", "expected at least one element, got float32[0,2]"],
  [() => ops.mean(t([0])), "mean", "expected at least one element, got float32[0]"],
  [() => ops.argmax(bool(2)), "argmax", "expected float32 or int32, got bool[2]"],
  [() => ops.cumsum(t([]), 0), "cumsum", "for float32[], got 0"],
  [() => ops.softmax(int(2)), "softmax", "expected float32, got int32[2]"],
  [() => ops.logSoftmax(t([2]), 1), "logSoftmax", "expected an axis from -1 to 0 for float32[2], got 1"],
  [() => ops.layerNorm(t([2, 3]), t([2])), "layerNorm", "expected [3] for float32[2,3], got float32[2]"],
  [() => ops.layerNorm(int(2, 3), t([3])), "layerNorm", "expected operands of one type, got int32[2,3] and float32[3]"],
  [() => ops.reshape(t([2, 3]), [4, -1]), "reshape", "cannot see float32[2,3] (6 elements) as [4,-1]"],
  [() => ops.reshape(t([2, 3]), [-1, -1]), "reshape", "as [-1,-1]"],
  [() => ops.transpose(t([2, 3]), [0, 0]), "transpose", "perm must permute 2 axes; got [0,0] for float32[2,3]"],
  [() => ops.transpose(t([3])), "transpose", "for float32[3]"],
  [() => ops.broadcastTo(t([3]), [3, 2]), "broadcastTo", "axis -1 has sizes 3 and 2"],
  [
    () => ops.concat([t([2, 3]), t([3, 3])], 1),
    "concat",
    "expected tensors alike but for axis 1, got float32[2,3], float32[3,3]",
  ],
  [() => ops.concat([]), "concat", "expected at least one tensor, got none"],
  [() => ops.concat([t([2]), int(2)]), "concat", "got float32[2], int32[2]"],
  [() => ops.split(t([5]), 2), "split", "expected sizes that add up to 5 (axis 0 of float32[5]), got 2"],
  [() => ops.split(t([5]), [2, 2]), "split", "got 2,2"],
  [() => ops.slice(t([5]), { 0: { start: 3, stop: 3 } }), "slice", "nothing is left of axis 0 of float32[5] from 3 to 3 by 1"],
  [() => ops.slice(t([5]), { 1: { start: 0 } }), "slice", "expected an axis from -1 to 0 for float32[5], got 1"],
  [() => ops.pad(t([2, 2]), [[1, 1]]), "pad", "expected 2 pairs of non-negative sizes for float32[2,2], got [[1,1]]"],
  [() => ops.pad(t([2]), [[2, 0]], { mode: "reflect" }), "pad", "cannot reflect 2 elements of axis 0 of float32[2]: at most 1"],
  [
    () => ops.matmul(t([2, 3]), t([2, 3])),
    "matmul",
    "expected inner dimensions to agree, got float32[2,3] and float32[2,3]: 3 and 2",
  ],
  [() => ops.matmul(t([2, 3]), t([3, 2]), { transposeB: true }), "matmul", "(transposeA false, transposeB true): 3 and 2"],
  [() => ops.matmul(t([2, 2, 3]), t([3, 3, 2])), "matmul", "cannot broadcast shapes [2] and [3]"],
  [() => ops.matmul(t([2, 3]), t([])), "matmul", "expected float32 tensors of rank 1 or more, got float32[2,3] and float32[]"],
  [() => ops.matmul(int(2, 2), int(2, 2)), "matmul", "got int32[2,2] and int32[2,2]"],
  [() => ops.einsum("ij,jk", t([2, 2]), t([2, 2])), "einsum", 'for 2 operands, got "ij,jk"'],
  [() => ops.einsum("ij,jk->ik", t([2, 3]), t([2, 2])), "einsum", '"j" stands for 3 and for 2'],
  [() => ops.einsum("ii->i", t([2, 2])), "einsum", 'expected 2 distinct letters for float32[2,2], got "ii"'],
  [() => ops.einsum("ij->ik", t([2, 2])), "einsum", '"ik" does not follow from "ij"'],
  [() => ops.gather(t([2, 3]), t([2])), "gather", "expected int32 indices, got float32[2]"],
  [() => ops.scatterAdd(t([2, 3]), int(3), { size: 4 }), "scatterAdd", "at axis 0, got float32[2,3] and int32[3]"],
  [() => ops.scatterAdd(bool(2), int(2), { size: 4 }), "scatterAdd", "expected float32 or int32, got bool[2]"],
  [
    () => ops.takeAlongAxis(t([2, 3]), int(3, 3)),
    "takeAlongAxis",
    "expected shapes alike but for axis 1, got float32[2,3] and int32[3,3]",
  ],
  [
    () => ops.scatterAddAlongAxis(t([2, 3]), int(2, 2), { size: 3 }),
    "scatterAddAlongAxis",
    "expected equal shapes, got float32[2,3] and int32[2,2]",
  ],
  [() => ops.topK(t([2, 3]), 4), "topK", "expected k from 1 to 3 for axis 1 of float32[2,3], got 4"],
  [
    () => ops.conv(t([1, 2, 5]), t([3, 3, 2])),
    "conv",
    "expected 3 input channels for the kernel float32[3,3,2], got float32[1,2,5]",
  ],
  [() => ops.conv(t([1, 2, 2]), t([3, 2, 3])), "conv", "the kernel float32[3,2,3] does not fit into float32[1,2,2]"],
  [() => ops.conv(t([2, 5]), t([3, 2])), "conv", "1 to 3 spatial axes, got float32[2,5] and float32[3,2]"],
  [
    () => ops.conv(t([1, 2, 5]), t([3, 1, 2]), { groups: 2 }),
    "conv",
    "expected output channels divisible by 2 groups, got float32[3,1,2]",
  ],
  [() => ops.conv(t([1, 2, 5]), t([3, 2, 2]), { stride: [1, 2] }), "conv", "expected stride for 1 spatial axes, got [1,2]"],
  [() => ops.conv(t([1, 2, 5]), t([3, 2, 2]), { stride: 0 }), "conv", "got stride [0]"],
  [
    () => ops.convTranspose(t([1, 3, 5]), t([3, 2, 2]), { groups: 2 }),
    "convTranspose",
    "divisible by 2 groups, got float32[3,2,2]",
  ],
  [
    () => ops.convTranspose(t([1, 3, 5]), t([3, 2, 2]), { stride: 2, outputPadding: 2 }),
    "convTranspose",
    "from 0 to stride - 1, got 2",
  ],
  [() => ops.convTranspose(t([1, 3, 1]), t([3, 2, 2]), { padding: 1 }), "convTranspose", "nothing is left of float32[1,3,1]"],
  [() => ops.maxPool(t([1, 2, 3]), 4), "maxPool", "the window 4 with padding 0 does not fit float32[1,2,3]"],
  [() => ops.avgPool(t([1, 2, 3]), 2, { padding: 2 }), "avgPool", "the window 2 with padding 2 does not fit"],
  [() => ops.maxPool(t([1, 2, 3]), [2, 2]), "maxPool", "got float32[1,2,3], kernel 2,2"],
  [() => ops.avgPool(t([1, 2, 3]), 2, { stride: 0 }), "avgPool", "stride 0"],
  [() => ops.resize(t([1, 2, 3]), [0]), "resize", "expected 1 positive sizes for float32[1,2,3], got [0]"],
  [() => barrier([int(2)], [t([2])]), "barrier", "expected float32 tensors to wait for, got int32[2]"],
];

describe("operands that do not fit", () => {
  test.each(misuses.map(([call, op, says]) => [op, says, call] as const))("%s: %s", (op, says, call) => {
    const error = errorOf(call);
    expect(error.code).toBe(`shape/${op}`);
    expect(error.message).toContain(`${op}: `);
    expect(error.message).toContain(says);
    expect(error.at).toMatch(/errors\.test\.ts:\d+:\d+$/);
    expect(error.message).toContain(`written at ${error.at}`);
  });
});

describe("the user's line", () => {
  /** The line this is called from, as the engine would write it. */
  const thisLine = () => /errors\.test\.ts:(\d+)/.exec(new Error().stack?.split("\n")[2] ?? "")?.[1];
  const lineOf = (error: HeptagenError) => /errors\.test\.ts:(\d+)/.exec(error.at ?? "")?.[1];

  test("is the very line where the op is called", () => {
    const [line, error] = [thisLine(), errorOf(() => ops.matmul(t([2]), t([3])))];
    expect(lineOf(error)).toBe(line);
  });

  test("is the line inside a loop's body", () => {
    let line: string | undefined;
    const step = (h: Tensor, x: Tensor): [Tensor, Tensor] => {
      line = thisLine();
      return [ops.matmul(h, x), h];
    };
    const error = errorOf(() => scan(step, t([2, 2]), t([3, 5])));
    expect(Number(lineOf(error))).toBe(Number(line) + 1);
  });

  test("is known for every node that was traced", () => {
    const [line, y] = [thisLine(), ops.softmax(ops.matmul(t([2, 2]), t([2, 2])))];
    expect(y.node.at).toMatch(new RegExp(`errors\\.test\\.ts:${line}:\\d+$`));
  });

  test("is the call of grad for what differentiation cannot do", () => {
    const [line, error] = [thisLine(), errorOf(() => grad((x: Tensor) => ops.square(x))(t([2])))];
    expect([error.code, lineOf(error)]).toEqual(["shape/grad", line]);
  });
});
