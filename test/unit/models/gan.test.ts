/** GANs: the gradient of a gradient against differences in float64, what configurations refuse, and how latents are drawn. */
import { describe, expect, test } from "vitest";
import type { Tensor } from "../../../src/core/index.ts";
import { type Discriminator, type GanConfig, ganDefaults, growth, init } from "../../../src/models/gan.ts";
import { squaredSlopes } from "../../../src/models/gan-losses.ts";
import { add, mean, sqrt, square, sub } from "../../../src/ops/index.ts";
import { drawLatents, interpolated } from "../../../src/tasks/families/gan-sampler.ts";
import { flattenParameters } from "../../../src/train/parameters.ts";
import { isNdArray, type NdArray } from "../../../src/util/ndarray.ts";
import { key } from "../../../src/util/random.ts";
import { mapTree } from "../../../src/util/tree.ts";
import { compare } from "../../ops/differences.ts";
import { type Make, normal, sample } from "../../ops/samples/make.ts";

const tiny: GanConfig = { ...ganDefaults, channels: 1, height: 8, width: 8, latent: 2, generatorWidth: 2, discriminatorWidth: 2 };

describe("penalties on the slope: their gradients against differences", () => {
  const cases = [
    { ...tiny, normalization: "none" },
    { ...tiny, height: 16, width: 16, normalization: "layer" },
    // Few units: where a difference carries one over the kink of its ReLU, the slope jumps.
    { ...tiny, height: 4, width: 4, discriminatorWidth: 1, architecture: "residual", normalization: "layer" },
  ] as const;
  test.each(cases)("$architecture, $normalization", (config) => {
    const { discriminator } = init(config, key(3));
    const leaves = [...flattenParameters(discriminator)];
    const makes: Make[] = leaves.map(([, { shape }]) => normal(...shape));
    const images = normal(2, 1, config.height, config.width);
    const penalties = sample("penalties", [images, ...makes], ([x, ...weights]) => {
      let next = 0;
      const own = mapTree(discriminator, isNdArray, () => weights[next++] as Tensor) as unknown as Discriminator;
      const slopes = squaredSlopes(config, own, x);
      return [mean(square(sub(sqrt(add(slopes, 1e-12)), 1))), mean(slopes)]; // WGAN-GP and R1
    });
    const [first] = compare(penalties);
    expect(Math.abs(first?.gradient as number)).toBeGreaterThan(1e-3);
    expect(first).toMatchObject({ order: 1, agree: true });
  });
});

test("sides grow from 4 to 7 pixels, or as they must", () => {
  const grown = (height: number, width = height) => growth({ height, width });
  expect(grown(32)).toEqual({ start: [4, 4], doublings: 3 });
  expect(grown(28)).toEqual({ start: [7, 7], doublings: 2 });
  expect(grown(8, 12)).toEqual({ start: [4, 6], doublings: 1 });
});

test("a configuration that cannot work is refused with a way out", () => {
  expect(() => init({ ...tiny, height: 25, width: 25 }, key(0))).toThrowError(/got 25 × 25/);
  expect(() => init({ ...tiny, gradientPenalty: 10 }, key(0))).toThrowError(/each picture on its own .* got batch norm/);
});

describe("latents", () => {
  const rows = ({ data }: NdArray, latent: number) =>
    Array.from({ length: data.length / latent }, (_, i) => [...(data as Float32Array).subarray(i * latent, (i + 1) * latent)]);

  test.each([2, 0.5, 1e-3])("none lies beyond a limit of %s, and they still vary", (limit) => {
    const { data } = drawLatents(key(1), 50, 20, limit);
    const sizes = Array.from(data as Float32Array, Math.abs);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(limit);
    expect(Math.max(...sizes)).toBeGreaterThan(0.9 * limit);
    expect(new Set(data as Float32Array).size).toBeGreaterThan(900);
  });

  test("a limit keeps what lies within it", () => {
    const [free, cut] = [drawLatents(key(1), 5, 4).data, drawLatents(key(1), 5, 4, 1).data];
    free.forEach((value, i) => {
      if (Math.abs(Number(value)) <= 1) expect(cut[i]).toBe(value);
    });
  });

  test("a walk starts at one, ends before the next, and keeps its distance from 0", () => {
    const drawn = drawLatents(key(2), 8, 50);
    const [ends, walk] = [rows(drawn, 50), rows(interpolated(drawn, 4), 50)];
    expect(walk[0]).toEqual(ends[0]?.map((value) => expect.closeTo(value, 6)));
    expect(walk[4]).toEqual(ends[1]?.map((value) => expect.closeTo(value, 6)));
    const lengths = ends.slice(0, 3).map((row) => Math.hypot(...row));
    for (const row of walk) {
      expect(Math.hypot(...row)).toBeGreaterThan(0.9 * Math.min(...lengths));
      expect(Math.hypot(...row)).toBeLessThan(1.1 * Math.max(...lengths));
    }
  });
});
