/**
 * Sampling that is measured: the library's own samplers on freshly made models, and bare forward passes to compare them with.
 *
 * Their counterparts in PyTorch are in `peers/torch_families.py`.
 */
import type { Tensor } from "../src/core/index.ts";
import { predict } from "../src/models/diffusion.ts";
import { forward as pixelCnn } from "../src/models/pixelcnn.ts";
import { init as initWaveNet, waveNetDefaults } from "../src/models/wavenet.ts";
import { compile } from "../src/runtime/index.ts";
import { lstmBackbone } from "../src/tasks/backbones/recurrent.ts";
import { diffusionFamily } from "../src/tasks/families/diffusion.ts";
import { pixelCnnFamily } from "../src/tasks/families/pixelcnn.ts";
import { openAudioWriter, wholeSounds } from "../src/tasks/generate-audio/audio-writer.ts";
import type { ImageFamily } from "../src/tasks/generate-image/image-family.ts";
import { createGenerator } from "../src/tasks/language-model/generate.ts";
import { type NdArray, ndarray, sizeOf } from "../src/util/ndarray.ts";
import { fillNormal, key } from "../src/util/random.ts";
import type { Tree } from "../src/util/tree.ts";
import { pictures, recurrent, vocabulary } from "./families.ts";
import type { BuiltCase } from "./peers/protocol.mjs";

/** Pictures made at once. */
const count = 16;

/** Characters one after another, the state carried. */
function characters(tokens: number): BuiltCase {
  const { config, params } = recurrent(lstmBackbone, "moby-lstm");
  const generator = createGenerator(lstmBackbone.model, config, params, { context: 64, device: "cpu" });
  const run = async () => {
    for await (const _ of generator.write(Int32Array.of(vocabulary >> 1), { maxTokens: tokens }));
  };
  return { run, facts: { tokens } };
}

/** Samples of sound one after another, of one sound. */
function sound(length: number): BuiltCase {
  const params = initWaveNet(waveNetDefaults, key(1)) as unknown as Tree<NdArray>;
  const writer = openAudioWriter(waveNetDefaults, "cpu");
  const run = async () => {
    await wholeSounds(writer.write(params, { count: 1, length, temperature: 1, seed: 0 }));
  };
  return { run, facts: { tokens: length } };
}

/** Pictures by a family's sampler. */
async function drawing<Config>(
  family: ImageFamily<Config>,
  { config, params }: { readonly config: Config; readonly params: Tree<NdArray> },
  chosen: object = {},
): Promise<BuiltCase> {
  const options = family.sampling.parse(chosen) as Record<string, unknown>;
  const sampler = await family.openSampler(config, params, { count, options, given: false, device: "cpu" });
  const labels = ndarray("int32", [count], new Int32Array(count));
  const run = async () => {
    await sampler.run(params, { seed: 0, labels });
  };
  return { run, facts: { tokens: count } };
}

/** One forward pass of a network over that many pictures. */
async function pass(
  params: Tree<NdArray>,
  side: number,
  network: (params: Tree<Tensor>, x: Tensor, times: Tensor) => Tensor,
): Promise<BuiltCase> {
  const shape = [count, 1, side, side];
  const x = ndarray("float32", shape, new Float32Array(sizeOf(shape)));
  fillNormal(key(3), x.data as Float32Array);
  const times = ndarray("float32", [count], new Float32Array(count).fill(500));
  const executable = await compile(
    (p: Tree<Tensor>, image: Tensor, t: Tensor) => network(p, image, t),
    [params, x, times] as [Tree<NdArray>, NdArray, NdArray],
    { device: "cpu" },
  );
  const run = async () => {
    await executable.run(params, x, times);
  };
  return { run, facts: { tokens: count } };
}

const pixels = () => pictures(pixelCnnFamily, "fashion-pixelcnn", 28);
const noise = () => pictures(diffusionFamily, "fashion-ddpm", 28);

export const samplers: Readonly<Record<string, () => BuiltCase | Promise<BuiltCase>>> = {
  "lstm-10000": () => characters(10_000),
  "wavenet-8000": () => sound(8000),
  "pixelcnn-sample": () => drawing(pixelCnnFamily, pixels()),
  "pixelcnn-forward"() {
    const { config, params } = pixels();
    return pass(params, 28, (p, x) => pixelCnn(config, p as never, x));
  },
  "ddpm-sample-50": () => drawing(diffusionFamily, noise(), { steps: 50 }),
  "ddpm-forward"() {
    const { config, params } = noise();
    return pass(params, 32, (p, x, times) => predict(config, p as never, x, times, undefined));
  },
};
