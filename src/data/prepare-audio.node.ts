/** Sets of sounds, put into folders named after their labels. */
import { promises as fs } from "node:fs";
import { basename, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { fileBelow, filesBelow, jsonLines, put, stem, write } from "./prepare-files.node.ts";
import { spokenText, transcriptTable } from "./transcripts.ts";

/** Files are named `family_what.flac`. */
export async function prepareSynthSamples([from]: readonly string[], to: string): Promise<void> {
  for (const path of await filesBelow(from as string, /\.flac$/)) {
    const name = basename(path);
    await put(join(from as string, path), join(to, "sounds", name.split(/[_.]/)[0] as string, name));
  }
}

/**
 * Files lie in folders by topic; those that hold nothing but silence stay away. What is said stands in a list of another package,
 * `digits/7: seven`; sounds without words are not in the table of transcripts.
 */
export async function prepareSpokenWords(from: readonly string[], to: string): Promise<void> {
  const list = gunzipSync(await fs.readFile(await fileBelow(from, /core-sounds-en\.txt\.gz$/))).toString("utf8");
  const words = new Map([...list.matchAll(/^([^;:\s]+): (.+)$/gm)].map(([, name, text]) => [name, spokenText(text as string)]));
  const rows: { path: string; text: string; speaker: string }[] = [];
  for (const folder of from) {
    for (const path of await filesBelow(folder, /\.wav$/)) {
      const [, inside] = /\/sounds\/[^/]+\/(.+)$/.exec(`/${path}`) ?? [];
      if (inside === undefined || inside.startsWith("silence/")) continue;
      const place = `sounds/${inside.includes("/") ? inside : `prompts/${inside}`}`;
      await put(join(folder, path), join(to, place));
      const text = words.get(inside.replace(/\.wav$/, ""));
      if (text) rows.push({ path: place, text, speaker: "allison" });
    }
  }
  await write(join(to, "transcripts.csv"), transcriptTable(rows));
}

/** Who speaks: second part of a line's name, `level-m-what` (malá, the small fish) or `level-v-what` (velká, the big one). */
export const speakers: Readonly<Record<string, string>> = { m: "small fish", v: "big fish" };

/** Files are `sound/LEVEL/cs/LINE.ogg`; `script/LEVEL/dialogs_cs.lua` has the words. */
export async function prepareFishSpeech(from: readonly string[], to: string): Promise<void> {
  const lines = await readDialogues(from, "cs");
  // What levels share is told apart by its name alone.
  const words = new Map(lines.flatMap(({ level, id, text }) => [[id, text] as const, [`${level} ${id}`, text] as const]));
  const rows: object[] = [];
  for (const folder of from) {
    for (const path of await filesBelow(folder, /\/sound\/.*\/cs\/[^/]+\.ogg$/)) {
      const [, level = ""] = /\/sound\/(.+)\/cs\//.exec(path) ?? [];
      const id = stem(path);
      const speaker = speakers[id.split("-")[1] ?? ""] ?? "others";
      const file = `${speaker}/${level.replaceAll("/", "-")}-${id}.ogg`;
      await put(join(folder, path), join(to, "sounds", file));
      rows.push({ file, speaker, text: words.get(`${level} ${id}`) ?? words.get(id) ?? null });
    }
  }
  await write(join(to, "transcripts.jsonl"), jsonLines(rows));
}

export interface Line {
  readonly level: string;
  readonly id: string;
  readonly text: string;
}

/**
 * Lines of dialogue as a level's script lists them: `dialogId(id, font, english)`, each followed by `dialogStr(translation)` in
 * files of other languages.
 */
export async function readDialogues(from: readonly string[], language: string): Promise<Line[]> {
  const lines: Line[] = [];
  for (const folder of from) {
    for (const path of await filesBelow(folder, new RegExp(`/script/.*dialogs_${language}\\.lua$`))) {
      const [, level = ""] = /\/script\/(.+)\/[^/]+$/.exec(path) ?? [];
      const script = await fs.readFile(join(folder, path), "utf8");
      const call = /dialogId\("((?:[^"\\]|\\.)*)",\s*"[^"]*",\s*"((?:[^"\\]|\\.)*)"\)(?:\s*dialogStr\("((?:[^"\\]|\\.)*)"\))?/g;
      for (const [, id = "", english = "", translated] of script.matchAll(call)) {
        const text = (translated ?? english).replace(/\\(.)/g, "$1");
        if (text !== "") lines.push({ level, id, text });
      }
    }
  }
  return lines;
}
