/** Passages of a user's own files, to search in: records, or paragraphs of plain text. */
import { extname } from "node:path";
import { readDocuments, readRecords, textIn } from "../../data/index.ts";

export interface Passage {
  readonly text: string;
  /** File and line, or file and paragraph. */
  readonly place: string;
}

const plain = new Set([".txt", ".md", ".text"]);

/**
 * Reads passages, each once: a record's text, or a paragraph (what stands between empty lines) of a `.txt` or `.md` file.
 *
 * @throws HeptagenError `data/…` with file and line
 */
export async function readCorpus(sources: string | readonly string[], column: string): Promise<Passage[]> {
  const passages = new Map<string, Passage>();
  for (const source of [sources].flat() as string[]) {
    if (plain.has(extname(source).toLowerCase())) {
      for (const { text, source: file } of await readDocuments(source)) {
        const paragraphs = text.split(/\r?\n[^\S\n]*\r?\n/).map((part) => part.trim());
        paragraphs
          .filter(Boolean)
          .forEach((part, i) => void passages.set(part, { text: part, place: `${file}: paragraph ${i + 1}` }));
      }
    } else {
      for (const record of await readRecords(source)) {
        const text = textIn(record, column, "--corpus-column");
        if (text.trim() !== "" && !passages.has(text)) passages.set(text, { text, place: record.place });
      }
    }
  }
  return [...passages.values()];
}
