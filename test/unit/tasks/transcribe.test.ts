/** Speech recognition from files to examples: spelling, splits by voice, decoding with language models, and clear words for bad input. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { characterTokenizer, encodeWav, sharedGroups } from "../../../src/data/index.ts";
import { presetOptions, type Recipe } from "../../../src/tasks/recipe.ts";
import { transcribeRecipes } from "../../../src/tasks/recipes/transcribe.ts";
import { nearestTexts, textsComeBack } from "../../../src/tasks/transcribe/baseline.ts";
import {
  encodeSpeech,
  featuresOf,
  identityOf,
  inputSound,
  learnSpeech,
  type RawSpeech,
  readSounds,
  spelt,
} from "../../../src/tasks/transcribe/data.ts";
import { decoderOf, greedyDecoder, timesOf } from "../../../src/tasks/transcribe/decode.ts";
import { type DecodingOptions, evaluateOptions, type TrainingOptions } from "../../../src/tasks/transcribe/options.ts";
import { transcribeTask } from "../../../src/tasks/transcribe/transcribe.ts";

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "heptagen-transcribe-"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const options = {
  ...presetOptions(transcribeRecipes[0] as Recipe, "words"),
  data: undefined,
  spelling: "lower",
  rate: 8000,
  bands: 8,
  validation: 0.2,
  test: 0.2,
} as unknown as TrainingOptions;

const tone = (seconds: number, rate: number, { hertz = 440, amplitude = 0.5 } = {}): Float32Array =>
  Float32Array.from({ length: Math.round(seconds * rate) }, (_, i) => amplitude * Math.sin((2 * Math.PI * hertz * i) / rate));

/** A folder of its own with these files; a number is the seconds of a sound at 8 kHz. */
async function folderOf(files: Readonly<Record<string, string | Uint8Array | number>>): Promise<string> {
  const folder = mkdtempSync(join(root, "set-"));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), typeof content === "number" ? await encodeWav(tone(content, 8000), 8000) : content);
  }
  return folder;
}

describe("spelling", () => {
  test.each([
    ["as-is", " Řekni 3×: „Ahoj!“ ", "Řekni 3×: „Ahoj!“"],
    ["lower", " Řekni 3×: „Ahoj!“ ", "řekni 3 ahoj"],
    ["lower", "It’s 'quoted' text", "it's quoted text"],
    ["english", "Press 3, please.", "press three please"],
  ] as const)("%s: %s", (spelling, text, expected) => {
    expect(spelt(text, spelling)).toBe(expected);
  });
});

describe("reading", () => {
  test("a table with a split and voices; paths may begin below the table's folder", async () => {
    const folder = await folderOf({
      "clips/x/a.wav": 0.5,
      "clips/y/a.wav": 0.6,
      "clips/y/b.wav": 0.6,
      "t.csv": "path,text,voice,split\nx/a.wav,One!,v1,train\ny/a.wav,Two.,v2,dev\nb.wav,two,v2,test\n",
    });
    const raws = await readSounds({ ...options, data: folder });
    expect(raws.map(({ text, speaker, placed }) => [text, speaker, placed.side, placed.group])).toEqual([
      ["one", "v1", "train", "v1"],
      ["two", "v2", "validation", "v2"],
      ["two", "v2", "test", "v2"],
    ]);
    expect(raws[0]?.placed.place).toBe(join(folder, "t.csv:2"));
    expect(raws[0]?.sound).toMatchObject({ rows: 1 + Math.floor(4000 / 64), width: 8 });
    expect(new Set(raws.map(identityOf)).size).toBe(3);
    const within = await readSounds({ ...options, data: folder, splitColumn: "split", groupBy: "text" });
    expect(within.map(({ placed }) => placed.group)).toEqual(["one", "two", "two"]);
  });

  test("a column that was asked for must say sides; one that happens to be called split need not", async () => {
    const folder = await folderOf({ "a.wav": 0.5, "t.csv": "path,text,split,part\na.wav,one,banana,trian\n" });
    expect((await readSounds({ ...options, data: folder }))[0]?.placed.side).toBeUndefined();
    await expect(readSounds({ ...options, data: folder, splitColumn: "part" })).rejects.toThrow(
      /t\.csv:2: expected train, validation or test in "part", got "trian"/,
    );
  });

  test("whole voices are held out", async () => {
    const rows = Array.from({ length: 40 }, (_, i) => [`${i}.wav`, i % 2 === 0 ? "yes" : "no", `voice ${i % 10}`]);
    const folder = await folderOf({
      ...Object.fromEntries(rows.map(([name]) => [name, 0.5])),
      "t.csv": ["path,text,speaker", ...rows.map((row) => row.join(","))].join("\n"),
    });
    const raws = await readSounds({ ...options, data: folder });
    const { train, validation, test: held } = await transcribeTask.split(raws, options);
    const voice = ({ speaker }: RawSpeech) => speaker as string;
    expect(train.length + validation.length + held.length).toBe(40);
    for (const [a, b] of [
      [train, validation],
      [train, held],
      [validation, held],
    ] as const) {
      expect(b.length).toBeGreaterThan(0);
      expect(sharedGroups(a, b, voice)).toEqual([]);
    }
  });

  test("sounds of another form are converted, and it is told", async () => {
    const folder = await folderOf({ "a.wav": await encodeWav(tone(0.5, 44100), 44100), "t.csv": "path,text\na.wav,one\n" });
    const notes: string[] = [];
    const [raw] = await readSounds({ ...options, data: folder }, (note) => notes.push(note));
    expect(raw?.seconds).toBeCloseTo(0.5, 2);
    expect(notes).toEqual([`${folder}: 1 of 1 sounds had 44100 Hz and 1 channel: resampled to 8000 Hz`]);
  });

  test("what cannot be used is named with file and line, or left out and told", async () => {
    const folder = await folderOf({
      "a.wav": 0.5,
      "b.wav": 0.1,
      "silent.wav": await encodeWav(new Float32Array(4000), 8000),
      "t.csv": "path,text\na.wav,one\nmissing.wav,two\nb.wav,much longer than that\nsilent.wav,three\n",
    });
    const error = (await readSounds({ ...options, data: folder }).catch((e: unknown) => e)) as Error;
    expect(error.message).toContain(`${join(folder, "t.csv")}:3: there is no sound "missing.wav"`);
    expect(error.message).toContain(`${join(folder, "t.csv")}:4: "b.wav" is too short for its text: 0.10 s are 4 frames`);
    expect(error.message).toMatch(/t\.csv:5: .*it is silent/);
    const notes: string[] = [];
    expect(await readSounds({ ...options, data: folder, skipBad: true }, (note) => notes.push(note))).toHaveLength(1);
    expect(notes.join()).toContain("left out 3 that cannot be used");
  });

  test("no data, and transcripts without a letter", async () => {
    await expect(readSounds(options)).rejects.toThrow(/expected data, got none/);
    const folder = await folderOf({ "a.wav": 0.5, "b.wav": 0.5, "t.csv": "path,text\na.wav,one\nb.wav,?!\n" });
    await expect(readSounds({ ...options, data: folder })).rejects.toThrow(/1 transcripts hold no letter: .*t\.csv:3: "\?!"/);
    expect(await readSounds({ ...options, data: folder, skipBad: true })).toHaveLength(1);
  });
});

describe("what is asked", () => {
  test("a path, alone or in an object; what was done to it is told", async () => {
    const folder = await folderOf({ "a.wav": await encodeWav(tone(0.5, 16000), 16000) });
    const file = join(folder, "a.wav");
    const [alone, object] = [await inputSound(file, "line 1", options), await inputSound({ audio: file }, "line 2", options)];
    expect(object.sound).toEqual(alone.sound);
    expect(alone).toMatchObject({ file, text: undefined, note: "16000 Hz and 1 channel: resampled to 8000 Hz" });
  });

  test("what cannot be heard is an error with its line", async () => {
    const folder = await folderOf({
      "silent.wav": await encodeWav(new Float32Array(800), 8000),
      "short.wav": 0.001,
      "t.wav": "text",
    });
    const asked = (value: unknown) => inputSound(value, "asked.jsonl:7", options);
    await expect(asked(join(folder, "none.wav"))).rejects.toThrow(/asked\.jsonl:7: there is no sound .*none\.wav/);
    await expect(asked(join(folder, "silent.wav"))).rejects.toThrow(/asked\.jsonl:7: .*silent\.wav: it is silent/);
    await expect(asked(join(folder, "short.wav"))).rejects.toThrow(/asked\.jsonl:7: .*it is too short/);
    await expect(asked(join(folder, "t.wav"))).rejects.toThrow(/expected WAV, FLAC, OGG or MP3/);
    await expect(asked({ file: "a.wav" })).rejects.toThrow(/asked\.jsonl:7: there is no column "audio"/);
    await expect(asked(7)).rejects.toThrow(/asked\.jsonl:7: expected a path or an object with "audio", got 7/);
  });
});

describe("features", () => {
  test("do not depend on how loud a sound is, and silence is no fainter than 60 dB below the loudest place", () => {
    const half = (amplitude: number) => {
      const samples = tone(0.4, 8000, { amplitude });
      return featuresOf(
        Float32Array.from({ length: 6400 }, (_, i) => samples[i] ?? 0),
        options,
      );
    };
    const [loud, quiet] = [half(0.8), half(0.008)];
    loud.data.forEach((value, i) => {
      expect(Math.abs(value - (quiet.data[i] as number))).toBeLessThan(1e-2);
    });
    expect(Math.max(...loud.data) - Math.min(...loud.data)).toBeCloseTo(6 * Math.LN10, 4);
  });

  test("are normalised by the training sounds; characters that training has not seen leave an example without labels", async () => {
    const folder = await folderOf({ "a.wav": 0.5, "b.wav": 0.5, "t.csv": "path,text\na.wav,ba\nb.wav,cab\n" });
    const raws = await readSounds({ ...options, data: folder });
    const assets = learnSpeech(raws.slice(0, 1), undefined);
    expect(assets.facts.texts).toEqual({ ba: 1 });
    const [known, unknown] = raws.map((raw) => encodeSpeech(raw, assets, options));
    expect([...(known?.labels ?? [])]).toEqual([2, 1]);
    expect(unknown?.labels).toBeUndefined();
    const values = known?.sound.data ?? new Float32Array();
    expect(values.reduce((a, b) => a + b, 0) / values.length).toBeCloseTo(0, 4);
    const model = transcribeTask.model({ network: {} as never, config: {}, assets, options });
    expect(() => model.batches([unknown as never], [0, 0] as never)).toThrow(/t\.csv:3: "cab" holds a character that/);
  });
});

describe("decoding", () => {
  const tokenizer = characterTokenizer("abo"); // classes 1, 2, 3
  const row = (probabilities: readonly number[]) => probabilities.map(Math.log);
  // Frame by frame: a or o (rather o), blank, b.
  const scores = {
    data: Float32Array.from([row([0.02, 0.45, 0.01, 0.52]), row([0.97, 0.01, 0.01, 0.01]), row([0.02, 0.01, 0.96, 0.01])].flat()),
    classes: 4,
  };
  const facts = { mean: [], deviation: [], texts: { ab: 9, ob: 1 } };
  const decode = async (given: Partial<DecodingOptions>) => {
    const whole = { ...evaluateOptions.parse({}), ...given } as unknown as DecodingOptions;
    return (await decoderOf(whole, tokenizer, facts, "lower"))(scores).map(({ text }) => text);
  };

  test("a language model of training texts, of characters or words, changes what is heard", async () => {
    expect((await decode({}))[0]).toBe("ob");
    expect((await decode({ decoder: "greedy" }))[0]).toBe("ob");
    expect((await decode({ languageModel: "characters", languageModelWeight: 1 }))[0]).toBe("ab");
    expect((await decode({ languageModel: "words", languageModelWeight: 1 }))[0]).toBe("ab");
    expect((await decode({ languageModel: "words", languageModelWeight: 0.01 }))[0]).toBe("ob");
    await expect(decode({ languageModel: "none", lexicon: true })).rejects.toThrow(/model of words beside --lexicon, got none/);
  });

  test("with a lexicon nothing but words of the training texts is heard", async () => {
    const only = { ...facts, texts: { ab: 1 } };
    const given = { ...evaluateOptions.parse({}), languageModel: "words", languageModelWeight: 0, lexicon: true };
    const decoder = await decoderOf(given as unknown as DecodingOptions, tokenizer, only, "lower");
    expect(decoder(scores).map(({ text }) => text)[0]).toBe("ab");
  });

  test("the language model may be learnt from a file, spelt as the run spells", async () => {
    const folder = await folderOf({ "texts.txt": "AB.\nab\nab, ab\n" });
    const languageModelText = join(folder, "texts.txt");
    expect((await decode({ languageModel: "words", languageModelWeight: 1, languageModelText }))[0]).toBe("ab");
  });

  test("confidence is the geometric mean over characters; each has its time", () => {
    const [heard] = greedyDecoder(tokenizer)(scores);
    expect(heard?.confidence).toBeCloseTo(Math.sqrt(0.52 * 0.97 * 0.96), 5);
    expect(timesOf(scores, heard?.labels ?? [], tokenizer, 0.04)).toMatchObject([
      { character: "o", start: 0, end: 0.04 },
      { character: "b", start: 0.08, end: 0.12 },
    ]);
  });
});

test("the baseline says what the nearest training sound says", () => {
  const raw = (text: string, hertz: number, seconds: number): RawSpeech => ({
    sound: featuresOf(
      Float32Array.from({ length: 8000 * seconds }, (_, i) => Math.sin(((hertz + i / 20) * i) / 8000)),
      options,
    ),
    seconds,
    text,
    file: "",
    speaker: undefined,
    placed: { place: "" },
  });
  const training = [raw("low", 600, 0.5), raw("low", 640, 0.6), raw("high", 9000, 0.5), raw("high", 9500, 0.6)];
  const asked = [raw("low", 620, 0.7), raw("high", 9200, 0.4)];
  expect([...nearestTexts(training, asked)]).toEqual(["low", "high"]);
  expect(textsComeBack(training, asked as never)).toBe(true);
  expect(textsComeBack(training, [raw("new", 1, 0.5), raw("newer", 1, 0.5)] as never)).toBe(false);
});
