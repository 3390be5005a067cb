/** Sound files in and out, clips split and cut into windows, mu-law; and clear words for files that will not do. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  audioDataset,
  audioWindows,
  type Clip,
  consecutiveAudio,
  decodeMuLaw,
  type EncodedClip,
  encodeMuLaw,
  encodeWav,
  readAudio,
  readAudioFile,
  resample,
} from "../../../src/data/index.ts";
import { key } from "../../../src/util/random.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "heptagen-audio-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const tone = (seconds: number, rate: number, hertz = 440, amplitude = 0.5): Float32Array =>
  Float32Array.from({ length: Math.round(seconds * rate) }, (_, i) => amplitude * Math.sin((2 * Math.PI * hertz * i) / rate));

async function save(name: string, samples: Float32Array, rate = 8000): Promise<string> {
  const file = join(folder, name);
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, await encodeWav(samples, rate));
  return file;
}

/** Root of the mean square of the difference, away from the ends, where a resampler has no neighbours. */
function distance(a: Float32Array, b: Float32Array): number {
  const [from, to] = [200, Math.min(a.length, b.length) - 200];
  let sum = 0;
  for (let i = from; i < to; i++) sum += ((a[i] as number) - (b[i] as number)) ** 2;
  return Math.sqrt(sum / (to - from));
}

/** A tone of 440 Hz, 0.3 s at 8 kHz in FLAC, Vorbis, Opus and MP3, as the usual encoders write it. */
const encoded = new URL("./fixtures/", import.meta.url);

describe("archives and tables", () => {
  it("reads zip, tar and Parquet, with folders and columns as labels, and names what is bad in them", async () => {
    const { zipSync } = await import("fflate");
    const { packTar } = await import("modern-tar");
    const [low, high] = await Promise.all(
      [tone(0.1, 8000, 220), tone(0.1, 8000, 880)].map((samples) => encodeWav(samples, 8000)),
    );
    const files = {
      "top/low/a.wav": low as Uint8Array,
      "top/high/b.wav": high as Uint8Array,
      "top/README.txt": Buffer.from("about"),
    };
    writeFileSync(join(folder, "s.zip"), zipSync(files));
    writeFileSync(join(folder, "bad.zip"), zipSync({ ...files, "top/high/c.wav": Buffer.from("no sound") }));
    const tar = await packTar(Object.entries(files).map(([name, body]) => ({ header: { name, size: body.length }, body })));
    writeFileSync(join(folder, "s.tar"), tar);
    mkdirSync(join(folder, "packed"), { recursive: true });
    writeFileSync(join(folder, "packed/s.tar"), tar);
    for (const name of ["s.zip", "s.tar", "packed"]) {
      const { clips } = await readAudio(join(folder, name), { rate: 8000 });
      expect(clips.map(({ label }) => label)).toEqual(["high", "low"]);
      expect(clips[0]?.file).toMatch(/\.(zip|tar):top\/high\/b\.wav$/);
    }
    await expect(readAudio(join(folder, "bad.zip"), { rate: 8000 })).rejects.toThrow(
      /1 of 3 .*\n.*bad\.zip:top\/high\/c\.wav: expected WAV/,
    );
    expect((await readAudio(join(folder, "bad.zip"), { rate: 8000, skipBad: true })).skipped).toHaveLength(1);

    const { DuckDBInstance } = await import("@duckdb/node-api");
    const connection = await (await DuckDBInstance.create(":memory:")).connect();
    const hex = (bytes: Uint8Array) => `'${[...bytes].map((b) => `\\x${b.toString(16).padStart(2, "0")}`).join("")}'::BLOB`;
    const rows = [low, high].map(
      (b, i) => `SELECT {'bytes': ${hex(b as Uint8Array)}, 'path': 'x.wav'} AS audio, 'l${i}' AS label, 'w' AS word`,
    );
    await connection.run(`COPY (${rows.join(" UNION ALL ")}) TO '${join(folder, "s.parquet")}' (FORMAT parquet)`);
    connection.closeSync();
    const { clips } = await readAudio(join(folder, "s.parquet"), { rate: 8000 });
    expect(clips.map(({ label, file }) => [label, file])).toEqual([
      ["l0", `${join(folder, "s.parquet")}:1`],
      ["l1", `${join(folder, "s.parquet")}:2`],
    ]);
    expect((await readAudio(join(folder, "s.parquet"), { rate: 8000, labelColumn: "word" })).clips[0]?.label).toBe("w");
    await expect(readAudio(join(folder, "s.parquet"), { rate: 8000, column: "sound" })).rejects.toThrow(
      /there is no column "sound"/,
    );
  });
  it("spreads a limit over all files", async () => {
    for (let i = 0; i < 6; i++) await save(`many/${i < 3 ? "a" : "b"}/${i}.wav`, tone(0.05, 8000, 100 * (i + 1)));
    const { clips } = await readAudio(join(folder, "many"), { rate: 8000, limit: 2 });
    expect(clips.map(({ label }) => label)).toEqual(["a", "b"]);
  });
});

describe("files", () => {
  it("gives back what was written as WAV, to 16 bits", async () => {
    const samples = tone(0.2, 8000);
    const read = await readAudioFile(await save("a.wav", samples), 8000);
    expect(read.length).toBe(samples.length);
    for (let i = 0; i < samples.length; i++)
      expect(Math.abs((read[i] as number) - (samples[i] as number))).toBeLessThan(2 / 32768);
  });

  it.each([
    ["tone.flac", 0.001],
    ["tone.ogg", 0.03],
    ["tone.opus", 0.05],
    ["tone.mp3", 0.05],
  ])("reads %s", async (name, tolerance) => {
    const read = await readAudioFile(new URL(name, encoded).pathname, 8000);
    // Codecs may begin a little earlier or later: the best of all shifts counts.
    const wanted = tone(0.5, 8000);
    const shifts = Array.from({ length: 1200 }, (_, shift) => distance(read, wanted.subarray(shift, shift + read.length)));
    expect(read.length).toBeGreaterThan(0.28 * 8000);
    expect(Math.min(...shifts)).toBeLessThan(tolerance);
  });

  it("resamples, so that a tone stays the same tone", async () => {
    const at16 = await resample(tone(0.5, 44100), 44100, 16000);
    expect(at16.length).toBe(8000);
    // The converter may shift by less than a sample.
    const near = [-0.5, -0.25, 0, 0.25, 0.5].map((shift) =>
      distance(
        at16,
        Float32Array.from({ length: 8000 }, (_, i) => 0.5 * Math.sin((2 * Math.PI * 440 * (i + shift)) / 16000)),
      ),
    );
    expect(Math.min(...near)).toBeLessThan(0.02);
  });

  it("takes the first folder as the label, trims silence, and finds files by glob", async () => {
    const quiet = new Float32Array(800);
    await save("set/low/a.wav", Float32Array.from([...quiet, ...tone(0.1, 8000, 200), ...quiet]));
    await save("set/high/b.wav", tone(0.1, 8000, 900));
    const { clips } = await readAudio(join(folder, "set"), { rate: 8000, trim: true });
    expect(clips.map(({ label }) => label)).toEqual(["high", "low"]);
    expect(clips[1]?.samples.length).toBeGreaterThan(700);
    expect(clips[1]?.samples.length).toBeLessThanOrEqual(800);
    expect((await readAudio(join(folder, "set/l*/*.wav"), { rate: 8000 })).clips.map(({ label }) => label)).toEqual(["low"]);
  });

  it("names every file that will not do, and leaves them out only when asked", async () => {
    await save("bad/good.wav", tone(0.1, 8000));
    await save("bad/silent.wav", new Float32Array(800));
    await save("bad/short.wav", tone(0.001, 8000));
    writeFileSync(join(folder, "bad/text.wav"), "this is no sound");
    writeFileSync(join(folder, "bad/cut.flac"), Buffer.from("fLaC\0\0\0\x22"));
    writeFileSync(join(folder, "bad/empty.mp3"), "");
    const reading = readAudio(join(folder, "bad"), { rate: 8000 });
    await expect(reading).rejects.toMatchObject({ code: "data/bad-audio" });
    await expect(reading).rejects.toThrow(/5 of 6 files cannot be used/);
    await expect(reading).rejects.toThrow(/silent\.wav: it is silent: nothing is louder than -80 dB/);
    await expect(reading).rejects.toThrow(/short\.wav: it is too short: 8 samples, 0\.0010 s where 0\.01 s are needed/);
    await expect(reading).rejects.toThrow(/text\.wav: expected WAV, FLAC, OGG or MP3, got something else/);
    await expect(reading).rejects.toThrow(/empty\.mp3: .* got an empty file/);
    await expect(reading).rejects.toThrow(/--skip-bad/);
    const { clips, skipped } = await readAudio(join(folder, "bad"), { rate: 8000, skipBad: true });
    expect(clips.length).toBe(1);
    expect(skipped.map(({ file }) => file.split("/").at(-1)).sort()).toEqual(
      ["cut.flac", "empty.mp3", "short.wav", "silent.wav", "text.wav"].sort(),
    );
    await expect(readAudio(join(folder, "missing"), { rate: 8000 })).rejects.toMatchObject({ code: "data/not-found" });
    mkdirSync(join(folder, "none"));
    await expect(readAudio(join(folder, "none"), { rate: 8000 })).rejects.toMatchObject({ code: "data/no-files" });
    const onlyBad = readAudio(join(folder, "bad/silent.wav"), { rate: 8000, skipBad: true });
    await expect(onlyBad).rejects.toMatchObject({ code: "data/bad-audio" });
  });
});

describe("mu-law", () => {
  it("comes back to the middle of the step it was put into, finely where sound is soft", () => {
    const all = Int32Array.from({ length: 256 }, (_, i) => i);
    expect(encodeMuLaw(decodeMuLaw(all))).toEqual(all);
    const soft = Float32Array.of(0.001, -0.002, 0.01);
    decodeMuLaw(encodeMuLaw(soft)).forEach((value, i) => {
      expect(Math.abs(value - (soft[i] as number))).toBeLessThan(0.0005);
    });
    expect([...encodeMuLaw(Float32Array.of(-2, -1, 0, 1, 2))]).toEqual([0, 0, 128, 255, 255]);
  });
});

const clip = (label: string | undefined, length: number, seed: number): Clip => ({
  samples: Float32Array.from({ length }, (_, i) => Math.sin(i * seed)),
  file: `${seed}.wav`,
  label,
});

describe("the split", () => {
  const clips = Array.from({ length: 10 }, (_, i) => clip(i % 2 ? "odd" : "even", 100 + i, i + 1));
  const split = (list: readonly Clip[], validation = 0.2) =>
    audioDataset({ clips: list, skipped: [] }, { rate: 8000, validation });

  it("holds out whole clips, the same ones in whatever order they come", async () => {
    const a = await split(clips);
    const b = await split([...clips].reverse());
    expect(a.validation.length).toBe(2);
    expect(a.train.length).toBe(8);
    expect(new Set(b.validation)).toEqual(new Set(a.validation));
    expect(a.labels).toEqual(["even", "odd"]);
    expect((await split(clips, 0)).validation).toEqual([]);
  });

  it("keeps equal clips on one side, and its fingerprint tells different sound", async () => {
    const { train, validation, fingerprint } = await split([...clips, ...clips]);
    expect(train.filter((one) => validation.includes(one))).toEqual([]);
    expect((await split([...clips, ...clips])).fingerprint).toBe(fingerprint);
    expect((await split(clips)).fingerprint).not.toBe(fingerprint);
  });

  it("cuts a single clip, if it is long enough", async () => {
    const { train, validation } = await split([clip(undefined, 20_000, 3)]);
    expect([train[0]?.samples.length, validation[0]?.samples.length]).toEqual([16_000, 4_000]);
    await expect(split([clip(undefined, 400, 3)])).rejects.toThrow(/expected several clips, or a long one, got one of 0\.05 s/);
  });
});

describe("windows", () => {
  const values = (length: number, from: number) => Int32Array.from({ length }, (_, i) => from + i);
  const features = (frames: number, from: number) => Float32Array.from({ length: frames * 2 }, (_, i) => from + i);
  const long: EncodedClip = { values: values(100, 1000), label: 1, features: features(25, 100) };
  const short: EncodedClip = { values: values(6, 2000), label: 0, features: features(2, 500) };
  const options = { batch: 3, window: 16, silence: 7, hop: 4 };

  it("are a pure function of the step, with targets one sample after what is read", () => {
    const batches = audioWindows([long, short], options, key(1));
    expect(batches(5)).toEqual(batches(5));
    const starts = new Set<number>();
    for (let step = 0; step < 200; step++) {
      const { samples, targets, counted, labels, frames } = batches(step);
      for (let b = 0; b < 3; b++) {
        const row = (array: { data: ArrayLike<unknown> }) => Array.from(array.data).slice(b * 16, (b + 1) * 16) as number[];
        const [read, next, counts] = [row(samples), row(targets), row(counted)];
        const own = (labels.data[b] === 1 ? long : short) as EncodedClip;
        const first = own.values.indexOf(next[0] as number);
        starts.add(labels.data[b] === 1 ? first : -1);
        expect(read[0]).toBe(first === 0 ? 7 : own.values[first - 1]);
        expect(read.slice(1, 6)).toEqual(next.slice(0, 5));
        expect(counts.reduce((a, c) => a + c)).toBe(Math.min(16, own.values.length - first));
        // Frame 0 of the window stands at row 1.
        expect(frames?.data[(b * 6 + 1) * 2]).toBe((own.features as Float32Array)[(first / 4) * 2]);
        if (first === 0) expect(frames?.data[b * 6 * 2]).toBe(0);
      }
    }
    expect([...starts].sort((a, b) => a - b)).toEqual([-1, ...Array.from({ length: 22 }, (_, i) => i * 4)]);
  });

  it("count every sample once when they follow each other, each with its past", () => {
    const seen = new Map<number, number>();
    for (const { targets, counted, samples } of consecutiveAudio([long, short], { ...options, context: 7 })) {
      counted.data.forEach((counts, i) => {
        const value = Number(targets.data[i]);
        if (!counts) return;
        seen.set(value, (seen.get(value) ?? 0) + 1);
        const before = Math.min(7, value % 1000);
        expect(i % 16).toBeGreaterThanOrEqual(before);
        expect(samples.data[i]).toBe(value % 1000 === 0 ? 7 : value - 1);
      });
    }
    expect(seen.size).toBe(106);
    expect(new Set(seen.values())).toEqual(new Set([1]));
    expect(consecutiveAudio([long, short], { ...options, context: 7, most: 4 }).length).toBe(2);
  });
});
