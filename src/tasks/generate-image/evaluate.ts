/**
 * Evaluating an image model: the family's own measures on held-out pictures (a likelihood where it has one), and how far pictures
 * that it makes are from real ones in features of a classifier, of the Inception network, or of both.
 *
 * Features are the same for all models of the same pictures (see `picture-features.ts`), which so compare across families. Made and
 * held-out pictures take the same way: from the size of the run to the size that the classifier sees.
 */
import { type ImageDataset, pickImages } from "../../data/index.ts";
import { frechetDistance, kernelDistance, manifoldScores } from "../../metrics/index.ts";
import { HeptagenError } from "../../util/errors.ts";
import type { NdArray } from "../../util/ndarray.ts";
import { fold, key } from "../../util/random.ts";
import { checkStop, type EvaluateContext, type Measure, type Options } from "../recipe.ts";
import { namedMeasures } from "../training.ts";
import {
  labelledPictures,
  ownOptions,
  type PictureFacts,
  type PreparedPictures,
  preparePictures,
  readSource,
  shown,
  toBytes,
} from "./data.ts";
import type { ImageFamily } from "./image-family.ts";
import { inceptionFeatures } from "./inception-features.ts";
import type { EvaluateOptions } from "./options.ts";
import { featureClassifier, type PictureFeatures, type PictureSet } from "./picture-features.ts";
import { checkUnchanged, commonNames, compileMeasures } from "./train.ts";
import type { LoadedImageModel } from "./trained.ts";

/** Pictures made to be compared, unless told. */
const madePictures = 2000;
/** Fewer pictures than this say nothing about a distribution. */
const fewest = 10;
/** Most pictures of each kind that are compared in pairs, which takes the square of their number. */
const mostPaired = 5000;

/** Makes pictures a batch at a time, of the given classes in turn: float32 [B, C, H, W]. */
export type MakePictures = (count: number, labels: readonly string[]) => AsyncIterable<NdArray>;

export async function evaluateImages<Config>(
  family: ImageFamily<Config>,
  loaded: LoadedImageModel<Config>,
  options: EvaluateOptions & Options,
  make: MakePictures,
  context: EvaluateContext,
): Promise<Measure[]> {
  const { config, params, device, facts, options: trained } = loaded;
  const { data, column, labelColumn, skipBad, limit, seed } = options;
  const { channels, height, width } = facts;
  const colours = channels === 1 ? "grey" : "rgb";
  const own = data === undefined ? await ownPictures(loaded) : undefined;
  const real = own ? heldOut(own) : await readSource({ ...trained, data, column, labelColumn, skipBad, limit, colours });
  checkClasses(real, loaded);
  if (real.height !== height || real.width !== width) {
    const sizes = `${width} × ${height} pixels, got ${real.width} × ${real.height}`;
    throw new HeptagenError("data/sizes", `eval: expected pictures of ${sizes}`, {
      next: "Evaluate on pictures of the same size.",
    });
  }
  const measured = {
    pictures: shown(real, trained),
    facts,
    seed,
    device,
    options: ownOptions(options, family.evaluation?.shape ?? {}),
  };
  const measurer = await compileMeasures(family, config, params, measured);
  const measures = (await measurer?.run(params)) ?? {};
  await measurer?.dispose();
  checkStop(context);
  const named = namedMeasures(measures, { ...commonNames, ...family.measureNames }).map((measure) =>
    measure.key in commonNames ? { ...measure, better: "lower" as const } : measure,
  );
  const compared = await compare(loaded, { real, learnt: own?.train }, options, make, context);
  return [...named, ...compared, { key: "pictures", name: "pictures", value: real.count }];
}

/** The pictures of a run, as it was trained on them. */
export async function ownPictures<Config>({ run, options, facts }: LoadedImageModel<Config>): Promise<PreparedPictures> {
  const prepared = await preparePictures(options);
  checkUnchanged(prepared.facts, facts, run.folder);
  return prepared;
}

/** What was kept for validation, or everything where nothing was. */
export const heldOut = ({ train, validation }: PreparedPictures): ImageDataset => (validation.count > 0 ? validation : train);

/** A model that knows classes can be measured only on pictures of the same classes. */
function checkClasses<Config>({ classes, source }: ImageDataset, { facts, options }: LoadedImageModel<Config>): void {
  if (!options.conditional || classes.join() === facts.classes.join()) return;
  throw new HeptagenError("data/classes", `${source}: expected the classes the model was trained on, got others`, {
    facts: { expected: facts.classes, got: classes },
    next: `It knows: ${facts.classes.join(", ")}. Name the folders of the pictures like that.`,
  });
}

/** Real pictures: those to compare with, and those the model learnt from, if they are known. */
interface RealPictures {
  readonly real: ImageDataset;
  readonly learnt: ImageDataset | undefined;
}

async function compare<Config>(
  loaded: LoadedImageModel<Config>,
  { real, learnt }: RealPictures,
  options: EvaluateOptions,
  make: MakePictures,
  context: EvaluateContext,
): Promise<Measure[]> {
  const { samples = madePictures, features, inception, inceptionInput, seed } = options;
  if (samples === 0) return [];
  const labelled = features !== undefined || loaded.facts.classes.length > 1;
  const none = whyNone(loaded.facts, { samples, real, labelled, inception });
  if (none && options.samples !== undefined) {
    throw new HeptagenError(none.code, `eval: no FID, as ${none.why}`, { next: none.next });
  }
  if (none) {
    context.onEvent?.({ kind: "note", message: `no FID, as ${none.why}. ${none.next}` });
    return [];
  }
  const { device } = loaded;
  const networks: { readonly own: boolean; readonly features: PictureFeatures }[] = [];
  const measures: Measure[] = [];
  try {
    if (labelled) {
      const classifier = await featureClassifier(await labelledPictures(loaded.options, features, context), {
        ...context,
        device,
      });
      networks.push({ own: true, features: classifier });
      measures.push({ key: "classifierAccuracy", name: "accuracy of the classifier", value: classifier.facts.accuracy });
    }
    if (inception !== undefined) {
      networks.push({ own: false, features: await inceptionFeatures(inception, { input: inceptionInput, context, device }) });
    }
    const made = await makeAll(loaded, make, { samples, real, context });
    for (const network of networks) measures.push(...(await distances(network, { real, learnt, made, seed })));
  } finally {
    for (const { features: network } of networks) await network.dispose();
  }
  return [...measures, { key: "samples", name: "pictures made", value: samples }];
}

/** What keeps pictures from being compared, if anything does. */
function whyNone(
  { source }: PictureFacts,
  given: {
    readonly samples: number;
    readonly real: ImageDataset;
    readonly labelled: boolean;
    readonly inception: string | undefined;
  },
): { readonly code: string; readonly why: string; readonly next: string } | undefined {
  const { samples, real, labelled, inception } = given;
  if (!labelled && inception === undefined) {
    const next = "Name a labelled set with --features, or the Inception network with --inception.";
    return { code: "features/no-classes", why: `${source} has no classes to train a classifier on`, next };
  }
  if (samples >= fewest && real.count >= fewest) return undefined;
  const why = `it takes ${fewest} pictures made and ${fewest} real ones, and there are ${samples} and ${real.count}`;
  return { code: "data/too-few", why, next: "Make more (--samples), or evaluate on more (--data)." };
}

/** Makes pictures, in a model that knows classes of each as many as there are among the real ones. */
async function makeAll<Config>(
  { facts: { channels, height, width, classes }, options }: LoadedImageModel<Config>,
  make: MakePictures,
  { samples, real, context }: { readonly samples: number; readonly real: ImageDataset; readonly context: EvaluateContext },
): Promise<PictureSet> {
  const size = channels * height * width;
  const pixels = new Uint8Array(samples * size);
  const { labels } = real;
  const asked =
    options.conditional && labels ? spread(real.count, samples).map((place) => classes[labels[place] as number] as string) : [];
  let done = 0;
  for await (const images of make(samples, asked)) {
    pixels.set(toBytes(images), done * size);
    done += images.shape[0] as number;
    context.onEvent?.({ kind: "progress", what: `making ${samples.toLocaleString("en")} pictures`, done: done / samples });
    checkStop(context);
  }
  return { channels, height, width, count: samples, pixels };
}

/** All measures in one space of features. */
async function distances(
  { own, features }: { readonly own: boolean; readonly features: PictureFeatures },
  { real, learnt, made, seed }: RealPictures & { readonly made: PictureSet; readonly seed: number },
): Promise<Measure[]> {
  const ofReal = await features.of(real, "looking at real pictures");
  const ofMade = await features.of(made, "looking at made pictures");
  const paired = Math.min(mostPaired, made.count, real.count);
  const [realPairs, madePairs] = [pickRows(ofReal, paired), pickRows(ofMade, paired)];
  const kernel = kernelDistance(realPairs, madePairs, { key: fold(key(seed), "subsets") });
  const keyOf = (name: string) => (own ? name : `inception${(name[0] as string).toUpperCase()}${name.slice(1)}`);
  const nameOf = (name: string) => (own ? name : `${name}, Inception`);
  const measures: Measure[] = [
    { key: "fid", name: "FID", value: frechetDistance(ofReal, ofMade), better: "lower" },
    { key: "kid", name: "KID", value: kernel.mean, better: "lower" },
    { key: "kidDeviation", name: "KID, deviation over subsets", value: kernel.deviation },
  ];
  if (own && learnt && learnt !== real) {
    const others = await features.of(pickImages(learnt, spread(learnt.count, made.count)), "looking at training pictures");
    const count = Math.min(learnt.count, made.count).toLocaleString("en");
    measures.splice(1, 0, {
      key: "fidOfReal",
      name: `FID of ${count} training pictures`,
      value: frechetDistance(ofReal, others),
    });
  }
  if (paired > 5) {
    const scores = manifoldScores(realPairs, madePairs);
    measures.push(...Object.entries(scores).map(([name, value]) => ({ key: name, name, value, better: "higher" as const })));
  }
  return measures.map((measure) => ({ ...measure, key: keyOf(measure.key), name: nameOf(measure.name) }));
}

/** At most `count` of `of` places, at even distances. */
function spread(of: number, count: number): number[] {
  if (of <= count) return Array.from({ length: of }, (_, i) => i);
  return Array.from({ length: count }, (_, i) => Math.floor((i * of) / count));
}

/** At most `count` rows, at even distances. */
function pickRows(features: NdArray, count: number): NdArray {
  const [rows, width] = features.shape as [number, number];
  const data = features.data as Float32Array;
  const places = spread(rows, count);
  const out = new Float32Array(places.length * width);
  places.forEach((place, i) => {
    out.set(data.subarray(place * width, (place + 1) * width), i * width);
  });
  return { dtype: "float32", shape: [places.length, width], data: out };
}
