/** Texts, taken out of what only their makers read: plain text, or a JSON object a line with the text in "text". */
import { promises as fs } from "node:fs";
import { basename, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { type Line, readDialogues, speakers } from "./prepare-audio.node.ts";
import { fileBelow, filesBelow, jsonLines, put, write } from "./prepare-files.node.ts";

/** `fortune` files: entries between lines with "%", coloured for terminals. */
export async function prepareChineseFortunes(from: readonly string[], to: string): Promise<void> {
  for (const name of ["tang300", "song100", "chinese"]) {
    const file = await fileBelow(from, new RegExp(`(^|/)fortunes/${name}$`));
    const plain = (await fs.readFile(file, "utf8")).replace(new RegExp(`${String.fromCharCode(27)}\\[[\\d;]*m`, "g"), "");
    const entries = plain.split(/^%$/m).map((entry) => entry.trim());
    const folder = name === "chinese" ? "sayings" : "poems";
    await write(join(to, folder, `${name}.jsonl`), jsonLines(entries.filter(Boolean).map((text) => ({ text }))));
  }
}

/** Files such as `ca01` (press, the first): with an ending, so that they are known as text. */
export async function prepareBrownCorpus([from]: readonly string[], to: string): Promise<void> {
  for (const path of await filesBelow(from as string, /^c[a-r]\d\d$/)) {
    await put(join(from as string, path), join(to, "texts", `${basename(path)}.txt`));
  }
  await put(join(from as string, "README"), join(to, "licences/README"));
}

export async function prepareDebianFaq(from: readonly string[], to: string): Promise<void> {
  const packed = await fs.readFile(await fileBelow(from, /debian-faq\.en\.txt\.gz$/));
  await write(join(to, "debian-faq.txt"), gunzipSync(packed));
}

/** The lines of each level in the order of its script; what levels share is no dialogue. */
export async function prepareFishDialogues(from: readonly string[], to: string): Promise<void> {
  const lines = await readDialogues(from, "en");
  await write(join(to, "dialogues.jsonl"), jsonLines(lines.filter(({ level }) => level !== "share")));
}

/** Lines before a reply that are told with it, at most. */
const mostTurns = 3;

/** Each line of a scene but its first, as the reply to those before it; who says it, where its name tells. */
export async function prepareFishReplies(from: readonly string[], to: string): Promise<void> {
  const text = await fs.readFile(await fileBelow(from, /(^|\/)dialogues\.jsonl$/), "utf8");
  const lines = text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line); // written by `prepareFishDialogues`
  const rows = lines.flatMap(({ level, id, text: reply }, i) => {
    const before = lines.slice(Math.max(0, i - mostTurns), i).filter((line) => line.level === level);
    if (before.length === 0) return [];
    return [{ context: before.map((line) => line.text), reply, speaker: speakers[id.split("-")[1] ?? ""] ?? null, level }];
  });
  await write(join(to, "replies.jsonl"), jsonLines(rows));
}
