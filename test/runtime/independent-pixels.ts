/** The simplest image family there is, for tests of the task: every pixel is black or white on its own. */
import { z } from "zod";
import type { Tensor } from "../../src/core/index.ts";
import {
  add,
  cast,
  gather,
  greater,
  less,
  mean,
  mul,
  reshape,
  sigmoid,
  softplus,
  sub,
  sum,
  uniform,
  where,
} from "../../src/ops/index.ts";
import { compile } from "../../src/runtime/index.ts";
import type { ImageFamily, ImageSizes } from "../../src/tasks/generate-image/image-family.ts";
import type { NdArray } from "../../src/util/ndarray.ts";
import { type Key, key } from "../../src/util/random.ts";
import type { Tree } from "../../src/util/tree.ts";

type Config = ImageSizes & { readonly start: number };
const logitsOf = (params: Tree<Tensor>, labels: Tensor): Tensor => gather((params as { logits: Tensor }).logits, labels);

/** Nats of each picture, its pixels taken as white from one half on: [B]. */
function nats(params: Tree<Tensor>, images: Tensor, labels: Tensor): Tensor {
  const logits = logitsOf(params, labels);
  const white = greater(images, 0.5);
  return sum(softplus(where(white, mul(logits, -1), logits)), [1, 2, 3]);
}

export const independentPixels: ImageFamily<Config> = {
  name: "independent",
  options: z.strictObject({ start: z.number().describe("the score that pixels begin with") }),
  sampling: z.strictObject({ threshold: z.number().default(0).describe("added to every score") }),
  startsFrom: true,
  configure: (options, sizes) => ({ ...sizes, start: options.start as number }),
  init: ({ classes, channels, height, width, start }) => {
    const shape = [Math.max(1, classes), channels, height, width];
    const data = new Float32Array(shape.reduce((a, b) => a * b)).fill(start);
    return { logits: { dtype: "float32", shape, data } };
  },
  objectives: () => [{ name: "model", loss: (params, { images, labels }) => ({ loss: mean(nats(params, images, labels)) }) }],
  measure: (_, params, { images, labels, mask }) => ({
    nats: { sum: sum(mul(nats(params, images, labels), mask)), count: sum(mask) },
  }),
  measureNames: {},
  score: "nats",
  async openSampler({ channels, height, width }, params, { count, options, given, device }) {
    const shape = [count, channels, height, width];
    const draw = (p: Tree<Tensor>, labels: Tensor, start: Tensor, mask: Tensor, k: never): Tensor => {
      const chance = sigmoid(add(logitsOf(p, labels), options.threshold as number));
      const drawn = cast(less(uniform(k, shape), chance), "float32");
      return given ? add(mul(mask, drawn), mul(sub(1, mask), start)) : drawn;
    };
    const zeros = (sizes: number[]): NdArray => ({
      dtype: "float32",
      shape: sizes,
      data: new Float32Array(sizes.reduce((a, b) => a * b)),
    });
    const nothing = { images: zeros(shape), mask: zeros([count, 1, height, width]) };
    const labels: NdArray = { dtype: "int32", shape: [count], data: new Int32Array(count) };
    const example: [Tree<NdArray>, NdArray, NdArray, NdArray, Key] = [params, labels, nothing.images, nothing.mask, key(0)];
    const executable = await compile(draw as never, example, device ? { device } : {});
    return {
      run: async (own, request) => {
        const { images, mask } = request.given ?? nothing;
        return (await executable.run(own, request.labels, images, mask, key(request.seed))) as unknown as NdArray;
      },
      dispose: () => executable.dispose(),
    };
  },
  inspect: async ({ validation, classes }) => ({
    pictures: [{ name: "nothing", caption: classes.join(" "), content: new Uint8Array([1, 2, 3]) }],
    measures: [{ key: "seen", name: "pictures seen", value: validation.images.shape[0] as number }],
  }),
  graphs: ({ channels, height, width }) => [
    {
      name: "probabilities",
      inputs: [{ name: "labels", dtype: "int32", shape: ["batch"], note: "classes" }],
      output: { name: "white", note: "how likely each pixel is white" },
      apply: (params, labels) =>
        reshape(sigmoid(logitsOf(params, labels as Tensor)), [(labels as Tensor).shape[0] as number, channels, height, width]),
    },
  ],
  watch: () => {
    let told = false;
    return (step) => {
      if (told || step < 3) return undefined;
      told = true;
      return "pixels are independent: choose a better family";
    };
  },
};
