/** A training step writes its new state over the old: every parameter and moment may share its buffer. */
import { expect, test } from "vitest";
import { input } from "../../../src/core/builtin.ts";
import { isTensor, type Tensor, valueAndGrad } from "../../../src/core/index.ts";
import { buildModel, canShareBuffer } from "../../../src/onnx/index.ts";
import { add, matmul, mean, reshape, square, sub, tanh } from "../../../src/ops/index.ts";
import { adamw, clipFactor, globalNorm, lion, sgd, updateAverage } from "../../../src/optim/index.ts";
import { isNdArray, type NdArray, ndarray, type Shape, sizeOf } from "../../../src/util/ndarray.ts";
import { flatten, mapTree } from "../../../src/util/tree.ts";

const blank = (shape: Shape): NdArray => ndarray("float32", shape, new Float32Array(sizeOf(shape)));
const network = { first: { weight: blank([3, 4]), bias: blank([4]) }, second: { weight: blank([4, 4]), bias: blank([4]) } };
type Network = { [Layer in keyof typeof network]: { weight: Tensor; bias: Tensor } };

const optimizers = [
  adamw({ weightDecay: 0.1 }),
  adamw({ weightDecay: 0 }),
  lion({ weightDecay: 0.1 }),
  sgd({ weightDecay: 0.1 }),
  sgd({ momentum: 0.9, weightDecay: 0.1 }),
  sgd({ momentum: 0.9, nesterov: true }),
];

test.each(optimizers.flatMap((optimizer, i) => [1, Number.POSITIVE_INFINITY].map((maxNorm) => [optimizer, maxNorm, i] as const)))(
  "$name, clipped to %s (case %i)",
  (optimizer, maxNorm) => {
    const place = (tree: unknown) => mapTree(tree, isNdArray, (x: NdArray) => input(x));
    const carried = {
      params: place(network) as Network,
      state: place(optimizer.init(network)),
      average: place(network) as Network,
    };
    const [x, y, learningRate, step] = [input(blank([5, 3])), input(blank([5, 4])), input(blank([])), input(blank([]))] as const;
    const layer = ({ weight, bias }: Network["first"], h: Tensor) => tanh(add(matmul(h, weight), bias));
    const loss = ({ first, second }: Network) => mean(square(sub(layer(second, layer(first, x)), y)));

    const { value, grads } = valueAndGrad(loss)(carried.params);
    const next = optimizer.update(carried.params, grads, carried.state as Parameters<typeof optimizer.update>[2], {
      learningRate,
      step,
      gradientScale: clipFactor(globalNorm(grads), maxNorm),
    });
    const average = updateAverage(carried.average, next.params, { decay: 0.99, warmup: step });

    const named = (tree: unknown, kind: string) =>
      flatten(tree, isTensor).map(({ leaf, path }) => [`${kind} ${path}`, leaf] as const);
    const [before, after] = [named(carried, "old"), named({ ...next, average }, "new")];
    const scalars = [x, y, learningRate, step].map((tensor, i) => [`other ${i}`, tensor] as const);
    const model = buildModel({ inputs: [...before, ...scalars], outputs: [...after, ["loss", value]] });
    const pairs = before.map(([name], i) => [name, after[i]?.[0] as string] as const);
    const alone = canShareBuffer(model, pairs).flatMap((shared, i) => (shared ? [] : [pairs[i]?.[1]]));
    expect(alone).toEqual([]);
  },
);

test("a reader of a reshaped parameter counts as a reader of the parameter", () => {
  // The loss is linear, so the gradient does not wait for the loss: the new weight could be written before the loss is computed.
  const [weight, x] = [input(blank([1, 2, 2])), input(blank([3, 4]))];
  const { value, grads } = valueAndGrad((w: Tensor) => mean(matmul(x, reshape(w, [4, 1]))))(weight);
  const outputs = [["new", sub(weight, grads)] as const, ["loss", value] as const];
  const model = buildModel({ inputs: [["old", weight] as const, ["x", x] as const], outputs });
  expect(canShareBuffer(model, [["old", "new"]])).toEqual([false]);
});
