/** The catalogue: whole, and honest about where things come from; and what is done with each set after fetching. */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateSync, gzipSync } from "node:zlib";
import sharp from "sharp";
import { afterAll, describe, expect, it } from "vitest";
import { catalogue, contentOf, dataKinds, fetchedBytes, locateData, namedData, readImages } from "../../../src/data/index.ts";
import { readNpy } from "../../../src/data/npy.ts";
import { preparations } from "../../../src/data/prepare.node.ts";
import { readQtResources } from "../../../src/data/qt-resources.ts";

const folder = mkdtempSync(join(tmpdir(), "heptagen-catalogue-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the catalogue", () => {
  it("names each set once, with a kind, a licence, and for each archive a version, a size and a checksum", () => {
    expect(new Set(catalogue.map(({ name }) => name)).size).toBe(catalogue.length);
    for (const set of catalogue) {
      expect(set.name).toMatch(/^[a-z0-9-]+$/);
      expect(dataKinds).toContain(set.kind);
      expect(set.licence).not.toBe("");
      const { source } = set;
      if (source.from !== "npm" && source.from !== "debian") continue;
      expect(set.keep ?? set.preparation, set.name).toBeDefined();
      for (const { version, bytes, sha256 } of source.packages) {
        expect(version).toMatch(/^\d/);
        expect(bytes).toBeGreaterThan(1000);
        expect(sha256).toMatch(/^[0-9a-f]{64}$/);
      }
      expect(fetchedBytes(set)).toBe(source.packages.reduce((sum, { bytes }) => sum + bytes, 0));
    }
  });

  it("has what comes with Heptagen where it says, unchanged", async () => {
    const vendored = catalogue.filter(({ source }) => source.from === "heptagen");
    expect(vendored.map(({ name }) => name)).toEqual(["digits", "percussion", "moby-dick"]);
    for (const { name, source } of vendored) {
      const path = (await locateData(namedData(name) as NonNullable<ReturnType<typeof namedData>>)) as string;
      if (source.from !== "heptagen" || !source.sha256) continue;
      const bytes = readFileSync(path);
      expect({ bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") }).toEqual({
        bytes: source.bytes,
        sha256: source.sha256,
      });
    }
  });

  it("tells names, parts, addresses and sets of the hub from paths", () => {
    expect(namedData("fashion-mnist:test")).toMatchObject({
      set: { name: "fashion-mnist" },
      part: "test",
      whole: "fashion-mnist",
    });
    expect(namedData("hf:a/b@refs/pr/1:test")).toMatchObject({
      set: { name: "hf/a/b@refs-pr-1", source: { dataset: "a/b", revision: "refs/pr/1" } },
      part: "test",
      whole: "hf:a/b@refs/pr/1",
    });
    expect(namedData("https://example.org/a%20b.zip?x=1")?.set.content).toBe("a_b.zip");
    for (const path of ["./digits", "digits/", "photos", "hf:a", "C:\\x", "a:b", "hf:../..", "hf:a/.."])
      expect(namedData(path)).toBeUndefined();
    const { set } = namedData("fashion-mnist") as NonNullable<ReturnType<typeof namedData>>;
    expect(() => contentOf(set, "constructor")).toThrow(/no part "constructor"/);
  });
});

/** A folder with these files. */
function made(files: Readonly<Record<string, string | Uint8Array>>): string {
  const top = mkdtempSync(join(folder, "made-"));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(top, name, ".."), { recursive: true });
    writeFileSync(join(top, name), content);
  }
  return top;
}

const png = (colour: string, width = 4, height = 4) =>
  sharp({ create: { width, height, channels: 3, background: colour } })
    .png()
    .toBuffer();
const target = () => mkdtempSync(join(folder, "target-"));
const below = (path: string) =>
  readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1))
    .sort();
const lines = (path: string) =>
  readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

/** A .npy file as NumPy writes it. */
function npy(type: string, shape: readonly number[], data: Uint8Array): Buffer {
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': (${shape.join(", ")},), }`;
  const header = `${text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11)}\n`;
  const size = Buffer.alloc(2);
  size.writeUInt16LE(header.length);
  return Buffer.concat([Buffer.from([0x93, ...Buffer.from("NUMPY"), 1, 0]), size, Buffer.from(header), data]);
}

describe("preparations", () => {
  it("emoji: each picture into the folder of its category, with its variations", async () => {
    const table = [
      {
        short_name: "wave",
        image: "1.png",
        category: "People & Body",
        has_img_twitter: true,
        skin_variations: {
          "1F3FB": { image: "1-a.png", has_img_twitter: true },
          "1F3FC": { image: "none", has_img_twitter: false },
        },
      },
      { short_name: "cat", image: "2.png", category: "Animals", has_img_twitter: true },
    ];
    const images = Object.fromEntries(["1", "1-a", "2"].map((name) => [`img/twitter/64/${name}.png`, name]));
    const to = target();
    await preparations.emoji([made({ "emoji.json": JSON.stringify(table), ...images })], to);
    expect(below(to)).toEqual([
      "pictures/Animals/cat.png",
      "pictures/People & Body/wave-1F3FB.png",
      "pictures/People & Body/wave.png",
    ]);
  });

  it("lfw-subset: an array becomes grey pictures, its first half faces", async () => {
    const levels = new Float64Array([0, 0.5, 1, 0.25, 1, 1, 0, 0]);
    const to = target();
    await preparations["lfw-subset"]([made({ "x/lfw_subset.npy": npy("<f8", [2, 2, 2], new Uint8Array(levels.buffer)) })], to);
    const set = await readImages({ data: join(to, "pictures") });
    expect(set).toMatchObject({ count: 2, channels: 1, classes: ["face", "other"] });
    expect([...set.pixels]).toEqual([0, 128, 255, 64, 255, 255, 0, 0]);
  });

  it("paintings: pictures of a Qt resource file, plain and compressed", async () => {
    const file = qtResources({
      image: {
        "Gogh4_background.webp": Buffer.from("a painting"),
        "NDP_background.webp": Buffer.from("a photo"),
        "NDP_1.webp": Buffer.from("a detail"),
        README: deflated("terms"),
      },
    });
    const to = target();
    await preparations.paintings([made({ "rcc/details.rcc": file })], to);
    expect(below(to)).toEqual(["licences/README", "pictures/landmark/NDP.webp", "pictures/painting/Gogh4.webp"]);
    expect(readFileSync(join(to, "licences/README"), "utf8")).toBe("terms");
    for (const cut of [10, 30, file.length - 20])
      expect(() => readQtResources(file.subarray(0, cut), "x.rcc")).toThrow(/x\.rcc: /);
  });

  it("cat-frames: 24 frames of a plate", async () => {
    const to = target();
    const plate = await sharp(await png("#777", 1024, 510))
      .jpeg()
      .toBuffer();
    await preparations["cat-frames"]([made({ "data/image.jpg": plate })], to);
    expect(await readImages({ data: join(to, "pictures") })).toMatchObject({ count: 24, width: 162, height: 108, channels: 1 });
  });

  it("sounds: labels are families, topics and speakers; silence stays away; words are found", async () => {
    const to = target();
    await preparations["synth-samples"](
      [made({ "samples/bd_808.flac": "", "samples/loop_amen.flac": "", "samples/x.aiff": "" })],
      to,
    );
    expect(below(to)).toEqual(["sounds/bd/bd_808.flac", "sounds/loop/loop_amen.flac"]);
    const words = target();
    const voice = "usr/share/asterisk/sounds/en_US_f_Allison";
    const recorded = { [`${voice}/hello.wav`]: "", [`${voice}/digits/1.wav`]: "", [`${voice}/silence/1.wav`]: "" };
    const told = gzipSync("; Core sounds\n\nhello: Hello!\nbeep: [a beep]\n");
    await preparations["spoken-words"]([made(recorded), made({ "usr/share/doc/x/core-sounds-en.txt.gz": told })], words);
    expect(below(words)).toEqual(["sounds/digits/1.wav", "sounds/prompts/hello.wav", "transcripts.csv"]);
    expect(readFileSync(join(words, "transcripts.csv"), "utf8")).toBe(
      "path,text,speaker\nsounds/prompts/hello.wav,hello,allison\n",
    );
    const speech = target();
    await preparations["fish-speech"](
      [made({ "g/sound/city/cs/vit-m-a.ogg": "", "g/sound/city/cs/vit-v-b.ogg": "" }), made(scripts)],
      speech,
    );
    expect(below(speech)).toEqual([
      "sounds/big fish/city-vit-v-b.ogg",
      "sounds/small fish/city-vit-m-a.ogg",
      "transcripts.jsonl",
    ]);
    expect(lines(join(speech, "transcripts.jsonl"))).toEqual([
      { file: "small fish/city-vit-m-a.ogg", speaker: "small fish", text: 'Říká "ahoj".' },
      { file: "big fish/city-vit-v-b.ogg", speaker: "big fish", text: null },
    ]);
  });

  it("texts: plain, or a JSON object a line", async () => {
    const dialogues = target();
    await preparations["fish-dialogues"]([made(scripts)], dialogues);
    expect(lines(join(dialogues, "dialogues.jsonl"))).toEqual([{ level: "city", id: "vit-m-a", text: 'She says "hello".' }]);
    const poems = target();
    const fortune = "\u001b[32m《感遇》\u001b[m\n兰叶春葳蕤\n%\n二\n%\n";
    const fortunes = Object.fromEntries(
      ["tang300", "song100", "chinese"].map((name) => [`usr/share/games/fortunes/${name}`, fortune]),
    );
    await preparations["chinese-fortunes"]([made(fortunes)], poems);
    expect(below(poems)).toEqual(["poems/song100.jsonl", "poems/tang300.jsonl", "sayings/chinese.jsonl"]);
    expect(lines(join(poems, "poems/tang300.jsonl"))).toEqual([{ text: "《感遇》\n兰叶春葳蕤" }, { text: "二" }]);
    const brown = target();
    await preparations["brown-corpus"]([made({ ca01: "The/at", cr09: "x/nn", cats: "", README: "terms" })], brown);
    expect(below(brown)).toEqual(["licences/README", "texts/ca01.txt", "texts/cr09.txt"]);
    const faq = target();
    await preparations["debian-faq"]([made({ "usr/share/debian-faq.en.txt.gz": gzipSync("What is Debian?") })], faq);
    expect(readFileSync(join(faq, "debian-faq.txt"), "utf8")).toBe("What is Debian?");
  });
});

const scripts = {
  "g/script/city/dialogs_en.lua":
    'dialogId("vit-m-a", "font_small", "She says \\"hello\\".")\ndialogStr("She says \\"hello\\".")',
  "g/script/city/dialogs_cs.lua": 'dialogId("vit-m-a", "font_small", "She says.")\ndialogStr("Říká \\"ahoj\\".")\n',
  "g/script/share/bore_dialogs_en.lua": 'dialogId("bore", "font_small", "Are we bored?")',
};

const deflated = (text: string) => ({ size: text.length, content: deflateSync(text) });
type Leaf = Buffer | { readonly size: number; readonly content: Buffer };
interface Branch {
  readonly [name: string]: Leaf | Branch;
}

/** A Qt resource file of version 3 with the given tree. */
function qtResources(top: Branch): Buffer {
  const names: Buffer[] = [];
  const data: Buffer[] = [];
  const nodes: Buffer[] = [];
  const length = (parts: readonly Buffer[]) => parts.reduce((sum, part) => sum + part.length, 0);
  const isLeaf = (value: Leaf | Branch): value is Leaf => Buffer.isBuffer(value) || "content" in value;
  const queue: { name: string; value: Leaf | Branch }[] = [{ name: "", value: top }];
  for (let i = 0, children = 1; i < queue.length; i++) {
    const { name, value } = queue[i] as { name: string; value: Leaf | Branch };
    const node = Buffer.alloc(22);
    node.writeUInt32BE(length(names));
    const head = Buffer.alloc(6);
    head.writeUInt16BE(name.length);
    names.push(head, Buffer.from(name, "utf16le").swap16());
    if (isLeaf(value)) {
      const content = Buffer.isBuffer(value) ? value : Buffer.concat([Buffer.alloc(4), value.content]);
      node.writeUInt16BE(Buffer.isBuffer(value) ? 0 : 1, 4);
      node.writeUInt32BE(length(data), 10);
      const size = Buffer.alloc(4);
      size.writeUInt32BE(content.length);
      data.push(size, content);
    } else {
      const entries = Object.entries(value as Branch);
      node.writeUInt16BE(2, 4);
      node.writeUInt32BE(entries.length, 6);
      node.writeUInt32BE(children, 10);
      children += entries.length;
      queue.push(...entries.map(([child, content]) => ({ name: child, value: content })));
    }
    nodes.push(node);
  }
  const header = Buffer.alloc(24);
  header.write("qres");
  const places = [24, 24 + length(data), 24 + length(data) + length(names)] as const; // data, names, tree
  [3, places[2], places[0], places[1]].forEach((value, i) => {
    header.writeUInt32BE(value, 4 + 4 * i);
  });
  return Buffer.concat([header, ...data, ...names, ...nodes]);
}

describe("arrays of NumPy", () => {
  it("are read out of a shared buffer, in every type that is used", () => {
    const floats = new Float32Array([1, -2.5]);
    const file = npy("<f4", [2], new Uint8Array(floats.buffer));
    const shared = Buffer.concat([Buffer.from("before"), file, Buffer.from("after")]).subarray(6, 6 + file.length);
    expect(readNpy(shared, "a.npy")).toEqual({ shape: [2], data: floats });
    expect(readNpy(npy("|u1", [2, 2], Buffer.from([1, 2, 3, 4])), "a.npy").data).toEqual(Uint8Array.of(1, 2, 3, 4));
  });
  it("are refused with the reason", () => {
    expect(() => readNpy(Buffer.from("text, and no array"), "a.npy")).toThrow(/a\.npy: expected a \.npy file/);
    expect(() => readNpy(npy("<c8", [1], Buffer.alloc(8)), "a.npy")).toThrow(/got <c8/);
    expect(() => readNpy(npy("<f8", [2], Buffer.alloc(8)), "a.npy")).toThrow(/expected 2 numbers for shape \[2\], got fewer/);
  });
});
