/** PixelCNN as the image task sees it: a sampler that shows what it does and can be stopped, completion, warnings, bad options. */
import { describe, expect, it } from "vitest";
import { pixelCnnDefaults } from "../../src/models/pixelcnn.ts";
import { pixelCnnFamily } from "../../src/tasks/families/pixelcnn.ts";
import type { PictureRequest } from "../../src/tasks/generate-image/image-family.ts";
import { type NdArray, ndarray } from "../../src/util/ndarray.ts";
import { fillUniform, key } from "../../src/util/random.ts";

const own = { ...pixelCnnDefaults, firstKernel: 5, depth: 1, features: 6, hidden: 6, levels: 4 };
const config = pixelCnnFamily.configure(own, { channels: 3, height: 6, width: 5, classes: 2 });
const params = pixelCnnFamily.init(config, key(1));
const [count, size] = [3, 3 * 6 * 5];
const labels = ndarray("int32", [count], [0, 1, 0]);
const open = (given: boolean) =>
  pixelCnnFamily.openSampler(config, params, { count, options: { temperature: 1 }, given, device: "cpu" });

describe("the sampler", () => {
  it("shows pictures while it draws them, row after row, and makes the same for the same seed", async () => {
    const sampler = await open(false);
    const seen: { done: number; images: NdArray }[] = [];
    const request: PictureRequest = { seed: 1, labels };
    const images = await sampler.run(params, {
      ...request,
      onProgress: (done, shown) => seen.push({ done, images: shown as NdArray }),
    });
    expect(images.shape).toEqual([count, 3, 6, 5]);
    expect(seen.map(({ done }) => done)).toEqual([2 / 6, 4 / 6, 1]);
    expect(seen[2]?.images).toEqual(images);
    // After the first chunk, two of six rows are there.
    const early = seen[0]?.images.data as Float32Array;
    early.forEach((value, i) => {
      expect(value).toBe(i % 30 < 10 ? images.data[i] : 0);
    });
    expect((await sampler.run(params, request)).data).toEqual(images.data);
    expect((await sampler.run(params, { ...request, seed: 2 })).data).not.toEqual(images.data);
    await sampler.dispose();
  });

  it("stops when it is told to", async () => {
    const sampler = await open(false);
    const stop = new AbortController();
    const shown: number[] = [];
    const run = sampler.run(params, {
      seed: 1,
      labels,
      signal: stop.signal,
      onProgress: (done) => {
        shown.push(done);
        stop.abort();
      },
    });
    await expect(run).rejects.toMatchObject({ name: "AbortError" });
    expect(shown).toHaveLength(1);
    await sampler.dispose();
  });

  it("keeps the parts that a mask does not cover, in the levels of the model", async () => {
    const sampler = await open(true);
    const images = ndarray("float32", [count, 3, 6, 5], new Float32Array(count * size));
    fillUniform(key(5), images.data as Float32Array);
    const anew = (i: number): boolean => i % 5 > 2 || Math.floor(i / 5) % 6 > 3;
    const mask = Float32Array.from({ length: count * 30 }, (_, i) => Number(anew(i)));
    const made = await sampler.run(params, {
      seed: 1,
      labels,
      given: { images, mask: ndarray("float32", [count, 1, 6, 5], mask) },
    });
    let drawn = 0;
    made.data.forEach((value, i) => {
      const kept = Math.round(Number(images.data[i]) * 3) / 3;
      if (!anew(i)) expect(Number(value)).toBeCloseTo(kept, 6);
      else if (Math.abs(Number(value) - kept) > 0.1) drawn++;
    });
    expect(drawn).toBeGreaterThan(20);
    await sampler.dispose();
  });
});

it("warns once when held-out pictures become less likely again and again", () => {
  const watch = pixelCnnFamily.watch?.(config);
  const nats = [100, 90, 80, 81, 82, 79, 79.5, 81, 82, 83, 84];
  const said = nats.map((value, i) => watch?.(i, { loss: 1, "validation/nats": value }));
  expect(watch?.(99, { loss: 1 })).toBeUndefined();
  const at = said.findIndex((message) => message !== undefined);
  expect(at).toBe(8);
  expect(said[at]).toContain("overfitting: held-out pictures have become less likely three times in a row (82.0 nats, 79.0");
  expect(said.filter((message) => message !== undefined)).toHaveLength(1);
});

it("names the option that does not fit", () => {
  const sizes = { channels: 1, height: 8, width: 8, classes: 0 };
  const fails = (given: object) => expect(() => pixelCnnFamily.configure({ ...own, ...given }, sizes));
  fails({ kernel: 4 }).toThrow("expected kernel to be odd, got 4");
  fails({ output: "binary" }).toThrow("expected levels to be 2 where pixels are binary, got 4");
});
