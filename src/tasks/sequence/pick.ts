/** A few examples to show, the same for the same seed. */
import { fold, key, randint } from "../../util/random.ts";
import type { Options } from "../recipe.ts";

/** @example pick(sentences, { numSamples: 3, seed: 1 }) */
export function pick<Example>(examples: readonly Example[], { numSamples = 4, seed = 0 }: Options): Example[] {
  const places = new Int32Array(numSamples as number);
  randint(fold(key(seed as number), "show"), 0, examples.length, places);
  return Array.from(places, (at) => examples[at] as Example);
}
