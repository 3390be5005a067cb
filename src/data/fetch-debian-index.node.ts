/**
 * Debian's descriptions of its packages, in several languages, out of the lists that `apt-get update` fetches and checks against
 * Debian's signatures. They are fetched into a folder of their own: those of the machine stay as they are.
 */
import { promises as fs } from "node:fs";
import { join, resolve } from "node:path";
import { HeptagenError } from "../util/errors.ts";
import type { FetchedArchive } from "./cache-folder.node.ts";
import { verify } from "./checksum.node.ts";
import { runTool } from "./child-process.node.ts";
import { offlineError } from "./fetch-url.node.ts";
import type { FetchContext } from "./get-events.ts";
import { jsonLines, write } from "./prepare-files.node.ts";

/** A description: its first line, and its paragraphs. */
export interface Description {
  readonly title: string;
  readonly body: string;
}

/** A package, as `descriptions.jsonl` has it. */
export interface DescribedPackage {
  readonly package: string;
  readonly source: string;
  readonly section: string;
  /** By language: `en`, `fr`, … */
  readonly text: Readonly<Record<string, Description>>;
}

/**
 * Fetches descriptions and writes them to `descriptions.jsonl`, a package with a description a line, each description once.
 *
 * @throws HeptagenError `data/tool`, `data/offline`
 */
export async function fetchDebianIndex(
  languages: readonly string[],
  to: string,
  { folder, signal, onEvent }: FetchContext,
): Promise<FetchedArchive[]> {
  const lists = resolve(folder, "lists");
  await fs.rm(lists, { recursive: true, force: true });
  await fs.mkdir(join(lists, "partial"), { recursive: true });
  const user = process.getuid?.() === 0 ? ['APT::Sandbox::User "root";'] : [];
  const [first, last] = [join(folder, "first.conf"), join(folder, "last.conf")];
  await fs.writeFile(first, [`Dir::State::Lists "${lists}";`, `Dir::Cache "${resolve(folder)}";`, ...user].join("\n"));
  // Read after the machine's own settings, which may leave out languages and keep lists packed.
  const wanted = languages.map((language) => `"${language}";`).join("");
  await fs.writeFile(last, `#clear Acquire::Languages;\nAcquire::Languages {${wanted}};\nAcquire::GzipIndexes "false";\n`);
  const onTick = async () => {
    const sizes = await Promise.all((await fs.readdir(lists)).map(async (name) => (await fs.stat(join(lists, name))).size));
    onEvent({ kind: "progress", file: "lists of packages", done: sizes.reduce((sum, size) => sum + size, 0) });
  };
  const environment = { APT_CONFIG: first, LC_ALL: "C" };
  const result = await runTool("apt-get", ["-q", "-c", last, "-o", "Acquire::Retries=2", "update"], {
    environment,
    signal,
    onTick,
  });
  if (!result) {
    throw new HeptagenError("data/tool", "Debian's descriptions need apt-get, and this machine has none", {
      next: "Fetch them on any Debian or Ubuntu (a container will do), and copy its cache folder here.",
    });
  }
  const names = (await fs.readdir(lists)).filter((name) => /_(Packages|Translation-[\w%]+)$/.test(name)).sort();
  const failed = /^(?:E|W): (Failed to fetch .*|Some index files failed.*)$/m.exec(`${result.stderr}\n${result.stdout}`);
  if (failed || names.length === 0) throw offlineError("Debian's package lists", new Error(failed?.[1] ?? "no list arrived"));
  const texts = await Promise.all(names.map((name) => fs.readFile(join(lists, name), "utf8")));
  await write(join(to, "descriptions.jsonl"), jsonLines(joinDescriptions(names.map((name, i) => [name, texts[i] as string]))));
  return Promise.all(names.map((name) => verify(join(lists, name), undefined)));
}

/** Joins lists of packages with translations of their descriptions by the checksum that both name. */
function joinDescriptions(lists: readonly (readonly [name: string, text: string])[]): DescribedPackage[] {
  const translations = new Map<string, Record<string, Description>>();
  for (const [name, list] of lists) {
    const [, code] = /_Translation-([\w%]+)$/.exec(name) ?? [];
    if (code === undefined) continue;
    const language = decodeURIComponent(code);
    for (const fields of stanzas(list)) {
      const [md5, text] = [fields.get("Description-md5"), fields.get(`Description-${language}`)];
      if (md5 === undefined || text === undefined) continue;
      const known = translations.get(md5) ?? {};
      known[language] = parseDescription(text);
      translations.set(md5, known);
    }
  }
  const packages = new Map<string, DescribedPackage>();
  for (const [name, list] of lists) {
    if (!name.endsWith("_Packages")) continue;
    for (const fields of stanzas(list)) {
      const [md5 = "", found = ""] = [fields.get("Description-md5"), fields.get("Package")];
      const text = translations.get(md5);
      if (!text || packages.has(md5)) continue;
      const source = (fields.get("Source") ?? found).split(" ")[0] as string;
      packages.set(md5, { package: found, source, section: fields.get("Section") ?? "", text });
    }
  }
  return [...packages.values()];
}

/** Stanzas of fields (deb822): `Name: value`, lines that begin with a space go on. */
function* stanzas(text: string): Generator<ReadonlyMap<string, string>> {
  for (const stanza of text.split(/\n\n+/)) {
    const fields = new Map<string, string>();
    for (const field of stanza.split(/\n(?! )/)) {
      const colon = field.indexOf(":");
      if (colon > 0) fields.set(field.slice(0, colon), field.slice(colon + 1).trim());
    }
    if (fields.size > 0) yield fields;
  }
}

/** A title, then lines that begin with a space: " ." parts paragraphs; two spaces keep a line as it is. */
function parseDescription(text: string): Description {
  const [title = "", ...lines] = text.split("\n");
  const paragraphs = lines
    .join("\n")
    .split(/^ \.$/m)
    .map((paragraph) => paragraph.replace(/^\n|\n$/g, "").replace(/^ /gm, ""))
    .map((paragraph) => paragraph.replace(/\n(?! )/g, " ").trim());
  return { title, body: paragraphs.filter(Boolean).join("\n\n") };
}
