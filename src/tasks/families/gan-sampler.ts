/** Sampling from a generative adversarial network: latents drawn, cut off or walked along, and the compiled generator. */
import type { Tensor } from "../../core/index.ts";
import { type GanConfig, type GanParams, generate } from "../../models/gan.ts";
import { add, mul } from "../../ops/index.ts";
import { compile, type Device } from "../../runtime/index.ts";
import { type NdArray, ndarray } from "../../util/ndarray.ts";
import { fillNormal, fold, type Key } from "../../util/random.ts";
import type { Tree } from "../../util/tree.ts";

/** From the model's -1 … 1 to 0 … 1. */
export const outward = (images: Tensor): Tensor => add(mul(images, 0.5), 0.5);

/** Standard normal numbers [count, latent]; those beyond the limit are drawn again (the truncation trick of Brock et al. 2019). */
export function drawLatents(own: Key, size: number, latent: number, limit = 0): NdArray {
  const data = new Float32Array(size * latent);
  fillNormal(own, data);
  if (limit === 0) return ndarray("float32", [size, latent], data);
  const again = new Float32Array(data.length);
  for (let round = 0; data.some((value) => Math.abs(value) > limit); round++) {
    fillNormal(fold(own, round), again);
    // A limit near 0 would take for ever: after some rounds numbers are scaled into it, which is what they tend to.
    const scale = round < 100 ? 1 : limit / 6;
    for (let i = 0; i < data.length; i++) if (Math.abs(data[i] as number) > limit) data[i] = (again[i] as number) * scale;
  }
  return ndarray("float32", [size, latent], data);
}

/**
 * Replaces latents by ones on the way between every few: row i lies i % steps / steps of the way from one to the next, at the
 * length and angle in between (spherical interpolation, White 2016), where latents of that kind are as likely as any.
 */
export function interpolated({ shape, data }: NdArray, steps: number): NdArray {
  const [size, latent] = shape as [number, number];
  const out = new Float32Array(data.length);
  const rows = data as Float32Array;
  const ends = Math.ceil(size / steps) + 1;
  const row = (i: number) => rows.subarray((i % size) * latent, ((i % size) + 1) * latent);
  for (let i = 0; i < size; i++) {
    const at = Math.floor(i / steps);
    const part = (i % steps) / steps;
    const [from, to] = [row(at), row((at + 1) % ends)];
    const lengths = [Math.hypot(...from), Math.hypot(...to)] as const;
    const cosine = from.reduce((total, value, k) => total + value * (to[k] as number), 0) / (lengths[0] * lengths[1]);
    const angle = Math.acos(Math.max(-1, Math.min(1, cosine)));
    const [a, b] =
      angle < 1e-3
        ? [1 - part, part]
        : [Math.sin((1 - part) * angle) / Math.sin(angle), Math.sin(part * angle) / Math.sin(angle)];
    for (let k = 0; k < latent; k++) out[i * latent + k] = a * (from[k] as number) + b * (to[k] as number);
  }
  return ndarray("float32", [size, latent], out);
}

/** Compiles the trained generator: latents [B, Z] and labels [B] → pictures [B, C, H, W] from 0 to 1. */
export async function compileGenerator(
  config: GanConfig,
  params: Tree<NdArray>,
  { count: size, device }: { readonly count: number; readonly device: Device | undefined },
) {
  const { generator } = params as unknown as GanParams<NdArray>;
  const traced = (own: GanParams["generator"], latents: Tensor, labels: Tensor): Tensor =>
    outward(generate(own, latents, { labels: config.classes > 0 ? labels : undefined }));
  const example = [
    generator,
    ndarray("float32", [size, config.latent], new Float32Array(size * config.latent)),
    ndarray("int32", [size], new Int32Array(size)),
  ] as const;
  return compile<[typeof generator, NdArray, NdArray], Tensor>(traced as never, [...example], device ? { device } : {});
}
