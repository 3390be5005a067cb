/** What is in a set of sounds, as its files hold it: nothing is resampled or cut. */
import { createHash } from "node:crypto";
import { HeptagenError } from "../util/errors.ts";
import type { BadFile } from "./audio-files.node.ts";
import { decodeSound } from "./decode-sound.node.ts";
import type { MediaColumns } from "./media-table.node.ts";
import { listSounds } from "./sound-sources.node.ts";
import { spread } from "./spread.ts";

export interface SurveyedSound {
  readonly file: string;
  readonly label: string | undefined;
  readonly seconds: number;
  /** Samples per second. */
  readonly rate: number;
  readonly channels: number;
  /** One channel; of the examples only. */
  readonly samples: Float32Array | undefined;
}

export interface AudioSurvey {
  readonly sounds: readonly SurveyedSound[];
  readonly bad: readonly BadFile[];
  /** SHA-256 over the contents of all files, as hex. */
  readonly fingerprint: string;
}

/**
 * Decodes the sounds of a source.
 *
 * @param examples keep the samples of so many, spread evenly
 * @param limit look at so many, spread evenly; at all unless told
 * @throws HeptagenError those of `readAudio` that concern the source
 */
export async function surveyAudio(
  path: string,
  { examples = 0, limit, ...columns }: MediaColumns & { readonly examples?: number; readonly limit?: number } = {},
): Promise<AudioSurvey> {
  const listed = spread(await listSounds(path, columns), limit);
  const kept = new Set(spread(listed, examples));
  const hash = createHash("sha256");
  const sounds: SurveyedSound[] = [];
  const bad: BadFile[] = [];
  for (const source of listed) {
    const { file, label, read } = source;
    try {
      const bytes = new Uint8Array(await read());
      hash.update(createHash("sha256").update(bytes).digest());
      const { samples, rate, channels } = await decodeSound(bytes, file);
      sounds.push({
        file,
        label,
        seconds: samples.length / rate,
        rate,
        channels,
        samples: kept.has(source) ? samples : undefined,
      });
    } catch (error) {
      if (!(error instanceof HeptagenError)) throw error;
      bad.push({ file, reason: String(error.facts.reason ?? error.message) });
    }
  }
  return { sounds, bad, fingerprint: hash.digest("hex") };
}
