/**
 * Sound as data for models: clips split into training and validation, and windows of them as pure functions of the step.
 *
 * Legend: B windows in a batch, T samples in a window, H samples per frame, F features per frame.
 */
import { HeptagenError } from "../util/errors.ts";
import { type NdArray, ndarray } from "../util/ndarray.ts";
import { fold, type Key, randint } from "../util/random.ts";
import type { BadFile, Clip } from "./audio-files.node.ts";
import { sha256 } from "./token-dataset.ts";

export interface AudioDataset {
  readonly train: readonly Clip[];
  readonly validation: readonly Clip[];
  /** Names of the labels, sorted; a clip's label is its place here. Empty where some clip has none, or all have the same. */
  readonly labels: readonly string[];
  readonly rate: number;
  readonly seconds: number;
  /** SHA-256 of samples and labels, as hex. */
  readonly fingerprint: string;
  readonly skipped: readonly BadFile[];
}

/**
 * Splits clips into both sides, whole clips each, by the hash of their samples: equal clips stay together, and the order of files
 * does not matter. A single clip is cut: its end is held out.
 *
 * @param validation fraction of the clips to hold out, 0 to below 1
 * @throws HeptagenError `data/one-clip` for a single clip of less than two seconds, of which nothing can be held out
 */
export async function audioDataset(
  { clips, skipped }: { readonly clips: readonly Clip[]; readonly skipped: readonly BadFile[] },
  { rate, validation }: { readonly rate: number; readonly validation: number },
): Promise<AudioDataset> {
  const hashes = await Promise.all(clips.map(({ samples }) => hashOf(samples)));
  const names = clips.map(({ label }) => label ?? "");
  const distinct = [...new Set(names)].sort();
  const common = {
    labels: distinct.length < 2 || distinct.includes("") ? [] : distinct,
    rate,
    seconds: clips.reduce((sum, { samples }) => sum + samples.length, 0) / rate,
    fingerprint: await sha256(clips.map((_, i) => `${hashes[i]} ${names[i]}`)),
    skipped,
  };
  const [only] = clips;
  if (validation === 0) return { ...common, train: clips, validation: [] };
  if (clips.length === 1 && only) {
    const cut = Math.floor(only.samples.length * (1 - validation));
    if (only.samples.length < 2 * rate) {
      throw new HeptagenError(
        "data/one-clip",
        `expected several clips, or a long one, got one of ${(only.samples.length / rate).toFixed(2)} s: ${only.file}`,
        { next: "Give more files, or train without held-out sound: --validation 0." },
      );
    }
    const part = (from: number, to?: number) => [{ ...only, samples: only.samples.slice(from, to) }];
    return { ...common, train: part(0, cut), validation: part(cut) };
  }
  const sorted = [...new Set(hashes)].sort();
  const held = new Set(sorted.slice(0, Math.min(sorted.length - 1, Math.ceil(validation * sorted.length))));
  const side = (wanted: boolean) => clips.filter((_, i) => held.has(hashes[i] as string) === wanted);
  return { ...common, train: side(false), validation: side(true) };
}

/** SHA-256 of samples, as hex. */
async function hashOf(samples: Float32Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", samples as Float32Array<ArrayBuffer>); // never shared memory
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A clip as a model reads it. */
export interface EncodedClip {
  /** One number per sample: mu-law values, or amplitudes. */
  readonly values: Int32Array | Float32Array;
  /** Place of its label in the dataset's list; 0 without labels. */
  readonly label: number;
  /** Features of its frames [frames, F], row by row; frame i covers samples from i · H. */
  readonly features?: Float32Array | undefined;
}

/** Windows of sound. `samples` are read and `targets` predicted: the same one later. */
export interface AudioBatch<Leaf = NdArray> {
  /** int32 or float32 [B, T] */
  readonly samples: Leaf;
  readonly targets: Leaf;
  /** float32 [B, T]: 1 where a target counts, 0 beyond the end of a clip, and where a window only leads up to what counts. */
  readonly counted: Leaf;
  /** int32 [B] */
  readonly labels: Leaf;
  /** float32 [B, T / H + 2, F]: features of the window's frames, of one before and of one after; zeros outside of the clip. */
  readonly frames?: Leaf;
}

export interface AudioWindowOptions {
  readonly batch: number;
  /** T; a whole number of frames where there are features. */
  readonly window: number;
  /** The value before the first sample of a clip, and after its last. */
  readonly silence: number;
  /** H; 1 without features. */
  readonly hop: number;
}

/** Where a window lies: clip, first target, and from which of its positions on targets count. */
interface Place {
  readonly clip: EncodedClip;
  readonly start: number;
  readonly from: number;
}

/**
 * Windows drawn anew at every step, each part of the sound equally often. Starts are drawn from half a window before a clip on and
 * then held at its beginning, so that beginnings, which a model must find without any past, are seen often enough.
 *
 * @throws HeptagenError `data/empty` without clips
 */
export function audioWindows(clips: readonly EncodedClip[], options: AudioWindowOptions, key: Key): (step: number) => AudioBatch {
  const { batch, window, hop } = options;
  const lead = window >> 1;
  const starts = clips.map(({ values }) => Math.max(1, values.length - window + 1) + lead);
  const total = starts.reduce((a, b) => a + b, 0);
  if (total === 0) throw new HeptagenError("data/empty", "expected sound to learn from, got no clips");
  const drawn = new Int32Array(batch);
  return (step) => {
    randint(fold(key, step), 0, total, drawn);
    const places = Array.from(drawn, (place) => {
      let [at, clip] = [place, 0];
      while (at >= (starts[clip] as number)) at -= starts[clip++] as number;
      const start = Math.max(0, at - lead);
      return { clip: clips[clip] as EncodedClip, start: start - (start % hop), from: 0 };
    });
    return cut(places, options);
  };
}

/**
 * All of the clips, each sample counted once with at least `context` samples before it (or all there are): windows that overlap by
 * as much. The last batch is filled up with windows that do not count.
 *
 * @param most at most so many windows, evenly spread; all unless told
 */
export function consecutiveAudio(
  clips: readonly EncodedClip[],
  options: AudioWindowOptions & { readonly context: number; readonly most?: number },
): AudioBatch[] {
  const { batch, window, hop, context, most = Number.POSITIVE_INFINITY } = options;
  const lead = Math.min(Math.ceil(context / hop) * hop, Math.floor(window / 2 / hop) * hop);
  const all: Place[] = clips.flatMap((clip) => {
    const places: Place[] = [{ clip, start: 0, from: 0 }];
    for (let done = window; done < clip.values.length; done += window - lead) {
      places.push({ clip, start: done - lead, from: lead });
    }
    return places;
  });
  const chosen =
    all.length <= most ? all : Array.from({ length: most }, (_, i) => all[Math.floor((i * all.length) / most)] as Place);
  return Array.from({ length: Math.ceil(chosen.length / batch) }, (_, b) =>
    cut(
      Array.from({ length: batch }, (_, i) => chosen[b * batch + i]),
      options,
    ),
  );
}

function cut(places: readonly (Place | undefined)[], { window, silence, hop }: AudioWindowOptions): AudioBatch {
  const first = places[0]?.clip as EncodedClip; // a batch has at least one window
  const whole = first.values instanceof Int32Array;
  const [batch, size] = [places.length, places.length * window];
  const make = () => (whole ? new Int32Array(size).fill(silence) : new Float32Array(size).fill(silence));
  const [samples, targets, counted] = [make(), make(), new Float32Array(size)];
  const labels = new Int32Array(batch);
  const rows = window / hop + 2;
  const width = first.features ? first.features.length / Math.ceil(first.values.length / hop) : 0;
  const frames = new Float32Array(batch * rows * width);
  places.forEach((place, b) => {
    if (!place) return;
    const { clip, start, from } = place;
    const { values, features } = clip;
    targets.set(values.subarray(start, start + window) as never, b * window); // all clips hold the same type
    if (start === 0) samples.set(values.subarray(0, window - 1) as never, b * window + 1);
    else samples.set(values.subarray(start - 1, start + window - 1) as never, b * window);
    counted.fill(1, b * window + from, b * window + Math.min(window, values.length - start));
    labels[b] = clip.label;
    if (!features) return;
    const before = start / hop - 1; // the first row is the frame before the window
    const skip = Math.max(0, -before);
    frames.set(features.subarray((before + skip) * width, (before + rows) * width), (b * rows + skip) * width);
  });
  const dtype = whole ? "int32" : "float32";
  return {
    samples: ndarray(dtype, [batch, window], samples),
    targets: ndarray(dtype, [batch, window], targets),
    counted: ndarray("float32", [batch, window], counted),
    labels: ndarray("int32", [batch], labels),
    ...(width > 0 && { frames: ndarray("float32", [batch, rows, width], frames) }),
  };
}
