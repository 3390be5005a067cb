/** The generative adversarial network as a family of the image task. */
import { z } from "zod";
import type { Tensor } from "../../core/index.ts";
import {
  checkConfig,
  discriminate,
  type GanConfig,
  type GanParams,
  generate,
  init,
  spectrallyNormalized,
} from "../../models/gan.ts";
import { discriminatorLoss, diversity, generatorLoss } from "../../models/gan-losses.ts";
import {
  add,
  cast,
  greater,
  less,
  matmul,
  min,
  mul,
  neg,
  normal,
  reshape,
  slice,
  square,
  sub,
  sum,
  topK,
  uniform,
} from "../../ops/index.ts";
import type { Counted } from "../../train/index.ts";
import type { NdArray } from "../../util/ndarray.ts";
import { fold, key } from "../../util/random.ts";
import type { Tree } from "../../util/tree.ts";
import type { ModelGraph } from "../export/graphs.ts";
import type { ImageFamily, ImageSizes, PictureSampler } from "../generate-image/image-family.ts";
import type { Options } from "../recipe.ts";
import { count } from "../training.ts";
import { inspectGan } from "./gan-inspect.node.ts";
import { compileGenerator, drawLatents, interpolated, outward } from "./gan-sampler.ts";

const options = z.strictObject({
  architecture: z
    .enum(["dcgan", "residual"])
    .describe("one convolution of 4 × 4 a step, or two of 3 × 3 and a shortcut: slower, sharper"),
  latent: count.describe("numbers a picture is made from"),
  generatorWidth: count.describe("channels of the generator's largest maps; each halving of the sides doubles them"),
  discriminatorWidth: count.describe("channels of the discriminator's largest maps"),
  normalization: z
    .enum(["batch", "layer", "spectral", "none"])
    .describe("what holds the discriminator in bounds; batch does not go with a gradient penalty"),
  loss: z.enum(["non-saturating", "hinge", "wasserstein"]).describe("what the players minimise"),
  gradientPenalty: z.number().min(0).describe("weight of WGAN-GP's penalty on the critic's slope (10); 0 for none"),
  r1: z.number().min(0).describe("weight of the penalty on the discriminator's slope at real pictures (0.1 to 10); 0 for none"),
  criticSteps: count.describe("steps of the discriminator to one of the generator"),
  generatorRate: z.number().gt(0).describe("the generator's learning rate, relative to the discriminator's"),
});
/** What a user may choose about a generative adversarial network. */
export type GanOptions = z.output<typeof options>;

const sampling = z.strictObject({
  truncation: z
    .number()
    .min(0)
    .default(0)
    .describe(
      "draw latents further from 0 than this again: 0.5 for more typical pictures, 2 for nearly all kinds; 0 for no limit",
    ),
  interpolation: z
    .int()
    .min(0)
    .default(0)
    .describe("pictures on the way from one latent to the next, along a sphere; 0 for unrelated pictures"),
});

type Config = GanConfig & { readonly criticSteps: number; readonly generatorRate: number };
const paramsOf = (params: Tree<Tensor>) => params as unknown as GanParams;

/** From 0 … 1 to the model's -1 … 1. */
const inward = (images: Tensor): Tensor => sub(mul(images, 2), 1);

export const ganFamily: ImageFamily<Config> = {
  name: "gan",
  options,
  sampling,
  startsFrom: false,
  configure(given: Options, sizes: ImageSizes) {
    const config: Config = { ...sizes, ...(given as GanOptions) }; // checked by the task
    checkConfig(config);
    return config;
  },
  init: (config, own) => init(config, own) as unknown as Tree<NdArray>,
  // With one step of the critic to one of the generator both have the same key: the same latents, whose pictures are made once.
  objectives: (config) => [
    {
      name: "discriminator",
      trains: "discriminator",
      loss(params, { images, labels }, random) {
        const size = images.shape[0] as number;
        const latents = normal(random.fold("latents"), [size, config.latent]);
        const mix = config.gradientPenalty > 0 ? { mix: uniform(random.fold("mix"), [size, 1, 1, 1]) } : {};
        return discriminatorLoss(config, paramsOf(params), { images: inward(images), labels, latents, ...mix });
      },
    },
    {
      name: "generator",
      trains: "generator",
      every: config.criticSteps,
      rate: config.generatorRate,
      loss(params, { images, labels }, random) {
        const latents = normal(random.fold("latents"), [images.shape[0] as number, config.latent]);
        return generatorLoss(config, paramsOf(params), { labels, latents });
      },
    },
  ],
  measure(config, params, { images, labels, mask }, random) {
    const { generator, discriminator } = paramsOf(params);
    const size = images.shape[0] as number;
    const known = config.classes > 0 ? labels : undefined;
    const real = inward(images);
    const fake = generate(generator, normal(random.fold("latents"), [size, config.latent]), { labels: known });
    const judge = spectrallyNormalized(discriminator);
    const scores = [real, fake].map((pictures) => discriminate(config, judge, pictures, known)) as [Tensor, Tensor];
    const mean = (each: Tensor): Counted => ({ sum: sum(mul(each, mask)), count: sum(mask) });
    return {
      realScore: mean(scores[0]),
      fakeScore: mean(scores[1]),
      ...(config.loss !== "wasserstein" && {
        realAccuracy: mean(cast(greater(scores[0], 0), "float32")),
        fakeAccuracy: mean(cast(less(scores[1], 0), "float32")),
      }),
      diversity: mean(mul(diversity(fake, real, known && { of: known, classes: config.classes }), mask)),
      ...(size > neighbours && { coverage: mean(covered(real, fake, mask)) }),
    };
  },
  measureNames: {
    realScore: "score of held-out pictures",
    fakeScore: "score of generated pictures",
    realAccuracy: "held-out pictures taken for real",
    fakeAccuracy: "generated pictures found out",
    diversity: "diversity (distance of two pictures, of a class if there are some, relative to real ones)",
    coverage: "coverage (real pictures with a generated one near)",
  },
  openSampler,
  inspect: inspectGan,
  graphs,
  watch,
};

/** How many neighbours make a picture's surroundings. */
const neighbours = 5;

/**
 * Which real pictures have a generated one among as many as their nearest real ones are far: [B], 1 or 0 (coverage, Naeem et al.
 * 2020, on pixels). Kinds of pictures that the generator has dropped are not covered.
 */
function covered(real: Tensor, fake: Tensor, mask: Tensor): Tensor {
  const size = real.shape[0] as number;
  const flat = (x: Tensor) => reshape(x, [size, -1]); // [B, C H W]
  const distances = (x: Tensor, y: Tensor): Tensor => {
    const lengths = (z: Tensor) => sum(square(z), 1);
    const products = matmul(x, y, { transposeB: true });
    return sub(add(reshape(lengths(x), [size, 1]), reshape(lengths(y), [1, size])), mul(products, 2));
  };
  const absent = reshape(mul(sub(1, mask), 1e9), [1, size]); // pictures that only fill up the batch are near to none
  const among = topK(neg(add(distances(flat(real), flat(real)), absent)), neighbours + 1).values; // itself first
  const radius = neg(reshape(slice(among, { 1: { start: -1 } }), [size]));
  return cast(less(min(distances(flat(real), flat(fake)), 1), radius), "float32");
}

async function openSampler(
  config: Config,
  params: Tree<NdArray>,
  { count: size, options: chosen, device }: Parameters<ImageFamily<Config>["openSampler"]>[2],
): Promise<PictureSampler> {
  const { truncation, interpolation } = chosen as z.output<typeof sampling>; // checked by the task
  const executable = await compileGenerator(config, params, { count: size, device });
  return {
    run(own, { seed, labels }) {
      const drawn = drawLatents(fold(key(seed), "latents"), size, config.latent, truncation);
      const latents = interpolation > 0 ? interpolated(drawn, interpolation) : drawn;
      return executable.run((own as unknown as GanParams<NdArray>).generator, latents, labels);
    },
    dispose: () => executable.dispose(),
  };
}

function graphs(config: Config): readonly ModelGraph[] {
  const { channels, height, width, classes, latent, normalization } = config;
  const labels = { name: "labels", dtype: "int32", shape: ["batch"], note: `class, from 0 to ${classes - 1}` } as const;
  const more = classes > 0 ? [labels] : [];
  const generator: ModelGraph = {
    name: "generator",
    inputs: [{ name: "latents", dtype: "float32", shape: ["batch", latent], note: "standard normal numbers" }, ...more],
    output: { name: "images", note: "from 0 to 1" },
    apply: (params, latents, label) => outward(generate(paramsOf(params).generator, latents as Tensor, { labels: label })),
  };
  const discriminator: ModelGraph = {
    name: "discriminator",
    inputs: [{ name: "images", dtype: "float32", shape: ["batch", channels, height, width], note: "from 0 to 1" }, ...more],
    output: { name: "scores", note: "[batch]: how real each looks" },
    apply: (params, images, label) =>
      discriminate(config, spectrallyNormalized(paramsOf(params).discriminator), inward(images as Tensor), label),
  };
  // With batch norm a score depends on the other pictures of the batch: of no use to others.
  return normalization === "batch" ? [generator] : [generator, discriminator];
}

/** Below this diversity the generator has collapsed; above this accuracy the discriminator has won; for so many steps in a row. */
const limits = { diversity: 0.4, accuracy: 0.995, steps: 200 };
/** Of the way from generated to known real pictures, how far below the latter unknown real ones score when it knows by heart. */
const byHeart = 0.8;

function watch(config: Config) {
  let [alike, certain] = [0, 0];
  let known: number | undefined;
  const told = new Set<string>();
  const once = (name: string, message: string): string | undefined => {
    if (told.has(name)) return undefined;
    told.add(name);
    return `${name}: ${message}`;
  };
  return (_step: number, values: Readonly<Record<string, number>>): string | undefined => {
    const of = (name: string) => values[`discriminator/${name}`];
    const [spread, real, fake] = [of("diversity"), of("realAccuracy"), of("fakeAccuracy")];
    if (spread !== undefined) {
      known = (known ?? of("realScore") ?? 0) * 0.95 + (of("realScore") ?? 0) * 0.05;
      alike = spread < limits.diversity ? alike + 1 : 0;
      certain = real !== undefined && fake !== undefined && Math.min(real, fake) > limits.accuracy ? certain + 1 : 0;
      if (alike >= limits.steps) {
        return once(
          "mode collapse",
          `two generated pictures differ ${(100 * spread).toFixed(0)} % as much as two real ones. Start again with a lower ` +
            "--learning-rate, with --loss wasserstein --normalization layer --gradient-penalty 10, or with --r1 1.",
        );
      }
      if (certain >= limits.steps) {
        return once(
          "the discriminator has won",
          "it tells all pictures apart, so the generator learns nothing from it. Start again with --generator-rate " +
            `${2 * config.generatorRate}, with --r1 1, or with a smaller --discriminator-width.`,
        );
      }
      return undefined;
    }
    const [unseen, generated] = [values["validation/realScore"], values["validation/fakeScore"]];
    if (unseen === undefined || generated === undefined || known === undefined) return undefined;
    if (!(known > generated && (known - unseen) / (known - generated) > byHeart)) return undefined;
    return once(
      "the discriminator knows its pictures by heart",
      `it scores them ${known.toFixed(2)}, held-out ones ${unseen.toFixed(2)} and generated ones ${generated.toFixed(2)}. Give it ` +
        "more pictures, mirror them with --flip, or start again with --r1 1 or a smaller --discriminator-width.",
    );
  };
}
