/**
 * English words said by two programs that synthesise speech, which were compiled for any machine: Flite (WebAssembly, with recorded
 * voices; it sees nothing but a folder in memory) and eSpeak NG (JavaScript, with voices of formants).
 */
import { promises as fs } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { File, OpenFile, PreopenDirectory, WASI } from "@bjorn3/browser_wasi_shim";
import { decodeSound, resample } from "./decode-sound.node.ts";
import { fileBelow, write } from "./prepare-files.node.ts";
import { formantVoices, type RecordedVoice, recordedVoices, type Split, spokenLetters, spokenWords } from "./speech-words.ts";
import { transcriptTable } from "./transcripts.ts";

const rate = 16000;
/** What is quieter than this part of the loudest sample, before and after a word, is cut off but for a margin in seconds. */
const quiet = 0.01;
const margin = 0.05;

/** Mono samples between -1 and 1. */
interface Said {
  readonly samples: Float32Array;
  readonly rate: number;
}

interface Voice {
  readonly name: string;
  readonly split: Split;
  say(text: string): Promise<Said>;
}

/** A folder of sounds for each word, and a table of who says what; voices are in one split alone. */
export async function prepareSyntheticSpeech(
  from: readonly string[],
  to: string,
  report?: (done: number, total: number, unit: string) => void,
): Promise<void> {
  const flite = await loadFlite(await fileBelow(from, /(^|\/)flite\.wasm$/));
  const formant = await loadEspeak(await fileBelow(from, /(^|\/)espeak-ng\.js$/));
  const voices: Voice[] = [
    ...recordedVoices.map((voice) => ({ name: `flite-${voice.name}`, split: voice.split, say: flite(voice) })),
    ...formantVoices.map(({ name, split, ...how }) => ({
      name: `espeak-${name.replace("+", "-")}`,
      split,
      say: formant(name, how),
    })),
  ];
  const rows: { path: string; text: string; speaker: string; split: Split }[] = [];
  for (const [done, { name: speaker, split, say }] of voices.entries()) {
    report?.(done, voices.length, "voices");
    const said: Said[] = [];
    for (const text of spokenWords) {
      said.push(await say(spokenLetters[text] ?? text));
      await new Promise(setImmediate); // speaking is one long computation: others get their turn
    }
    const sounds = await atOneRate(said);
    for (const [i, text] of spokenWords.entries()) {
      const path = `sounds/${text}/${speaker}.wav`;
      await write(join(to, path), wavFile(trimmed(sounds[i] as Float32Array)));
      rows.push({ path, text, speaker, split });
    }
  }
  await write(join(to, "transcripts.csv"), transcriptTable(rows));
}

/** What one voice said, resampled as one sound with silence between words: a converter takes longer to set up than to run. */
async function atOneRate(said: readonly Said[]): Promise<Float32Array[]> {
  const from = said[0]?.rate ?? rate;
  const gap = Math.round(margin * from);
  const places: number[] = [];
  let length = gap;
  for (const { samples } of said) {
    places.push(length);
    length += samples.length + gap;
  }
  const whole = new Float32Array(length);
  for (const [i, { samples }] of said.entries()) whole.set(samples, places[i]);
  const converted = await resample(whole, from, rate, { quality: "fastest" });
  const at = (place: number) => Math.round((place * rate) / from);
  return said.map(({ samples }, i) => converted.slice(at(places[i] as number), at((places[i] as number) + samples.length)));
}

/** A .wav file of 16 bits: for thousands of short ones, what writes any format of media takes longer than speaking. */
function wavFile(samples: Float32Array): Uint8Array {
  const head = Buffer.alloc(44);
  head.write("RIFF    WAVEfmt ", "latin1");
  head.writeUInt32LE(36 + 2 * samples.length, 4);
  head.writeUInt32LE(16, 16); // the size of what describes the format: PCM, one channel, samples and bytes a second, bytes and bits
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(rate, 24);
  head.writeUInt32LE(2 * rate, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write("data", 36, "latin1");
  head.writeUInt32LE(2 * samples.length, 40);
  const body = Buffer.alloc(2 * samples.length);
  samples.forEach((sample, i) => {
    body.writeInt16LE(Math.round(Math.max(-1, Math.min(1, sample)) * 32767), 2 * i);
  });
  return Buffer.concat([head, body]);
}

function trimmed(samples: Float32Array): Float32Array {
  const least = quiet * samples.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0);
  const first = samples.findIndex((sample) => Math.abs(sample) >= least);
  const last = samples.findLastIndex((sample) => Math.abs(sample) >= least);
  return samples.slice(Math.max(0, first - margin * rate), last + 1 + margin * rate);
}

/** Flite as a WASI program, run anew for each word with a folder in memory that it writes a .wav file to. */
async function loadFlite(file: string): Promise<(voice: RecordedVoice) => (text: string) => Promise<Said>> {
  const module = await WebAssembly.compile(new Uint8Array(await fs.readFile(file)));
  return ({ name, person, pitch, stretch }) =>
    async (text) => {
      const folder = new PreopenDirectory("/out", new Map());
      const sink = () => new OpenFile(new File([]));
      const set = { int_f0_target_mean: pitch, duration_stretch: stretch };
      const how = Object.entries(set).flatMap(([feature, value]) =>
        value === undefined ? [] : ["--setf", `${feature}=${value}`],
      );
      const argv = ["flite", "-voice", person, ...how, "-t", text, "-o", "/out/said.wav"];
      const wasi = new WASI(argv, [], [sink(), sink(), sink(), folder], { debug: false });
      const instance = await WebAssembly.instantiate(module, { wasi_snapshot_preview1: wasi.wasiImport });
      wasi.start(instance as unknown as Parameters<typeof wasi.start>[0]); // it exports what a WASI program does
      const said = folder.dir.contents.get("said.wav");
      return decodeSound(said instanceof File ? said.data : new Uint8Array(0), `${file}: ${name}: ${text}`);
    };
}

/** What is used of `@echogarden/espeak-ng-emscripten`. */
interface Espeak {
  get_samplerate(): number;
  set_voice(name: string): number;
  set_pitch(value: number): void;
  set_rate(value: number): void;
  synthesize(text: string, take: (data: ArrayBuffer | null) => boolean): void;
}

async function loadEspeak(
  file: string,
): Promise<(voice: string, how: { pitch: number; rate: number }) => (text: string) => Promise<Said>> {
  const { default: start } = (await import(pathToFileURL(file).href)) as {
    default: () => Promise<{ eSpeakNGWorker: new () => Espeak }>;
  };
  const { eSpeakNGWorker: Worker } = await start();
  const espeak = new Worker();
  return (voice, how) => async (text) => {
    espeak.set_voice(voice);
    espeak.set_pitch(how.pitch);
    espeak.set_rate(how.rate);
    const parts: number[] = [];
    espeak.synthesize(text, (data) => {
      if (data) for (const sample of new Int16Array(data)) parts.push(sample / 32768);
      return false; // go on
    });
    return { samples: Float32Array.from(parts), rate: espeak.get_samplerate() };
  };
}
