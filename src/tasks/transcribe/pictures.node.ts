/** What a recogniser hears, as pictures: a sound with its characters in time, and words that are taken for others. */
import sharp from "sharp";
import type { Tokenizer } from "../../data/index.ts";
import { align } from "../../metrics/index.ts";
import { colour, text } from "../drawing/heat-map.node.ts";
import { drawMatrix } from "../drawing/matrix.node.ts";
import type { SpeechExample } from "./data.ts";
import type { Scores, TimedCharacter } from "./decode.ts";
import type { TrainingOptions } from "./options.ts";

interface HeardSound {
  readonly scores: Scores;
  readonly heard: string;
  readonly characters: readonly TimedCharacter[];
  readonly tokenizer: Tokenizer;
  readonly own: Pick<TrainingOptions, "hop">;
}

/** A row of a class, in pixels; classes are drawn that reach this probability somewhere; and at most so many. */
const rowHeight = 16;
const least = 0.05;
const mostRows = 24;
const plot = { left: 64, right: 16, top: 64, height: 200, most: 1600, least: 480 };

/** A sound's spectrogram, the characters heard in it, and below how likely each class is at each time. */
export async function soundPicture(
  { sound, seconds, text: said, speaker }: SpeechExample,
  { scores, heard, characters, tokenizer, own }: HeardSound,
): Promise<Uint8Array> {
  const { classes } = scores;
  const steps = scores.data.length / classes;
  const likely = probabilities(scores);
  const peaks = Array.from({ length: classes }, (_, v) => Math.max(...likely.map((row) => row[v] as number)));
  const drawn = [...peaks.keys()]
    .filter((v) => v === 0 || (peaks[v] as number) >= least)
    .sort((a, b) => (peaks[b] as number) - (peaks[a] as number))
    .slice(0, mostRows)
    .sort((a, b) => a - b);
  const cell = Math.max(2, Math.min(24, Math.floor(plot.most / steps), Math.max(8, Math.ceil(plot.least / steps))));
  const across = cell * steps;
  const below = plot.top + plot.height + 28;
  const size = { width: plot.left + across + plot.right, height: below + drawn.length * rowHeight + 40 };
  const width = Math.max(size.width, 480);
  const image = (pixels: Buffer, shape: { width: number; height: number }, to: { width: number; height: number }) =>
    sharp(pixels, { raw: { ...shape, channels: 3 } })
      .resize(to.width, to.height, { kernel: "nearest", fit: "fill" })
      .png()
      .toBuffer();
  const spectrogram = await image(
    spectrum(sound),
    { width: sound.rows, height: sound.width },
    { width: Math.max(1, Math.round((across * sound.rows) / (4 * steps))), height: plot.height },
  );
  const posterior = Buffer.alloc(steps * drawn.length * 3);
  for (const [r, v] of drawn.entries()) {
    for (let n = 0; n < steps; n++) posterior.set(colour(likely[n]?.[v] as number), (r * steps + n) * 3);
  }
  const table = await image(
    posterior,
    { width: steps, height: drawn.length },
    { width: across, height: drawn.length * rowHeight },
  );
  const x = (time: number) => plot.left + (time / (4 * own.hop)) * cell;
  const name = (v: number) => (v === 0 ? "nothing" : visible(tokenizer.decode([v - 1])));
  const foot = below + drawn.length * rowHeight;
  const marks = characters.flatMap(({ character, start, end }) => [
    `<line x1="${x(start)}" x2="${x(start)}" y1="${plot.top}" y2="${plot.top + plot.height}" stroke="#fff" stroke-opacity="0.6"/>`,
    text((x(start) + x(end)) / 2, plot.top + plot.height + 18, visible(character), 14, 'text-anchor="middle"'),
  ]);
  const tick = [0.1, 0.2, 0.5, 1, 2, 5, 10].find((every) => x(every) - x(0) >= 48) ?? 30;
  const ticks = Array.from({ length: Math.floor(seconds / tick) + 1 }, (_, i) =>
    text(x(i * tick), foot + 16, `${Number((i * tick).toFixed(1))} s`, 10, i === 0 ? "" : 'text-anchor="middle"'),
  );
  const parts = [
    text(12, 22, `said: ${said ?? "?"}${speaker === undefined ? "" : `  (${speaker})`}`, 13),
    text(12, 42, `heard: ${heard || "nothing"}`, 13),
    text(8, plot.top + 12, "high", 10),
    text(8, plot.top + plot.height, "low", 10),
    ...marks,
    ...drawn.map((v, r) => text(plot.left - 6, below + (r + 0.75) * rowHeight, name(v), 11, 'text-anchor="end"')),
    ...ticks,
    text(12, size.height - 6, "log-mel spectrogram; below it how likely each character is, bright is certain", 10),
  ];
  const overlay = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${size.height}">${parts.join("")}</svg>`;
  return sharp({ create: { width, height: size.height, channels: 3, background: "#ffffff" } })
    .composite([
      { input: spectrogram, left: plot.left, top: plot.top },
      { input: table, left: plot.left, top: below },
      { input: Buffer.from(overlay), left: 0, top: 0 },
    ])
    .png()
    .toBuffer();
}

/** Features as colours, high bands on top. */
function spectrum({ rows, width, data }: SpeechExample["sound"]): Buffer {
  const low = data.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const high = data.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const pixels = Buffer.alloc(rows * width * 3);
  for (let t = 0; t < rows; t++) {
    for (let f = 0; f < width; f++) {
      const value = ((data[t * width + f] as number) - low) / Math.max(1e-6, high - low);
      pixels.set(colour(value ** 2), ((width - 1 - f) * rows + t) * 3); // `colour` takes the root
    }
  }
  return pixels;
}

function probabilities({ data, classes }: Scores): Float64Array[] {
  return Array.from({ length: data.length / classes }, (_, n) => {
    const row = Float64Array.from(data.subarray(n * classes, (n + 1) * classes));
    const peak = Math.max(...row);
    const total = row.reduce((sum, value) => sum + Math.exp(value - peak), 0);
    return row.map((value) => Math.exp(value - peak) / total);
  });
}

/** Most words in a picture of confusions. */
const mostWords = 24;

/** Which words are taken for which, those that are mistaken most often; undefined where none is. */
export async function confusionPicture(said: readonly string[], heard: readonly string[]): Promise<Uint8Array | undefined> {
  const counts = new Map<string, Map<string, number>>();
  const wrong = new Map<string, number>();
  const count = (word: string, as: string) => {
    const row = counts.get(word) ?? new Map<string, number>();
    row.set(as, (row.get(as) ?? 0) + 1);
    counts.set(word, row);
    if (word !== as) wrong.set(word, (wrong.get(word) ?? 0) + 1);
  };
  said.forEach((reference, i) => {
    const [words, others] = [wordsOf(reference), wordsOf(heard[i] as string)];
    for (const { type, reference: own, hypothesis } of align(words, others)) {
      if (type === "insert") continue;
      for (let k = own[0]; k < own[1]; k++) {
        count(words[k] as string, type === "delete" ? "(nothing)" : (others[hypothesis[0] + k - own[0]] as string));
      }
    }
  });
  const rows = [...wrong]
    .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
    .slice(0, mostWords)
    .map(([word]) => word);
  if (rows.length === 0) return undefined;
  const totals = new Map<string, number>();
  for (const word of rows) {
    for (const [as, times] of counts.get(word) ?? []) totals.set(as, (totals.get(as) ?? 0) + times);
  }
  const columns = [...totals]
    .sort((a, b) => b[1] - a[1])
    .slice(0, mostWords)
    .map(([word]) => word);
  const row = (word: string) => columns.map((as) => counts.get(word)?.get(as) ?? 0);
  const sum = (word: string) => [...(counts.get(word)?.values() ?? [])].reduce((a, b) => a + b, 0);
  return drawMatrix({
    title: `words that are mistaken most often, in ${said.length} sounds`,
    rows,
    columns,
    values: rows.map((word) => row(word).map((times) => times / sum(word))),
    cells: rows.map((word) => row(word).map((times) => (times === 0 ? "" : String(times)))),
    axes: ["said", "heard"],
  });
}

const wordsOf = (line: string): string[] => line.split(/\s+/).filter((word) => word !== "");
const visible = (character: string): string => (character === " " ? "␣" : character);
