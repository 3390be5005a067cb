/**
 * FID while an image model trains: what decides which parameters are the best in a family that has no likelihood, such as a GAN.
 *
 * The same features as in evaluation afterwards, of fewer pictures, always made from the same random numbers: values compare within
 * a run, and with those of other runs of as many pictures.
 */
import type { ImageDataset } from "../../data/index.ts";
import { frechetDistance } from "../../metrics/index.ts";
import type { Device } from "../../runtime/index.ts";
import type { NdArray } from "../../util/ndarray.ts";
import type { Tree } from "../../util/tree.ts";
import type { EvaluateContext, TrainEvent } from "../recipe.ts";
import { labelledPictures, type PictureFacts, toBytes } from "./data.ts";
import type { TrainingOptions } from "./options.ts";
import { featureClassifier } from "./picture-features.ts";

/** Makes as many pictures as a sheet has: float32 [B, C, H, W]. */
type Draw = (weights: Tree<NdArray>, seed: number) => Promise<NdArray>;

export interface TrainingFid {
  of(weights: Tree<NdArray>): Promise<number>;
  dispose(): Promise<void>;
}

/**
 * Trains or finds the classifier, and looks at the real pictures.
 *
 * @throws HeptagenError `features/no-classes` when the pictures have no classes
 */
export async function openTrainingFid(
  options: TrainingOptions & { readonly fidPictures: number },
  { real, facts, draw, device }: { real: ImageDataset; facts: PictureFacts; draw: Draw; device: Device },
  onEvent: (event: TrainEvent) => void,
): Promise<TrainingFid> {
  const context: EvaluateContext = { onEvent: (event) => event.kind === "note" && onEvent(event) };
  const classifier = await featureClassifier(await labelledPictures(options, undefined, context), { ...context, device });
  const ofReal = await classifier.of(real, "");
  const { channels, height, width } = facts;
  const count = options.fidPictures;
  return {
    async of(weights) {
      const pixels = new Uint8Array(count * channels * height * width);
      for (let at = 0, seed = options.seed; at < pixels.length; seed++) {
        const made = toBytes(await draw(weights, seed));
        pixels.set(made.subarray(0, pixels.length - at), at);
        at += made.length;
      }
      return frechetDistance(ofReal, await classifier.of({ channels, height, width, count, pixels }, ""));
    },
    dispose: () => classifier.dispose(),
  };
}
