/** What reaches the model: equal computations once, dead ones not at all, and of a loop only what somebody reads. */
import type { GraphProto, ModelProto, NodeProto } from "onnx-buf";
import { describe, expect, test } from "vitest";
import { constant, input } from "../../../src/core/builtin.ts";
import { grad, valueAndGrad } from "../../../src/core/grad.ts";
import { normal, TracedKey } from "../../../src/core/random.ts";
import { remat } from "../../../src/core/remat.ts";
import { scan, whileLoop } from "../../../src/core/scan.ts";
import type { Tensor } from "../../../src/core/tensor.ts";
import { buildModel, encodeModel } from "../../../src/onnx/index.ts";
import * as ops from "../../../src/ops/index.ts";

const { add, exp, matmul, mul, sum } = ops;
const float = (...shape: number[]): Tensor => input({ shape, dtype: "float32" });

/** The model of some outputs; given tensors are its inputs. */
function lower(inputs: readonly Tensor[], outputs: readonly Tensor[]): ModelProto {
  return buildModel({
    inputs: inputs.map((x, i) => [`x${i}`, x] as const),
    outputs: outputs.map((y, i) => [`y${i}`, y] as const),
  });
}

const nodesOf = (model: ModelProto): readonly NodeProto[] => model.graph?.node ?? [];
const types = (model: ModelProto): string[] => nodesOf(model).map((node) => node.opType);
const count = (model: ModelProto, type: string): number => types(model).filter((t) => t === type).length;

/** The loops of a model and their bodies. */
function loops(model: ModelProto): { node: NodeProto; body: GraphProto }[] {
  return nodesOf(model).flatMap((node) => node.attribute.flatMap(({ g }) => (g ? [{ node, body: g }] : [])));
}

describe("common subexpressions", () => {
  test("equal ops on equal inputs are computed once", () => {
    const x = float(2, 3);
    const model = lower([x], [add(exp(mul(x, 2)), 1), mul(exp(mul(x, 2)), 3)]);
    expect([count(model, "Exp"), count(model, "Mul")]).toEqual([1, 2]);
  });

  test("also with equal constants, written apart", () => {
    const x = float(2);
    const c = () => constant({ dtype: "float32", shape: [2], data: Float32Array.of(1, 2) });
    const model = lower([x], [exp(add(x, c())), ops.tanh(add(x, c()))]);
    expect([count(model, "Add"), model.graph?.initializer.length]).toEqual([1, 1]);
  });

  test("parameters and order of operands keep ops apart", () => {
    const [x, y] = [float(2, 2), float(2, 2)];
    expect(count(lower([x, y], [sum(x, 0), sum(x, 1), sum(y, 0)]), "ReduceSum")).toBe(3);
    expect(count(lower([x, y], [ops.sub(x, y), ops.sub(y, x)]), "Sub")).toBe(2);
  });

  test("infinities of both signs, NaN and zeros are not equal", () => {
    const values = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, 0, -0];
    expect(
      count(
        lower(
          [],
          values.map((value) => ops.full([2], value)),
        ),
        "ConstantOfShape",
      ),
    ).toBe(values.length);
    const x = float(2);
    expect(
      count(
        lower(
          [x],
          values.map((value) => ops.pad(x, [[1, 0]], { value })),
        ),
        "Pad",
      ),
    ).toBe(values.length);
  });

  test("a loop body reads what was computed outside, and shares its own", () => {
    const [h0, w] = [float(2, 2), float(2, 2)];
    const outside = exp(w);
    const [end] = scan((h: Tensor, _: readonly Tensor[]) => [add(matmul(h, exp(w)), matmul(h, exp(w))), []], h0, [], {
      length: 3,
    });
    const model = lower([h0, w], [end, outside]);
    const [loop] = loops(model);
    expect(count(model, "Exp")).toBe(1);
    expect(loop?.body.node.map((n) => n.opType)).toEqual(["MatMul", "Add"]);
  });

  test("draws under different names stay apart, and so does what remat computes again", () => {
    const key = new TracedKey(0);
    const [a, b] = [normal(key.fold("a"), [2]), normal(key.fold("b"), [2])];
    expect(count(lower([a, b], [exp(a), exp(b)]), "Exp")).toBe(2);
    const x = float(2, 2);
    const loss = (f: (y: Tensor) => Tensor) => (y: Tensor) => sum(mul(f(f(y)), y));
    const block = (y: Tensor) => ops.tanh(matmul(y, y));
    const both = (f: (y: Tensor) => Tensor) => {
      const { value, grads } = valueAndGrad(loss(f))(x);
      return count(lower([x], [value, grads]), "Tanh");
    };
    expect([both(block), both(remat(block))]).toEqual([2, 4]);
  });

  test("the backward pass reuses the forward pass", () => {
    const x = float(2, 3);
    const { value, grads } = valueAndGrad((y: Tensor) => sum(ops.square(ops.softmax(y))))(x);
    expect(count(lower([x], [value, grads]), "Softmax")).toBe(1);
  });
});

describe("dead code", () => {
  test("what no output needs is absent, and so are its constants", () => {
    const x = float(2);
    ops.tanh(add(exp(x), constant({ dtype: "float32", shape: [2], data: Float32Array.of(7, 8) })));
    const model = lower([x], [mul(x, x)]);
    expect(types(model)).toEqual(["Mul"]);
    expect(model.graph?.initializer).toEqual([]);
  });

  test("a gradient alone does not compute the value", () => {
    const x = float(2);
    expect(types(lower([x], [grad((y: Tensor) => sum(ops.sin(y)))(x)]))).not.toContain("Sin");
  });

  test("outputs nobody reads are left out, the first excepted", () => {
    const x = float(2, 3);
    const [scale] = [float(3)];
    const outputs = (model: ModelProto, type: string) =>
      nodesOf(model)
        .find((n) => n.opType === type)
        ?.output.filter((o) => o !== "").length;
    expect(outputs(lower([x, scale], [ops.layerNorm(x, scale)]), "LayerNormalization")).toBe(1);
    const gradient = grad((y: Tensor) => sum(mul(ops.layerNorm(y, scale), ops.stopGradient(y))))(x);
    expect(outputs(lower([x, scale], [gradient]), "LayerNormalization")).toBe(3);
    const image = float(1, 1, 4);
    expect(outputs(lower([image], [ops.maxPool(image, 2)]), "MaxPool")).toBe(1);
  });
});

describe("loops", () => {
  const rnn = (h0: Tensor, xs: Tensor, w: Tensor) => {
    const step = (h: Tensor, x: Tensor): [Tensor, Tensor] => {
      const next = ops.tanh(add(matmul(h, w), x));
      return [next, next];
    };
    return scan(step, h0, xs);
  };
  const given = () => [float(2, 2), float(3, 2, 2), float(2, 2)] as const;

  test("stacked outputs nobody reads are not stacked", () => {
    const [h0, xs, w] = given();
    const both = loops(lower([h0, xs, w], rnn(h0, xs, w)))[0];
    const last = loops(lower([h0, xs, w], [rnn(h0, xs, w)[0]]))[0];
    expect([both?.node.output.length, last?.node.output.length]).toEqual([2, 1]);
    expect([both?.body.output.length, last?.body.output.length]).toEqual([2, 1]);
  });

  test("what only the backward pass needs is stacked for it, and for it alone", () => {
    const [h0, xs, w] = given();
    const loss = (weight: Tensor) => {
      const [h, hs] = rnn(h0, xs, weight);
      return add(sum(h), sum(hs));
    };
    const { value, grads } = valueAndGrad(loss)(w);
    const trained = loops(lower([h0, xs, w], [value, grads]));
    // Forward: the last state, the outputs (which are the states the backward pass reads) and the states before each step.
    expect(trained.map(({ node }) => node.output.length)).toEqual([3, 2]);
    // The same graph, asked for its value only: the scan has grown outputs since, but nobody reads them here.
    const evaluated = loops(lower([h0, xs, w], [value]));
    expect(evaluated.map(({ node, body }) => [node.output.length, body.output.length])).toEqual([[2, 2]]);
  });

  test("a captured weight's gradient is one product after the loop", () => {
    const [h0, xs, w] = given();
    const gradient = grad((weight: Tensor) => sum(rnn(h0, xs, weight)[0]))(w);
    const model = lower([h0, xs, w], [gradient]);
    const [, backward] = loops(model);
    // Inside: the step back through the weight. Outside: [T·B, H]ᵀ [T·B, H].
    expect(backward?.body.node.filter((n) => /Gemm|MatMul/.test(n.opType)).length).toBe(1);
    expect(types(model).filter((t) => /Gemm|MatMul/.test(t)).length).toBe(1);
  });

  test("every value of a model has one maker", () => {
    const [h0, xs, w] = given();
    const { value, grads } = valueAndGrad((weight: Tensor) => {
      const [h] = rnn(h0, xs, weight);
      return sum(
        whileLoop(
          (s) => ops.less(sum(s), 9),
          (s) => add(exp(s), ops.square(s)),
          ops.stopGradient(h),
          { limit: 4 },
        ),
      );
    })(w);
    const model = lower([h0, xs, w], [value, grads]);
    const made: string[] = [];
    const collect = (graph: GraphProto | undefined): void => {
      for (const { name } of graph?.input ?? []) made.push(name);
      for (const { name } of graph?.initializer ?? []) made.push(name);
      for (const node of graph?.node ?? []) {
        made.push(...node.output.filter((o) => o !== ""));
        for (const { g } of node.attribute) collect(g);
      }
    };
    collect(model.graph);
    expect(made.filter((name, i) => made.indexOf(name) !== i)).toEqual([]);
    expect(encodeModel(model).length).toBeGreaterThan(100);
  });
});

describe("size", () => {
  test("zeros are made when the graph runs", () => {
    const [table, ids] = [float(5000, 64), input({ shape: [8], dtype: "int32" })];
    const model = lower([table, ids], [grad((t: Tensor) => sum(ops.exp(ops.gather(t, ids))))(table)]);
    expect(encodeModel(model).length).toBeLessThan(4000);
  });
});

test("a kernel that a loop does not change is arranged before the loop, one that it makes inside", () => {
  const [x, w] = [float(1, 16, 4, 4), float(16, 16, 3, 3)];
  const reorders = (step: (h: Tensor) => Tensor): [number, number] => {
    const [end] = scan((h: Tensor) => [step(h), []] as const, x, [], { length: 3 });
    const model = buildModel(
      {
        inputs: [
          ["x", x],
          ["w", w],
        ],
        outputs: [["y", end]],
      },
      { channelBlock: 8 },
    );
    const inside = loops(model)[0]?.body.node.filter(({ opType }) => opType === "ReorderInput").length ?? 0;
    return [count(model, "ReorderInput"), inside];
  };
  expect(reorders((h) => ops.conv(h, w, { padding: 1 }))).toEqual([1, 1]);
  expect(reorders((h) => ops.conv(h, mul(w, sum(h)), { padding: 1 }))).toEqual([0, 2]);
});
