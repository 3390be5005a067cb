/** Recorded speech with its transcripts, in the forms people keep them; and clear words for what does not fit together. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encodeWav } from "../../../src/data/audio-files.node.ts";
import { framesToSay, type ReadSpeechOptions, readSpeech } from "../../../src/data/speech-records.node.ts";
import { HeptagenError } from "../../../src/util/errors.ts";

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "heptagen-speech-"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const tone = (seconds: number, rate: number, amplitude = 0.5): Float32Array =>
  Float32Array.from({ length: Math.round(seconds * rate) }, (_, i) => amplitude * Math.sin((2 * Math.PI * 440 * i) / rate));

/** A WAV file of 16-bit samples with several channels, all alike. */
function wav(samples: Float32Array, rate: number, channels: number): Uint8Array {
  const bytes = Buffer.alloc(44 + 2 * channels * samples.length);
  bytes.write("RIFF", 0);
  bytes.writeUInt32LE(bytes.length - 8, 4);
  bytes.write("WAVEfmt ", 8);
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(channels, 22);
  bytes.writeUInt32LE(rate, 24);
  bytes.writeUInt32LE(rate * channels * 2, 28);
  bytes.writeUInt16LE(channels * 2, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write("data", 36);
  bytes.writeUInt32LE(bytes.length - 44, 40);
  samples.forEach((x, i) => {
    for (let c = 0; c < channels; c++) bytes.writeInt16LE(Math.round(x * 32767), 44 + 2 * (i * channels + c));
  });
  return bytes;
}

/** A folder of its own with these files; a number is the seconds of a sound at 16 kHz. */
async function folderOf(files: Readonly<Record<string, string | Uint8Array | number>>): Promise<string> {
  const folder = mkdtempSync(join(root, "set-"));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), typeof content === "number" ? await encodeWav(tone(content, 16000), 16000) : content);
  }
  return folder;
}

async function failure(source: string, options?: ReadSpeechOptions): Promise<HeptagenError> {
  const error = await readSpeech(source, options).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(HeptagenError);
  return error as HeptagenError;
}

/** What is known of each record, without its samples, paths from the folder. */
const facts = async (folder: string, source = folder, options?: ReadSpeechOptions) =>
  (await readSpeech(source, options)).records.map(({ text, file, speaker, source: place }) =>
    [file.slice(folder.length + 1), text, speaker, place.slice(folder.length + 1)].join(" / "),
  );

describe("forms of transcripts", () => {
  const sounds = { "clips/a.wav": 0.5, "clips/b.wav": 0.6 };

  test("CSV with quotes and line breaks, the line being the real one", async () => {
    const folder = await folderOf({ ...sounds, "t.csv": 'file,text,speaker\nclips/a.wav,"one,\ntwo",x\nb.wav, three ,y\n' });
    expect(await facts(folder)).toEqual(["clips/a.wav / one,\ntwo / x / t.csv:2", "clips/b.wav / three / y / t.csv:4"]);
  });

  test("TSV as Common Voice has it", async () => {
    const folder = await folderOf({ ...sounds, "validated.tsv": "client_id\tpath\tsentence\nv1\ta.wav\tone\nv2\tb.wav\ttwo\n" });
    expect(await facts(folder)).toEqual(["clips/a.wav / one / v1 / validated.tsv:2", "clips/b.wav / two / v2 / validated.tsv:3"]);
  });

  test("JSONL, by columns of any name", async () => {
    const folder = await folderOf({
      ...sounds,
      "m.jsonl": '{"audio_filepath":"clips/a.wav","text":"one"}\n\n{"audio_filepath":"b","text":"two"}\n',
    });
    expect(await facts(folder)).toEqual(["clips/a.wav / one /  / m.jsonl:1", "clips/b.wav / two /  / m.jsonl:3"]);
    const other = await folderOf({ ...sounds, "m.jsonl": '{"s":"a","w":"one","who":3}\n{"s":"b","w":"two","who":4}\n' });
    const columns = { soundColumn: "s", textColumn: "w", speakerColumn: "who" };
    expect(await facts(other, other, columns)).toEqual([
      "clips/a.wav / one / 3 / m.jsonl:1",
      "clips/b.wav / two / 4 / m.jsonl:2",
    ]);
  });

  test("LJSpeech's metadata.csv, the normalised text of the two", async () => {
    const folder = await folderOf({
      "wavs/L-1.wav": 0.5,
      "wavs/L-2.wav": 0.5,
      "metadata.csv": 'L-1|say "2"|say "two"\nL-2|four|four\n',
    });
    expect(await facts(folder)).toEqual([
      'wavs/L-1.wav / say "two" /  / metadata.csv:1',
      "wavs/L-2.wav / four /  / metadata.csv:2",
    ]);
  });

  test("Kaldi's text with utt2spk, LibriSpeech's .trans.txt with a folder for each voice", async () => {
    const kaldi = await folderOf({ "w/u1.wav": 0.5, "w/u2.wav": 0.5, text: "u1 one two\nu2 three\n", utt2spk: "u1 s1\nu2 s2\n" });
    expect(await facts(kaldi)).toEqual(["w/u1.wav / one two / s1 / text:1", "w/u2.wav / three / s2 / text:2"]);
    const libri = await folderOf({
      "19/1/19-1-0.wav": 0.5,
      "19/1/19-1.trans.txt": "19-1-0 ONE\n",
      "26/5/26-5-0.wav": 0.5,
      "26/5/26-5.trans.txt": "26-5-0 TWO\n",
    });
    expect(await facts(libri)).toEqual([
      "19/1/19-1-0.wav / ONE / 19 / 19/1/19-1.trans.txt:1",
      "26/5/26-5-0.wav / TWO / 26 / 26/5/26-5.trans.txt:1",
    ]);
  });

  test("a .txt beside each sound, folders being voices", async () => {
    const folder = await folderOf({
      "x/a.wav": 0.5,
      "x/a.txt": "one\n",
      "y/a.wav": 0.5,
      "y/a.txt": "two",
      "README.txt": "about",
    });
    expect(await facts(folder)).toEqual(["x/a.wav / one / x / x/a.txt:1", "y/a.wav / two / y / y/a.txt:1"]);
  });

  test("a named table says what to read; among several, one has to be named", async () => {
    const table = "path\ttext\na.wav\tone\n";
    const folder = await folderOf({ ...sounds, "train.tsv": table, "test.tsv": table.replace("a.wav", "b.wav") });
    expect(await facts(folder, join(folder, "train.tsv"))).toEqual(["clips/a.wav / one /  / train.tsv:2"]);
    expect(await facts(folder, folder, { transcripts: join(folder, "test.tsv") })).toEqual(["clips/b.wav / one /  / test.tsv:2"]);
    expect(await failure(folder)).toMatchObject({
      code: "data/transcripts",
      message: expect.stringMatching(/expected one transcript table in .*, got 2: test.tsv, train.tsv\n.*Name the one to read/s),
    });
  });
});

describe("sounds of another form", () => {
  const files = () => folderOf({ "a.wav": wav(tone(0.5, 44100), 44100, 2), "a.txt": "one", "b.wav": 0.5, "b.txt": "two" });

  test("are resampled and mixed, and it is told", async () => {
    const told: string[] = [];
    const onProgress = (done: number, total: number) => told.push(`${done}/${total}`);
    const { records, notes, rate, skipped } = await readSpeech(await files(), { onProgress });
    expect(told).toEqual(records.map((_, i) => `${i}/${records.length}`));
    expect([rate, skipped]).toEqual([16000, []]);
    expect(notes).toEqual(["1 of 2 sounds had 44100 Hz and 2 channels: resampled to 16000 Hz and mixed into one channel"]);
    const [a, b] = records.map(({ samples }) => samples) as [Float32Array, Float32Array];
    expect(Math.abs(a.length - 8000)).toBeLessThan(3);
    const gaps = [...a.subarray(1000, 7000)].map((x, i) => Math.abs(x - (b[i + 1000] as number)));
    expect(Math.max(...gaps)).toBeLessThan(0.01);
  });

  test("are only mixed where the rate is right", async () => {
    const folder = await folderOf({ "a.wav": wav(tone(0.5, 44100), 44100, 2), "a.txt": "one" });
    const { notes } = await readSpeech(folder, { rate: 44100 });
    expect(notes).toEqual(["1 of 1 sounds had 44100 Hz and 2 channels: mixed into one channel"]);
  });

  test("are an error where they are not to be converted", async () => {
    const folder = await files();
    const error = await failure(folder, { convert: false });
    expect(error.message).toContain(
      `${join(folder, "a.txt")}:1: "a.wav": expected 16000 Hz and 1 channel, got 44100 Hz and 2 channels`,
    );
  });
});

describe("what does not fit together", () => {
  const files = () =>
    folderOf({
      "good.wav": 0.5,
      "empty.wav": 0.5,
      "short.wav": 0.1,
      "silent.wav": wav(new Float32Array(8000), 16000, 1),
      "broken.wav": "RIFF but no more",
      "t.csv": "path,text\ngood.wav,one\ngone.wav,two\nempty.wav,\nshort.wav,aab\nsilent.wav,four\nbroken.wav,five\ngood,six\n",
    });

  test("each line is named with its reason", async () => {
    const folder = await files();
    const error = await failure(folder);
    expect(error.code).toBe("data/bad-speech");
    const at = (line: number) => `\n  ${join(folder, "t.csv")}:${line}: `;
    for (const line of [
      `${at(3)}there is no sound "gone.wav"`,
      `${at(4)}nothing is said in "empty.wav": its transcript is empty`,
      `${at(5)}"short.wav" is too short for its text: 0.10 s are 3 frames, "aab" needs 4`,
      `${at(6)}"silent.wav": it is silent`,
      `${at(7)}"broken.wav": it is damaged`,
      `${at(8)}"good" has a transcript already, at ${join(folder, "t.csv")}:2`,
    ]) {
      expect(error.message).toContain(line);
    }
    expect(error.message).toMatch(/^6 of 7 transcripts cannot be used:.*leave them out with skipBad/s);
  });

  test("told so, they are left out and listed", async () => {
    const { records, skipped } = await readSpeech(await files(), { skipBad: true });
    expect(records.map(({ text }) => text)).toEqual(["one"]);
    expect(skipped).toHaveLength(6);
  });

  test("what a text is spelt with decides how long it takes", async () => {
    const folder = await folderOf({ "a.wav": 0.1, "a.txt": "long words" });
    expect((await failure(folder)).message).toMatch(/0.10 s are 3 frames, "long words" needs 10/);
    expect((await readSpeech(folder, { symbols: (text) => text.split(" ") })).records).toHaveLength(1);
    expect((await readSpeech(folder, { secondsPerFrame: 0.01 })).records).toHaveLength(1);
    expect([framesToSay([..."aab"]), framesToSay([..."abc"]), framesToSay([])]).toEqual([4, 3, 0]);
  });

  test("a sound without a transcript, and a name that may be any of several", async () => {
    const folder = await folderOf({ "a.wav": 0.5, "a.txt": "one", "b.wav": 0.5 });
    expect((await failure(folder)).message).toMatch(/1 of 2 sounds have no transcript:\n {2}\S+b.wav\n.*skipUntranscribed/s);
    const { records, skipped } = await readSpeech(folder, { skipUntranscribed: true });
    expect(records).toHaveLength(1);
    expect(skipped).toEqual([{ file: join(folder, "b.wav"), reason: "it has no transcript" }]);
    const twice = await folderOf({ "x/a.wav": 0.5, "y/a.wav": 0.5, "t.csv": "path,text\na.wav,one\ny/a.wav,two\n" });
    expect((await failure(twice, { skipUntranscribed: true })).message).toContain(
      ':2: "a.wav" may be any of x/a.wav, y/a.wav: give its path',
    );
  });

  test("tables that cannot be read, with file and line", async () => {
    const message = async (name: string, content: string | Uint8Array) =>
      (await failure(await folderOf({ "a.wav": 0.5, [name]: content }))).message;
    expect(await message("t.csv", "path,words\na.wav,one\n")).toMatch(
      /t.csv:2: there is no column "text"; it has "path", "words"/,
    );
    expect(await message("t.jsonl", '{"path":"a.wav","text":"one"}\nnothing\n')).toMatch(
      /t.jsonl:2: expected a JSON object, got "nothing"/,
    );
    expect(await message("t.jsonl", '{"path":"a.wav","text":7}\n')).toMatch(/t.jsonl:1: expected text in "text", got 7/);
    expect(await message("metadata.csv", "a|one\nb\n")).toMatch(/metadata.csv:2: expected "id\|text", got "b"/);
    expect(await message("t.csv", Uint8Array.of(0x70, 0xff, 0x0a))).toMatch(
      /t.csv: expected UTF-8 text, got bytes that are not UTF-8 at offset 1/,
    );
    expect((await failure(join(root, "nowhere"))).code).toBe("data/not-found");
    expect((await failure(await folderOf({ "t.csv": "path,text\n" }))).code).toBe("data/no-files");
    expect(
      (await failure(await folderOf({ "a.wav": 0.5, "t.csv": "path,text\n" }), { skipUntranscribed: true })).message,
    ).toMatch(/expected transcripts in .*, got none/);
  });
});
