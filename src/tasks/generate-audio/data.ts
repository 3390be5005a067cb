/** The sound of a run: read, checked, split, and put into the numbers that a model reads. */
import {
  type AudioDataset,
  type AudioWindowOptions,
  audioDataset,
  type Clip,
  decodeMuLaw,
  type EncodedClip,
  encodeMuLaw,
  readAudio,
} from "../../data/index.ts";
import { checkConfig, silence, type WaveNetConfig, waveNetDefaults } from "../../models/wavenet.ts";
import { HeptagenError, nearest } from "../../util/errors.ts";
import { logMel, type Rows } from "../../util/spectrogram.ts";
import type { TrainingOptions } from "./options.ts";

/** What a run remembers of its sound: enough to use the model without it. */
export interface AudioFacts {
  readonly source: string;
  readonly fingerprint: string;
  readonly clips: number;
  readonly seconds: number;
  /** Names of the labels; empty for a model that does not know any. */
  readonly labels: readonly string[];
}

export interface PreparedAudio {
  readonly dataset: AudioDataset;
  readonly facts: AudioFacts;
}

/**
 * Reads and splits the sound of a training.
 *
 * @throws HeptagenError `data/…`; `data/no-labels` when labels are wanted and there are none
 */
export async function prepareAudio(
  options: Pick<TrainingOptions, "data" | "rate" | "trim" | "validation" | "conditional"> &
    Partial<Pick<TrainingOptions, "skipBad" | "column" | "labelColumn" | "limit">>,
): Promise<PreparedAudio> {
  const { data = "percussion", rate, trim, skipBad, column, labelColumn, limit, validation, conditional } = options;
  const read = await readAudio(data, { rate, trim, skipBad, column, labelColumn, limit });
  const dataset = await audioDataset(read, { rate, validation });
  const source = [data].flat().join(", ");
  if (conditional && dataset.labels.length === 0) {
    throw new HeptagenError("data/no-labels", `${source}: expected files with at least two different labels, got none`, {
      next: "Put the files of each label into a folder of its own, or train with --no-conditional.",
    });
  }
  const labels = conditional === false ? [] : dataset.labels;
  const { fingerprint, seconds } = dataset;
  return { dataset, facts: { source, fingerprint, clips: read.clips.length, seconds, labels } };
}

/** The architecture's configuration out of a run's options and its labels. */
export function configure(
  { output, mixtures, stacks, depth, residual, skip, features, hop, window }: TrainingOptions,
  { labels }: Pick<AudioFacts, "labels">,
): WaveNetConfig {
  const levels = output === "mu-law" ? 256 : 65536;
  const shape = { output, mixtures, stacks, depth, residual, skip, features, hop };
  const config: WaveNetConfig = { ...waveNetDefaults, ...shape, levels, labels: labels.length };
  checkConfig(config);
  if (features > 0 && window % hop !== 0) {
    throw new HeptagenError("options/value", `train: expected window to be a whole number of frames of ${hop}, got ${window}`, {
      next: `Try --window ${Math.ceil(window / hop) * hop}.`,
    });
  }
  return config;
}

/** Amplitudes as the values that a model reads. */
export function encodeSamples({ output, levels }: WaveNetConfig, samples: Float32Array): Int32Array | Float32Array {
  if (output === "mu-law") return encodeMuLaw(samples, levels);
  const steps = levels - 1;
  return samples.map((sample) => (2 * Math.round(((Math.min(1, Math.max(-1, sample)) + 1) / 2) * steps)) / steps - 1);
}

/** The amplitudes of values that a model wrote. */
export function decodeSamples({ output, levels }: WaveNetConfig, values: Int32Array | Float32Array): Float32Array {
  return output === "mu-law" ? decodeMuLaw(values, levels) : Float32Array.from(values);
}

/** What a vocoder is given of a sound: levels of its mel bands, centred and scaled to about -1 to 1, frame by frame. */
export function featuresOf({ features, hop }: WaveNetConfig, samples: Float32Array, rate: number): Rows {
  const window = 2 ** Math.ceil(Math.log2(Math.max(64, 4 * hop)));
  const levels = logMel(samples, { bands: features, window, hop, rate });
  return { ...levels, data: levels.data.map((level) => (level + 3) / 6) };
}

/** Clips as the model reads them. */
export function encodeClips(
  config: WaveNetConfig,
  clips: readonly Clip[],
  labels: readonly string[],
  rate: number,
): EncodedClip[] {
  return clips.map(({ samples, label }) => ({
    values: encodeSamples(config, samples),
    label: Math.max(0, labels.indexOf(label ?? "")),
    ...(config.features > 0 && { features: featuresOf(config, samples, rate).data }),
  }));
}

/** How windows of this model are cut. */
export function windowOptions(
  config: WaveNetConfig,
  { batch, window }: Pick<TrainingOptions, "batch" | "window">,
): AudioWindowOptions {
  return { batch, window, silence: silence(config), hop: config.features > 0 ? config.hop : 1 };
}

/**
 * Labels for `count` sounds: those asked for in turn, all in turn when none is.
 *
 * @returns int32 [count]; undefined for a model that does not know labels
 * @throws HeptagenError `sample/label` suggesting the nearest
 */
export function labelsFor(asked: readonly string[], known: readonly string[], count: number): Int32Array | undefined {
  if (known.length === 0) {
    if (asked.length === 0) return undefined;
    throw new HeptagenError("sample/label", `expected no label, as this model does not know any, got "${asked[0]}"`, {
      next: "Train on folders with a subfolder per label to choose what is made.",
    });
  }
  const chosen = asked.map((name) => {
    const at = known.indexOf(name);
    if (at >= 0) return at;
    const near = nearest(name, known);
    throw new HeptagenError("sample/label", `there is no label "${name}"`, {
      facts: { label: name, known },
      next: near ? `Did you mean "${near}"?` : `There are: ${known.join(", ")}.`,
    });
  });
  const turn = chosen.length > 0 ? chosen : known.map((_, i) => i);
  return Int32Array.from({ length: count }, (_, i) => turn[i % turn.length] as number);
}
