/** Fetching data: resumed, checked, once at a time, never half; from an address, npm, Debian and the hub, all on this machine. */
import { createHash, randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { gzipSync } from "node:zlib";
import { packTar } from "modern-tar";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { proxyFor } from "../../../src/data/fetch-url.node.ts";
import {
  type DataSet,
  type GetEvent,
  getData,
  readAudio,
  readDocuments,
  readImages,
  readReceipt,
  removeData,
} from "../../../src/data/index.ts";
import { unpackDebian } from "../../../src/data/unpack.node.ts";
import { HeptagenError } from "../../../src/util/errors.ts";
import { type LocalServer, localServer } from "./local-server.ts";

const folder = mkdtempSync(join(tmpdir(), "heptagen-get-"));
let cache: string;
let server: LocalServer;
beforeAll(async () => {
  server = await localServer();
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  cache = mkdtempSync(join(folder, "cache-"));
  vi.stubEnv("HEPTAGEN_CACHE", cache);
  server.asked.length = 0;
  server.files.clear();
  server.cuts.length = 0;
});
afterEach(() => vi.unstubAllEnvs());

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const png = (colour: string) =>
  sharp({ create: { width: 4, height: 4, channels: 3, background: colour } })
    .png()
    .toBuffer();

/** Fetches and keeps what is told meanwhile. */
async function get(what: string | DataSet, options: Parameters<typeof getData>[1] = {}) {
  const events: GetEvent[] = [];
  const ready = await getData(what, { ...options, onEvent: (event) => events.push(event) });
  return { ...ready, events, kinds: events.map(({ kind }) => kind).filter((kind, i, all) => kind !== all[i - 1]) };
}

async function failure(promise: Promise<unknown>): Promise<HeptagenError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(HeptagenError);
  return error as HeptagenError;
}

describe("an address", () => {
  const body = randomBytes(300_000);
  const serve = (path = "/set.bin", etag: string | undefined = '"one"', content: Uint8Array = body) => {
    server.files.set(path, { body: content, ...(etag && { etag }) });
    return `${server.url}${path}`;
  };

  it("is fetched once, its licence told before, its checksum kept", async () => {
    const url = serve();
    const first = await get(url, { sha256: sha256(body) });
    expect(first.kinds).toEqual(["licence", "progress", "verified", "ready"]);
    expect(readFileSync(first.path)).toEqual(body);
    expect(first.receipt?.archives).toEqual([{ name: "set.bin", bytes: body.length, sha256: sha256(body) }]);
    const second = await get(url);
    expect(second.events).toEqual([{ kind: "ready", name: first.set.name, folder: first.path, fetched: false }]);
    expect(server.asked).toEqual(["/set.bin"]);
  });

  it("is gone on with where the connection broke", async () => {
    server.cuts.push(100_000, 50_000);
    const { path } = await get(serve());
    expect(readFileSync(path)).toEqual(body);
    expect(server.asked).toEqual(["/set.bin", "/set.bin bytes=100000-", "/set.bin bytes=150000-"]);
  });

  it("is gone on with after an interruption, by another call", async () => {
    const url = serve();
    const controller = new AbortController();
    const stopped = failure(
      getData(url, {
        signal: controller.signal,
        onEvent: (event) => {
          if (event.kind === "progress") controller.abort();
        },
      }),
    );
    expect((await stopped).code).toBe("data/interrupted");
    expect(existsSync(join(cache, "data"))).toBe(false);
    const { path } = await get(url);
    expect(readFileSync(path)).toEqual(body);
    expect(server.asked[1]).toMatch(/^\/set\.bin( bytes=\d+-)?$/);
  });

  it("begins anew when the file has changed, or the server does not know parts", async () => {
    const other = randomBytes(300_000);
    for (const etag of ['"two"', undefined, 'W/"weak"']) {
      const url = serve(`/changing-${etag?.length}.bin`, etag);
      server.cuts.push(100_000);
      const fetching = get(url, { onEvent: () => undefined });
      await vi.waitFor(() => expect(server.asked.length).toBeGreaterThan(0));
      server.files.set(new URL(url).pathname, { body: other, etag: '"three"' });
      expect(readFileSync((await fetching).path).equals(other)).toBe(true);
      server.asked.length = 0;
    }
  });

  it("is refused when its checksum is wrong, and nothing of it stays", async () => {
    const error = await failure(get(serve(), { sha256: "0".repeat(64) }));
    expect(error.code).toBe("data/checksum");
    expect(error.message).toMatch(`expected the SHA-256 ${"0".repeat(64)}, got ${sha256(body)}`);
    expect(existsSync(join(cache, "data"))).toBe(false);
    expect((await get(serve())).receipt?.archives[0]?.sha256).toBe(sha256(body));
  });

  it("is fetched again when asked to, with a warning if it holds something else", async () => {
    const url = serve();
    const { path } = await get(url);
    serve("/set.bin", '"new"', Buffer.from("new"));
    const again = await get(url, { refresh: true });
    expect(readFileSync(path, "utf8")).toBe("new");
    expect(again.events.find(({ kind }) => kind === "warning")).toMatchObject({
      message: expect.stringMatching("something else"),
    });
  });

  it("is fetched by one of two that want it at once, and both have it", async () => {
    const url = serve();
    const [a, b] = await Promise.all([get(url), get(url)]);
    expect(a.path).toBe(b.path);
    expect(server.asked).toEqual(["/set.bin"]);
    expect([a, b].some(({ kinds }) => kinds.includes("waiting"))).toBe(true);
  });

  it("is fetched although a process that fetched it died", async () => {
    const url = serve();
    const { set } = await get(url);
    await removeData(set.name);
    const lock = join(cache, "partial", `${set.name}.lock`);
    mkdirSync(join(lock, ".."), { recursive: true });
    writeFileSync(lock, "999999\n");
    utimesSync(lock, 0, 0);
    expect(existsSync((await get(url)).path)).toBe(true);
  });

  it("is left to a process that fetches it, however long it has not touched its lock, unless that is ages ago", async () => {
    const url = serve();
    const { set } = await get(url);
    await removeData(set.name);
    const lock = join(cache, "partial", `${set.name}.lock`);
    mkdirSync(join(lock, ".."), { recursive: true });
    writeFileSync(lock, `${process.ppid}\n`);
    const minute = Date.now() / 1000 - 60;
    utimesSync(lock, minute, minute);
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 500);
    expect((await failure(getData(url, { signal: controller.signal }))).code).toBe("data/interrupted");
    utimesSync(lock, 0, 0);
    expect(existsSync((await get(url)).path)).toBe(true);
  });

  it("says what to do where there is no network, and what works without", async () => {
    const closed = await localServer();
    await closed.close();
    const error = await failure(get(`${closed.url}/set.bin`));
    expect(error.code).toBe("data/offline");
    expect(error.message).toMatch(/could not be reached: .*ECONNREFUSED/);
    expect(error.next).toMatch(/HTTPS_PROXY.*digits/s);
  });

  it("must be there, and be https", async () => {
    expect((await failure(get(`${server.url}/none`))).message).toMatch(/answered 404/);
    expect((await failure(get("http://example.org/x.zip"))).code).toBe("data/address");
    expect((await failure(get("emojy"))).message).toMatch(/there is no data set "emojy"\n.*Did you mean "emoji"/);
  });

  it("goes through the proxy that the environment names", async () => {
    const { createServer } = await import("node:http");
    const through: string[] = [];
    const proxy = createServer((request, response) => {
      through.push(String(request.url));
      response.end("by proxy");
    });
    proxy.on("connect", (request, socket) => {
      through.push(String(request.url));
      socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
    });
    await new Promise<void>((done) => proxy.listen(0, "127.0.0.1", done));
    vi.stubEnv("HTTPS_PROXY", `http://127.0.0.1:${(proxy.address() as { port: number }).port}`);
    vi.stubEnv("NO_PROXY", "");
    const error = await failure(get("https://heptagen.invalid/set.bin"));
    proxy.close();
    expect(error.code).toBe("data/offline");
    expect(through[0]).toBe("heptagen.invalid:443");
  });

  it("is reached directly where NO_PROXY says so", () => {
    const environment = { HTTPS_PROXY: "http://p:1", http_proxy: "http://q:2", NO_PROXY: "localhost, .example.org:443 10.0.0.1" };
    const by = (url: string, more = {}) => proxyFor(new URL(url), { ...environment, ...more });
    expect(by("https://example.com/x")).toBe("http://p:1");
    expect(by("http://example.com/x")).toBe("http://q:2");
    for (const url of ["https://localhost:8080", "https://example.org", "https://a.example.org", "http://10.0.0.1"]) {
      expect(by(url)).toBeUndefined();
    }
    expect(by("https://notexample.org")).toBe("http://p:1");
    expect(by("https://example.com", { NO_PROXY: "*" })).toBeUndefined();
    expect(by("https://example.com", { HTTPS_PROXY: "" })).toBeUndefined();
  });

  it("is read by its address once it is here, and is asked for before", async () => {
    const { zipSync } = await import("fflate");
    const url = serve("/p.zip", '"zip"', zipSync({ "p/warm/a.png": await png("#f00"), "p/cold/b.png": await png("#00f") }));
    const error = await failure(readImages({ data: url }));
    expect(error.code).toBe("data/not-fetched");
    expect(error.next).toBe(`Fetch it once with: heptagen data get ${url}`);
    await get(url);
    expect((await readImages({ data: url })).classes).toEqual(["cold", "warm"]);
  });
});

/** A program in a folder of its own, first on the PATH. */
function fakeTool(name: string, script: string): void {
  const bin = mkdtempSync(join(folder, "bin-"));
  writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(bin, name), 0o755);
  vi.stubEnv("PATH", `${bin}${delimiter}${process.env.PATH}`);
}

const own = (parts: Pick<DataSet, "source" | "content"> & Partial<DataSet>): DataSet => ({
  name: "mine",
  kind: "images",
  summary: "a set of my own",
  licence: "CC0-1.0",
  ...parts,
});

const posix = process.platform === "win32" ? describe.skip : describe; // the fake tools are shell scripts

posix("npm", () => {
  const tarball = async () => {
    const files = { "package/p/a.png": await png("#f00"), "package/other.txt": "not kept", "package/LICENSE": "terms" };
    const entries = Object.entries(files).map(([name, body]) => ({ header: { name, size: body.length }, body }));
    return Buffer.from(gzipSync(await packTar(entries)));
  };
  const set = (bytes: Buffer, sum = sha256(bytes)) =>
    own({
      source: { from: "npm", packages: [{ name: "@me/pictures", version: "1.0.0", bytes: bytes.length, sha256: sum }] },
      keep: ["p"],
      content: "p",
    });

  it("packs the package; what is wanted of it is kept, with its licence", async () => {
    const bytes = await tarball();
    writeFileSync(join(folder, "pictures.tgz"), bytes);
    fakeTool(
      "npm",
      `for a; do case $a in --pack-destination=*) cp ${folder}/pictures.tgz "\${a#*=}/me-pictures-1.0.0.tgz";; esac; done`,
    );
    const { path, kinds, receipt } = await get(set(bytes));
    expect(kinds).toEqual(["licence", "progress", "verified", "preparing", "ready"]);
    expect(readdirSync(path)).toEqual(["a.png"]);
    expect(readdirSync(join(path, ".."))).toEqual([".heptagen.json", "licences", "p"]);
    expect(receipt?.archives).toEqual([
      { name: "me-pictures-1.0.0.tgz", version: "1.0.0", bytes: bytes.length, sha256: sha256(bytes) },
    ]);
    expect(existsSync(join(cache, "partial/mine"))).toBe(false);
  });

  it("takes a file that was fetched by other means, if it is the right one", async () => {
    const bytes = await tarball();
    const file = join(folder, "brought.tgz");
    writeFileSync(file, bytes);
    expect((await get(set(bytes), { files: [file] })).path).toMatch(/mine\/p$/);
    await removeData("mine");
    expect((await failure(get(set(bytes, "1".repeat(64)), { files: [file] }))).code).toBe("data/checksum");
    expect(existsSync(file)).toBe(true); // the user's own
    expect((await failure(get(set(bytes), { files: [] }))).code).toBe("data/not-found");
  });

  it("tells no network from no package", async () => {
    const bytes = await tarball();
    fakeTool("npm", `echo '{"error": {"code": "ENOTFOUND", "summary": "request failed"}}'; exit 1`);
    expect((await failure(get(set(bytes)))).code).toBe("data/offline");
    fakeTool("npm", "echo 'npm error code E404' >&2; echo 'npm error 404 Not Found' >&2; exit 1");
    const error = await failure(get(set(bytes)));
    expect([error.code, error.next]).toEqual(["data/npm", expect.stringMatching("npm config get registry")]);
  });

  it("says so when a kept path is not in the package, and leaves nothing in place", async () => {
    const bytes = await tarball();
    writeFileSync(join(folder, "brought.tgz"), bytes);
    const error = await failure(get({ ...set(bytes), keep: ["gone"] }, { files: [join(folder, "brought.tgz")] }));
    expect(error.code).toBe("data/layout");
    expect(await readReceipt("mine")).toBeUndefined();
  });
});

/** A .deb by hand: an ar archive of a version, a control file and the data. */
async function deb(files: Readonly<Record<string, Buffer>>): Promise<Buffer> {
  const tar = async (all: Readonly<Record<string, Buffer>>) =>
    Buffer.from(
      gzipSync(
        await packTar(Object.entries(all).map(([name, body]) => ({ header: { name: `./${name}`, size: body.length }, body }))),
      ),
    );
  const members: [string, Buffer][] = [
    ["debian-binary", Buffer.from("2.0\n")],
    [
      "control.tar.gz",
      await tar({ control: Buffer.from("Package: mine\nVersion: 1\nArchitecture: all\nMaintainer: me\nDescription: x\n") }),
    ],
    ["data.tar.gz", await tar(files)],
  ];
  const parts = members.flatMap(([name, content]) => {
    const header = `${name.padEnd(16)}${"0".padEnd(12)}${"0".padEnd(6)}${"0".padEnd(6)}${"100644".padEnd(8)}${String(content.length).padEnd(10)}\`\n`;
    return [Buffer.from(header), content, Buffer.alloc(content.length % 2, "\n")];
  });
  return Buffer.concat([Buffer.from("!<arch>\n"), ...parts]);
}

posix("Debian", () => {
  const files = async () => ({ "usr/share/p/a.png": await png("#0f0"), "usr/share/doc/mine/copyright": Buffer.from("terms") });
  const set = (bytes: Buffer, version = "1.0-1", sum = sha256(bytes)) =>
    own({
      source: { from: "debian", packages: [{ name: "mine", version, bytes: bytes.length, sha256: sum }] },
      keep: ["usr/share/p"],
      content: "usr/share/p",
    });
  /** An apt-get that has a version of the package. */
  const fakeApt = (bytes: Buffer, { version = "1.0-1", stated = sha256(bytes), given = bytes } = {}) => {
    const name = `mine_${version}_all.deb`;
    writeFileSync(join(folder, "mirror.deb"), given);
    const uri = `'http://mirror/${name}' ${name} ${bytes.length} SHA256:${stated}`;
    fakeTool("apt-get", `case "$*" in *print-uris*) echo "${uri}";; *download*) cp ${folder}/mirror.deb "${name}";; esac`);
  };

  it("unpacks a .deb with dpkg-deb and without", async () => {
    const file = join(folder, "hand-made.deb");
    writeFileSync(file, await deb(await files()));
    for (const dpkg of [true, false]) {
      const to = mkdtempSync(join(folder, "unpacked-"));
      await unpackDebian(file, to, { dpkg });
      expect(statSync(join(to, "usr/share/p/a.png")).size).toBeGreaterThan(50);
    }
    writeFileSync(file, (await deb(await files())).subarray(0, 200));
    for (const dpkg of [true, false]) {
      expect((await failure(unpackDebian(file, join(folder, "never"), { dpkg }))).code).toBe("data/archive");
    }
  });

  it("fetches the package; its licence is kept", async () => {
    const bytes = await deb(await files());
    fakeApt(bytes);
    const { path, events, receipt } = await get(set(bytes));
    expect(readdirSync(path)).toEqual(["a.png"]);
    expect(readFileSync(join(path, "../../../licences/mine.txt"), "utf8")).toBe("terms");
    expect(receipt?.archives[0]).toMatchObject({ name: "mine_1.0-1_all.deb", version: "1.0-1", sha256: sha256(bytes) });
    expect(events.some(({ kind }) => kind === "warning")).toBe(false);
  });

  it("takes another version on the word of Debian's index, with a warning", async () => {
    const bytes = await deb(await files());
    fakeApt(bytes, { version: "2%3a1.1-1" });
    const { events, receipt } = await get(set(bytes, "1.0-1", "f".repeat(64)));
    expect(events.find(({ kind }) => kind === "warning")).toMatchObject({
      message: expect.stringMatching(/got 2:1\.1-1.*knows 1\.0-1/),
    });
    expect(receipt?.archives[0]?.version).toBe("2:1.1-1");
  });

  it("refuses the known version with another checksum, whatever the index says, and a file that the index does not mean", async () => {
    const bytes = await deb(await files());
    fakeApt(bytes);
    expect((await failure(get(set(bytes, "1.0-1", "f".repeat(64))))).code).toBe("data/checksum");
    fakeApt(bytes, { version: "1.1-1", given: await deb({}) });
    expect((await failure(get(set(bytes)))).code).toBe("data/checksum");
  });

  it("teaches where there is no apt, no network, no such package", async () => {
    const bytes = await deb(await files());
    fakeTool("apt-get", `case "$*" in *update*) ;; *) echo "E: Unable to locate package mine" >&2; exit 100;; esac`);
    expect((await failure(get(set(bytes)))).message).toMatch(/Unable to locate package mine\n.*apt-cache policy mine/);
    rmSync(join(cache, "apt"), { recursive: true });
    fakeTool("apt-get", `echo "W: Failed to fetch http://mirror/InRelease  Could not resolve 'mirror'" >&2; exit 0`);
    expect((await failure(get(set(bytes)))).code).toBe("data/offline");
    vi.stubEnv("PATH", mkdtempSync(join(folder, "empty-")));
    const error = await failure(get(set(bytes)));
    expect([error.code, error.next]).toEqual(["data/tool", expect.stringMatching(/apt-get download mine.*--from/)]);
  });
});

posix("Debian's package lists", () => {
  it("give descriptions in several languages, each once, with sections and sources", async () => {
    const lists = mkdtempSync(join(folder, "lists-"));
    const packages = [
      "Package: a-data\nSource: a (1.0)\nSection: games\nDescription: a game\nDescription-md5: 11",
      "Package: a\nSection: games\nDescription-md5: 11",
      "Package: b\nSection: text\nDescription-md5: 22",
      "Package: undescribed\nSection: text\nDescription-md5: 33",
    ];
    const english = [
      "Package: a\nDescription-md5: 11\nDescription-en: a game\n First line\n goes on.\n .\n Second:\n  * kept as it is",
    ];
    english.push("Package: b\nDescription-md5: 22\nDescription-en: a text tool\n Reads.");
    const chinese = ["Package: a\nDescription-md5: 11\nDescription-zh_CN: 游戏\n 第一。"];
    writeFileSync(join(lists, "m_Packages"), `${packages.join("\n\n")}\n`);
    writeFileSync(join(lists, "m_Translation-en"), `${english.join("\n\n")}\n\n`);
    writeFileSync(join(lists, "m_Translation-zh%5fCN"), `${chinese.join("\n\n")}\n\n`);
    fakeTool("apt-get", `cp ${lists}/* "$(sed -n 's/Dir::State::Lists "\\(.*\\)";/\\1/p' "$APT_CONFIG")/"`);
    const set = own({
      kind: "text",
      source: { from: "debian-index", languages: ["en", "zh_CN"] },
      content: "descriptions.jsonl",
    });
    const { path, receipt } = await get(set);
    const rows = readFileSync(path, "utf8").trim().split("\n");
    expect(rows.map((row) => JSON.parse(row))).toEqual([
      {
        package: "a-data",
        source: "a",
        section: "games",
        text: {
          en: { title: "a game", body: "First line goes on.\n\nSecond:\n * kept as it is" },
          zh_CN: { title: "游戏", body: "第一。" },
        },
      },
      { package: "b", source: "b", section: "text", text: { en: { title: "a text tool", body: "Reads." } } },
    ]);
    expect(receipt?.archives).toHaveLength(3);
  });
});

describe("the Hugging Face hub", () => {
  const table = async (colours: readonly string[]): Promise<Buffer> => {
    const { DuckDBInstance } = await import("@duckdb/node-api");
    const connection = await (await DuckDBInstance.create(":memory:")).connect();
    const rows = await Promise.all(
      colours.map(async (colour, i) => {
        const hex = [...(await png(colour))].map((b) => `\\x${b.toString(16).padStart(2, "0")}`).join("");
        return `SELECT {'bytes': '${hex}'::BLOB, 'path': 'x.png'} AS image, ${i % 2} AS label`;
      }),
    );
    const file = join(folder, `${colours.length}.parquet`);
    const features = { info: { features: { label: { names: ["rot", "blau"] } } } };
    await connection.run(
      `COPY (${rows.join(" UNION ALL ")}) TO '${file}' (FORMAT parquet, KV_METADATA {huggingface: '${JSON.stringify(features)}'})`,
    );
    connection.closeSync();
    return readFileSync(file);
  };
  /** Imitates the hub's answers: the tree of a set's files, and each file. */
  const serve = (files: Readonly<Record<string, Buffer>>, stated: Readonly<Record<string, string>> = {}) => {
    vi.stubEnv("HF_ENDPOINT", server.url);
    const tree = Object.entries(files).map(([path, body]) => ({
      type: "file",
      path,
      size: body.length,
      oid: sha256(body).slice(0, 40),
      ...(path.endsWith(".parquet") && { lfs: { oid: stated[path] ?? sha256(body), size: body.length, pointerSize: 130 } }),
    }));
    server.files.set("/api/datasets/me/colours/tree/main?recursive=true&expand=false", {
      body: Buffer.from(JSON.stringify(tree)),
      headers: { "content-type": "application/json" },
    });
    for (const [path, body] of Object.entries(files)) {
      server.files.set(`/datasets/me/colours/resolve/main/${path}`, { body, etag: `"${sha256(body).slice(0, 40)}"` });
    }
  };
  const card = (licence: string) => Buffer.from(`---\nlicense:${licence}\ntags: [x]\n---\n# Colours\n`);

  it("gives a set's Parquet files, checked, with the licence of its card; parts are read by name", async () => {
    const [train, test] = [await table(["#f00", "#00f", "#e00"]), await table(["#f00", "#00f"])];
    serve({
      "README.md": card(" mit"),
      "data/train-00000-of-00001.parquet": train,
      "data/test-00000-of-00001.parquet": test,
      "make.py": Buffer.from("print()"),
      ".gitattributes": Buffer.from(""),
    });
    expect((await failure(readImages({ data: "hf:me/colours:test" }))).next).toBe(
      "Fetch it once with: heptagen data get hf:me/colours",
    );
    const { events, receipt } = await get("hf:me/colours");
    expect(events[0]).toMatchObject({ kind: "licence", licence: "mit", bytes: train.length + test.length });
    expect(receipt?.archives.map(({ name }) => name)).toEqual([
      "data/train-00000-of-00001.parquet",
      "data/test-00000-of-00001.parquet",
    ]);
    expect(await readImages({ data: "hf:me/colours" })).toMatchObject({ count: 3, classes: ["rot", "blau"] });
    expect(await readImages({ data: "hf:me/colours:test" })).toMatchObject({ count: 2 });
    expect((await failure(readImages({ data: "hf:me/colours:validation" }))).code).toBe("data/part");
  });

  it("goes on with a file where the connection broke", async () => {
    const long = randomBytes(200_000);
    serve({ "README.md": card("\n- cc-by-4.0\n- mit"), "sounds.zip": long });
    const name = "/datasets/me/colours/resolve/main/sounds.zip";
    const { events, path } = await get("hf:me/colours");
    expect(events[0]).toMatchObject({ licence: "cc-by-4.0" });
    expect(readFileSync(join(path, "sounds.zip")).equals(long)).toBe(true);

    await removeData("hf/me/colours");
    server.asked.length = 0;
    // Each file is asked for one byte, for its size, and then for its content: that is cut.
    let cutting = true;
    const answer = server.files.get(name) as { body: Uint8Array };
    server.files.set(name, {
      ...answer,
      get body() {
        if (cutting && server.asked.filter((each) => each.startsWith(name)).length === 2) {
          cutting = false;
          server.cuts.push(80_000);
        }
        return answer.body;
      },
    });
    expect(readFileSync(join((await get("hf:me/colours")).path, "sounds.zip")).equals(long)).toBe(true);
    expect(server.asked.filter((each) => each.startsWith(name)).at(-1)).toBe(`${name} bytes=80000-199999`);
  });

  it("refuses a file that is not what the hub states", async () => {
    const train = await table(["#f00", "#00f"]);
    serve({ "train.parquet": train }, { "train.parquet": "a".repeat(64) });
    expect((await failure(get("hf:me/colours"))).code).toBe("data/checksum");
  });

  it("teaches when there is no such set, nothing to read in it, or no network", async () => {
    vi.stubEnv("HF_ENDPOINT", server.url);
    const missing = await failure(get("hf:me/none"));
    expect([missing.code, missing.next]).toEqual(["data/hub", expect.stringMatching("HF_TOKEN")]);
    serve({ "README.md": card(" mit"), "colours.py": Buffer.from("") });
    expect((await failure(get("hf:me/colours"))).message).toMatch(/holds no files of data, but README\.md, colours\.py/);
    const closed = await localServer();
    await closed.close();
    vi.stubEnv("HF_ENDPOINT", closed.url);
    expect((await failure(get("hf:me/colours"))).code).toBe("data/offline");
  });
});

describe("names", () => {
  it("are read where they are expected, and refused elsewhere", async () => {
    expect((await readAudio("percussion", { rate: 8000, limit: 4 })).clips.map(({ label }) => label)).toEqual([
      "drum",
      "drum",
      "tabla",
      "tabla",
    ]);
    expect((await readDocuments("moby-dick"))[0]?.text.length).toBeGreaterThan(1_000_000);
    const error = await failure(readImages({ data: "moby-dick" }));
    expect(error.message).toMatch(/holds text, expected images\n.*--kind images.*\.\/moby-dick/);
    expect((await failure(readAudio("digits", { rate: 8000 }))).code).toBe("data/kind");
    expect((await failure(readImages({ data: "fashion-mnist:tset" }))).next).toBe("There is: fashion-mnist:test.");
    expect((await failure(readImages({ data: "emoji" }))).next).toBe("Fetch it once with: heptagen data get emoji");
  });
});
