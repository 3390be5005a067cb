/**
 * Pictures of a variational autoencoder at work: what it makes of pictures, what each latent does, where pictures lie in its space.
 *
 * Legend: N pictures looked at, Z latent size.
 */
import { UMAP } from "umap-js";
import type { Tensor } from "../../core/index.ts";
import { decode, divergence, encode, type Posterior, picture, seen, type VaeConfig, type VaeParams } from "../../models/vae.ts";
import { compile } from "../../runtime/index.ts";
import { type NdArray, ndarray, sizeOf } from "../../util/ndarray.ts";
import { fillNormal, fillUniform, fold, key } from "../../util/random.ts";
import type { Tree } from "../../util/tree.ts";
import type { ImageFamily, InspectedModel, InspectionPicture, Pictures } from "../generate-image/image-family.ts";
import { sheetOfImages } from "../generate-image/train.ts";
import { drawBars, drawScatter } from "./latent-charts.node.ts";

type Model = InspectedModel<VaeConfig>;
type Drawn = ReturnType<ImageFamily<VaeConfig>["inspect"]>;
type Vector = readonly number[];

/** Pictures that go through the network at once. */
const chunk = 100;
/** Above this variance of its mean over pictures, a latent is active (Burda et al. 2016). */
const activeFrom = 0.01;
/** Most pictures on the map: UMAP's time grows faster than their number. */
const mapped = 1000;
/** Most latents that are walked along, and in the list of figures. */
const walked = 12;
const columns = 11;

export async function inspectVae(model: Model): Drawn {
  const { config, validation, classes, seed } = model;
  const { latent } = config;
  const coder = await openCoder(model);
  const { means, divergences, shown } = await coder.encode(validation);
  const activity = activities(means, divergences);
  const order = activity.map((_, i) => i).sort((a, b) => (activity[b]?.variance ?? 0) - (activity[a]?.variance ?? 0));
  const active = activity.filter(({ variance }) => variance > activeFrom).length;
  const labels = validation.labels.data as Int32Array;
  const pictures: InspectionPicture[] = [];
  const add = (name: string, caption: string, content: Uint8Array) => pictures.push({ name, caption, content });
  const decoded = (latents: readonly Vector[], of: readonly number[]) => coder.decode(latents, of);

  const places = spread(means.length, 30);
  const remade = await decoded(
    places.map((i) => means[i] as Vector),
    places.map((i) => labels[i] as number),
  );
  add("reconstructions", "held-out pictures, each above its reconstruction", await inPairs(rows(shown, places), remade, 10));

  const count = config.classes > 0 ? 8 * config.classes : 64;
  const across = config.classes > 0 ? config.classes : 8;
  const drawn = await decoded(
    normals(seed, count, latent),
    Array.from({ length: count }, (_, i) => i % across),
  );
  const byClass = config.classes > 0 ? `, a column for each class: ${classes.join(", ")}` : "";
  add("samples", `new pictures, of latents drawn from the prior${byClass}`, await sheetOfImages(drawn, { columns: across }));

  const along = order.slice(0, walked);
  const origin = places[0] as number;
  const steps = Array.from({ length: columns }, (_, i) => -3 + (6 * i) / (columns - 1));
  const walks = along.flatMap((axis) => steps.map((value) => (means[origin] as Vector).with(axis, value)));
  add(
    "traversals",
    `one latent at a time from -3 to 3, the most active first: latents ${along.join(", ")}`,
    await sheetOfImages(await decoded(walks, Array(walks.length).fill(labels[origin])), { columns }),
  );

  const pairs = spread(means.length, 16);
  const between = pairs.slice(0, 8).flatMap((from, i) => {
    const ends = [means[from], means[pairs[i + 8] ?? from]] as [Vector, Vector];
    return steps.map((_, k) => onSphere(ends, k / (columns - 1)));
  });
  const kept = pairs.slice(0, 8).flatMap((from) => steps.map(() => labels[from] as number));
  add(
    "interpolations",
    "from one held-out picture to another, along the sphere",
    await sheetOfImages(await decoded(between, kept), { columns }),
  );

  if (latent === 2) {
    const grid = Array.from({ length: 15 }, (_, i) => -2.1 + 0.3 * i);
    const all = grid.flatMap((y) => grid.map((x) => [x, -y]));
    const caption = `what lies where: first latent from left to right, second from bottom to top, -2.1 to 2.1`;
    add("plane", caption, await sheetOfImages(await decoded(all, Array(all.length).fill(0)), { columns: 15 }));
  }
  await coder.dispose();

  const some = spread(means.length, mapped);
  const flat = latent === 2;
  const points = flat
    ? some.map((i) => means[i] as Vector)
    : project(
        some.map((i) => means[i] as Vector),
        seed,
      );
  const how = flat ? "the two latents" : latent === 1 ? "the latent and chance" : "UMAP of the latents' means";
  const note = `${how}, ${some.length} held-out pictures${classes.length > 1 ? ", coloured by class" : ""}`;
  const colours = some.map((i) => labels[i] as number);
  add("latent-map", note, await drawScatter(points, colours, { title: note, classes }));
  const bars = order.map((i) => ({ name: String(i), ...(activity[i] as Activity) }));
  add(
    "latents",
    `${active} of ${latent} latents are active: their means vary over pictures by more than ${activeFrom}`,
    await drawBars(
      [
        { title: "variance of the mean over pictures", values: bars.map(({ variance }) => variance), mark: activeFrom },
        { title: "KL divergence from the prior, nats", values: bars.map((bar) => bar.divergence) },
      ],
      bars.map(({ name }) => name),
    ),
  );
  const strongest = order.slice(0, walked).map((i) => ({
    key: `latents/${i}`,
    name: `latent ${i}: variance of its mean`,
    value: (activity[i] as Activity).variance,
  }));
  return {
    pictures,
    measures: [{ key: "activeUnits", name: `active latents, of ${latent}`, value: active }, ...strongest],
  };
}

interface Activity {
  /** Of the mean over pictures. */
  readonly variance: number;
  /** Mean over pictures, in nats. */
  readonly divergence: number;
}

function activities(means: readonly Vector[], divergences: readonly Vector[]): Activity[] {
  const average = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  return (means[0] as Vector).map((_, z) => {
    const own = means.map((mean) => mean[z] as number);
    const middle = average(own);
    return {
      variance: average(own.map((value) => (value - middle) ** 2)),
      divergence: average(divergences.map((row) => row[z] as number)),
    };
  });
}

/** The model on any number of pictures and latents, a chunk at a time. */
async function openCoder({ config, params, device, validation }: Model) {
  const { latent, channels, height, width } = config;
  const size = Math.min(chunk, validation.images.shape[0] as number);
  const options = device ? { device } : {};
  const own = (tree: Tree<Tensor>) => tree as unknown as VaeParams;
  const labels = ndarray("int32", [size], new Int32Array(size));
  const images = ndarray("float32", [size, channels, height, width], new Float32Array(size * channels * height * width));
  const latents = ndarray("float32", [size, latent], new Float32Array(size * latent));
  type Encoded<Leaf> = Posterior<Leaf> & { readonly divergence: Leaf; readonly shown: Leaf };
  const encoder = await compile<[Tree<NdArray>, Pictures], Encoded<Tensor>>(
    (p, batch) => {
      const posterior = encode(config, own(p), batch);
      return { ...posterior, divergence: divergence(posterior), shown: seen(config, batch.images) };
    },
    [params, { images, labels }],
    options,
  );
  const decoder = await compile<[Tree<NdArray>, NdArray, NdArray], Tensor>(
    (p, z, of) => picture(config, decode(config, own(p), z, of)),
    [params, latents, labels],
    options,
  );
  return {
    async encode({ images: all, labels: classes }: Pictures) {
      const count = all.shape[0] as number;
      const out = { means: [] as Vector[], divergences: [] as Vector[], shown: new Float32Array(sizeOf(all.shape)) };
      for (let from = 0; from < count; from += size) {
        const places = Array.from({ length: size }, (_, i) => Math.min(from + i, count - 1));
        const batch = { images: rows(all, places), labels: rows(classes, places) };
        const got = (await encoder.run(params, batch)) as Encoded<NdArray>;
        const kept = Math.min(size, count - from);
        out.means.push(...vectors(got.mean, kept));
        out.divergences.push(...vectors(got.divergence, kept));
        const data = got.shown.data as Float32Array;
        out.shown.set(data.subarray(0, (data.length / size) * kept), (data.length / size) * from);
      }
      return { ...out, shown: ndarray("float32", all.shape, out.shown) };
    },
    async decode(all: readonly Vector[], classes: readonly number[]): Promise<NdArray> {
      const pixels = channels * height * width;
      const out = new Float32Array(all.length * pixels);
      for (let from = 0; from < all.length; from += size) {
        const places = Array.from({ length: size }, (_, i) => Math.min(from + i, all.length - 1));
        const z = ndarray(
          "float32",
          [size, latent],
          places.flatMap((i) => all[i] as number[]),
        );
        const of = ndarray(
          "int32",
          [size],
          places.map((i) => classes[i] as number),
        );
        const { data } = await decoder.run(params, z, of);
        out.set((data as Float32Array).subarray(0, Math.min(size, all.length - from) * pixels), from * pixels);
      }
      return ndarray("float32", [all.length, channels, height, width], out);
    },
    async dispose() {
      await encoder.dispose();
      await decoder.dispose();
    },
  };
}

/** Rows of an array: [N, ...] → [places, ...] */
function rows({ dtype, shape, data }: NdArray, places: readonly number[]): NdArray {
  const size = sizeOf(shape.slice(1));
  const from = data as Float32Array; // or integers, which are copied alike
  const out = from.slice(0, 0).constructor as new (length: number) => Float32Array;
  const copy = new out(places.length * size);
  places.forEach((place, i) => {
    copy.set(from.subarray(place * size, (place + 1) * size), i * size);
  });
  return { dtype, shape: [places.length, ...shape.slice(1)], data: copy };
}

function vectors({ shape, data }: NdArray, count: number): Vector[] {
  const width = shape[1] as number;
  return Array.from({ length: count }, (_, i) => [...(data as Float32Array).subarray(i * width, (i + 1) * width)]);
}

/** `most` of `count` places, evenly spread; all when there are fewer. */
function spread(count: number, most: number): number[] {
  const kept = Math.min(count, most);
  return Array.from({ length: kept }, (_, i) => Math.floor((i * count) / kept));
}

/** Rows of pictures, each above a row of their counterparts. */
function inPairs(above: NdArray, below: NdArray, across: number): Promise<Uint8Array> {
  const count = above.shape[0] as number;
  const whole = Math.floor(count / across) * across || count;
  const wide = Math.min(across, whole);
  const size = sizeOf(above.shape.slice(1));
  const data = new Float32Array(2 * whole * size);
  for (let row = 0; row < whole / wide; row++) {
    [above, below].forEach((side, i) => {
      data.set((side.data as Float32Array).subarray(row * wide * size, (row + 1) * wide * size), (2 * row + i) * wide * size);
    });
  }
  return sheetOfImages(ndarray("float32", [2 * whole, ...above.shape.slice(1)], data), { columns: wide });
}

/** Between two vectors: direction along the great circle, length in even steps (latents lie near a sphere, not between). */
export function onSphere([a, b]: readonly [Vector, Vector], part: number): Vector {
  const norm = (v: Vector) => Math.hypot(...v);
  const [long, other] = [norm(a), norm(b)];
  const cosine = a.reduce((sum, value, i) => sum + value * (b[i] as number), 0) / Math.max(1e-12, long * other);
  const angle = Math.acos(Math.min(1, Math.max(-1, cosine)));
  if (Math.sin(angle) < 1e-4 || long < 1e-6 || other < 1e-6) {
    return a.map((value, i) => value + part * ((b[i] as number) - value));
  }
  const [left, right] = [Math.sin((1 - part) * angle), Math.sin(part * angle)].map((s) => s / Math.sin(angle)) as [
    number,
    number,
  ];
  const length = long + part * (other - long);
  return a.map((value, i) => length * (left * (value / long) + right * ((b[i] as number) / other)));
}

function normals(seed: number, count: number, size: number): Vector[] {
  const data = new Float32Array(count * size);
  fillNormal(fold(key(seed), "inspect"), data);
  return vectors(ndarray("float32", [count, size], data), count);
}

/** Points of a plane whose neighbours are those of the vectors (McInnes et al. 2018); chance beside a single number. */
function project(all: readonly Vector[], seed: number): Vector[] {
  const random = stream(seed);
  if ((all[0]?.length ?? 0) < 2 || all.length < 5) return all.map((vector) => [vector[0] as number, random()]);
  const umap = new UMAP({ nNeighbors: Math.min(15, all.length - 1), random });
  return umap.fit(all.map((vector) => [...vector]));
}

/** Uniform numbers in [0, 1), one after another. */
function stream(seed: number): () => number {
  const block = new Float32Array(4096);
  let at = 0;
  return () => {
    if (at % block.length === 0) fillUniform(fold(fold(key(seed), "umap"), at / block.length), block);
    return block[at++ % block.length] as number;
  };
}
