/**
 * Making pictures with a variational autoencoder: from the prior, around given pictures, and parts of given pictures.
 *
 * A part is made by going back and forth between picture and latent (Rezende et al. 2014, appendix F): encode what is known with
 * what is guessed of the rest, draw a latent, decode, guess again. Such a chain settles on pictures that agree with what is known.
 *
 * Legend: B pictures, C channels, H height, W width, Z latent size, R rounds.
 */
import type { TracedKey } from "../core/index.ts";
import { scan } from "../core/scan.ts";
import type { Tensor } from "../core/tensor.ts";
import { add, mul, reshape, slice, sub } from "../ops/index.ts";
import { type NdArray, ndarray } from "../util/ndarray.ts";
import { decode, draw, encode, picture, reparameterise, type VaeBatch, type VaeConfig, type VaeParams } from "./vae.ts";

/** Rounds between picture and latent in which a part is made. */
export const rounds = 30;

export interface VaeSampling {
  /** Scale of the latents' deviation: below 1 nearer to what is typical, 0 for the most typical picture only. */
  readonly temperature: number;
  /** Draws each pixel from its distribution, with this key, instead of showing its mean. */
  readonly pixels?: TracedKey | undefined;
}

/**
 * How much of each of some standard normal latents goes into each of B pictures so that they walk from one latent to the next,
 * `length` pictures each: along an arc, cos φ a + sin φ b, on which every latent is standard normal too. A walk begins where the one
 * before has ended.
 *
 * @returns float32 [B, ⌈B / length⌉ + 1]
 */
export function arcs(count: number, length: number): NdArray {
  const ends = Math.ceil(count / length) + 1;
  const data = new Float32Array(count * ends);
  for (let i = 0; i < count; i++) {
    const [walk, angle] = [Math.floor(i / length), ((i % length) / (length - 1)) * (Math.PI / 2)];
    data[i * ends + walk] = Math.cos(angle);
    data[i * ends + walk + 1] = Math.sin(angle);
  }
  return ndarray("float32", [count, ends], data);
}

/**
 * Pictures of latents drawn from the prior.
 *
 * @param labels int32 [B]
 * @param noise standard normal [B, Z]
 * @returns float32 [B, C, H, W] from 0 to 1
 */
export function sample(config: VaeConfig, params: VaeParams, labels: Tensor, noise: Tensor, options: VaeSampling): Tensor {
  return shown(config, params, decode(config, params, mul(noise, options.temperature), labels), options);
}

/** Pictures like given ones: decoded from latents that they may come from; at temperature 0 their reconstructions. */
export function vary(config: VaeConfig, params: VaeParams, batch: VaeBatch, noise: Tensor, options: VaeSampling): Tensor {
  const posterior = encode(config, params, batch);
  const latents = reparameterise(posterior, mul(noise, options.temperature));
  return shown(config, params, decode(config, params, latents, batch.labels), options);
}

/**
 * Given pictures with a part made anew. What the part held is not looked at.
 *
 * @param mask float32 [B, 1, H, W]: 1 for anew, 0 for kept
 * @param noise standard normal [R + 1, B, Z]
 */
export function complete(
  config: VaeConfig,
  params: VaeParams,
  { images, labels }: VaeBatch,
  mask: Tensor,
  noise: Tensor,
  options: VaeSampling,
): Tensor {
  const kept = mul(sub(1, mask), images);
  const join = (made: Tensor) => add(mul(mask, made), kept);
  const scaled = mul(noise, options.temperature);
  const at = (turn: number) => reshape(slice(scaled, { 0: { start: turn, stop: turn + 1 } }), scaled.shape.slice(1)); // [B, Z]
  const last = (noise.shape[0] as number) - 1;
  const [guess] = scan(
    (x: Tensor, own: Tensor) => {
      const latents = reparameterise(encode(config, params, { images: x, labels }), own);
      return [join(picture(config, decode(config, params, latents, labels))), []] as const;
    },
    join(picture(config, decode(config, params, at(0), labels))),
    slice(scaled, { 0: { start: 1, stop: last } }),
  );
  const latents = reparameterise(encode(config, params, { images: guess, labels }), at(last));
  return join(shown(config, params, decode(config, params, latents, labels), options));
}

function shown(config: VaeConfig, params: VaeParams, decoded: Tensor, { pixels }: VaeSampling): Tensor {
  return pixels ? draw(config, params, decoded, pixels) : picture(config, decoded);
}
