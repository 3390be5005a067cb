/** Contact sheets of sounds: for each its waveform above its spectrogram on the mel scale, and a caption. */
import { logMel } from "../../util/spectrogram.ts";
import { colour } from "./heat-map.node.ts";
import { type SheetPicture, sheetOf } from "./picture-sheet.node.ts";

export interface SheetSound {
  readonly caption: string;
  readonly samples: Float32Array;
  /** Samples per second. */
  readonly rate: number;
}

const width = 200;
const waveHeight = 40;
const bands = 64;
/** Blue of a waveform on white. */
const ink = [59, 82, 139] as const;
/** How far below the loudest a band is drawn dark, in nepers (ln of the ratio): 80 dB. */
const depth = Math.log(10) * 4;

/**
 * Draws sounds in rows, each from its beginning (left) to its end (right), scaled to its own loudest sample.
 *
 * @returns a PNG
 */
export function soundSheet(
  sounds: readonly SheetSound[],
  { columns = 4 }: { readonly columns?: number } = {},
): Promise<Uint8Array> {
  return sheetOf(sounds.map(cell), { columns, captions: sounds.map(({ caption }) => caption), gap: 6 });
}

/** One sound as a picture [3, height, width]. */
function cell({ samples, rate }: SheetSound): SheetPicture {
  const height = waveHeight + bands;
  const pixels = new Uint8Array(3 * height * width).fill(255);
  const set = (x: number, y: number, rgb: readonly number[]) => {
    rgb.forEach((value, c) => {
      pixels[(c * height + y) * width + x] = value;
    });
  };
  const peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 1e-9);
  for (let x = 0; x < width; x++) {
    const [from, to] = [Math.floor((x * samples.length) / width), Math.ceil(((x + 1) * samples.length) / width)];
    let [low, high] = [1, -1];
    for (let i = from; i < to; i++) {
      low = Math.min(low, samples[i] as number);
      high = Math.max(high, samples[i] as number);
    }
    const row = (value: number) => Math.round(((1 - value / peak) / 2) * (waveHeight - 1));
    for (let y = row(high); y <= row(low); y++) set(x, y, ink);
  }
  const window = 2 ** Math.round(Math.log2(rate / 32)); // 32 ms
  const mel = logMel(samples, { bands, window, hop: Math.max(1, Math.round(samples.length / width)), rate });
  const loudest = mel.data.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
  for (let x = 0; x < width; x++) {
    const frame = Math.min(mel.rows - 1, Math.floor((x * mel.rows) / width));
    for (let band = 0; band < bands; band++) {
      const level = 1 - (loudest - (mel.data[frame * bands + band] as number)) / depth;
      set(x, height - 1 - band, colour(Math.max(0, level) ** 2)); // the map takes the square root
    }
  }
  return { channels: 3, height, width, pixels };
}
