/**
 * The Debian Reference in two languages: its pages are translated tag by tag, so that the n-th paragraph of one is the n-th of the
 * other. Pages whose paragraphs are not as many in both are left out.
 */
import { promises as fs } from "node:fs";
import { basename, join } from "node:path";
import { type DefaultTreeAdapterTypes, parse } from "parse5";
import { filesBelow, jsonLines, write } from "./prepare-files.node.ts";

type Node = DefaultTreeAdapterTypes.ChildNode;

/** Elements that hold a text of their own. */
const blocks = new Set(["p", "li", "td", "th", "h1", "h2", "h3", "h4"]);
/** What they hold that is no text to translate. */
const skipped = new Set(["pre", "script", "style"]);

/** The texts of a page, in order, each with its element's name. */
export function textBlocks(html: string): { readonly tag: string; readonly text: string }[] {
  const found: { tag: string; text: string }[] = [];
  const visit = (node: Node): string => {
    if (node.nodeName === "#text") return (node as DefaultTreeAdapterTypes.TextNode).value;
    if (!("childNodes" in node) || skipped.has(node.nodeName)) return "";
    const before = found.length;
    const place = blocks.has(node.nodeName) ? found.push({ tag: node.nodeName, text: "" }) - 1 : -1;
    const text = node.childNodes.map(visit).join("");
    if (place < 0) return text;
    // A block within holds the text: what lies around it is layout.
    if (found.length === before + 1) found[place] = { tag: node.nodeName, text: tidy(text) };
    return "";
  };
  for (const node of parse(html).childNodes) visit(node);
  return found;
}

/** On one line, without a section's number; a line that was broken between two characters of Chinese is joined without a space. */
function tidy(text: string): string {
  const han = "[\\p{Script=Han}，。、；：？！（）“”《》]";
  return text
    .replace(new RegExp(`(?<=${han})\\s*\\n\\s*(?=${han})`, "gu"), "")
    .replace(/\s+/g, " ")
    .trim()
    .replace(/^(?:Chapter |第 ?)?\d+(?:\.\d+)*(?:\.| 章) ?(?=\S)/, "");
}

/** Chinese characters for each Latin letter: with fewer, most of a text was left untranslated. */
const leastShare = 0.1;
const count = (text: string, pattern: RegExp): number => text.match(pattern)?.length ?? 0;
const isTranslated = (text: string): boolean => {
  const han = count(text, /\p{Script=Han}/gu);
  return han > 0 && han >= leastShare * count(text, /[a-z]/gi);
};

/** English with its Chinese, each pair once; what is not translated is left out. */
export async function prepareReferencePairs(from: readonly string[], to: string): Promise<void> {
  const rows: object[] = [];
  const seen = new Set<string>();
  for (const folder of from) {
    for (const path of await filesBelow(folder, /\.en\.html$/)) {
      const page = basename(path, ".en.html");
      const file = join(folder, path);
      const english = textBlocks(await fs.readFile(file, "utf8"));
      const chinese = textBlocks(await fs.readFile(file.replace(/\.en\.html$/, ".zh-cn.html"), "utf8"));
      if (english.map(({ tag }) => tag).join(" ") !== chinese.map(({ tag }) => tag).join(" ")) continue;
      for (const [i, { text: source }] of english.entries()) {
        const target = chinese[i]?.text ?? "";
        const key = `${source}\n${target}`;
        if (!isTranslated(target) || !/[a-z]/i.test(source) || seen.has(key)) continue;
        seen.add(key);
        rows.push({ source, target, page });
      }
    }
  }
  await write(join(to, "pairs.jsonl"), jsonLines(rows));
}
