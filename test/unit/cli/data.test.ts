/** `heptagen data`: what is said of wrong arguments, and the exit codes. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, expect, it, vi } from "vitest";
import { run } from "../../../src/cli/program.ts";

const cache = mkdtempSync(join(tmpdir(), "heptagen-cli-"));
afterAll(() => rmSync(cache, { recursive: true, force: true }));
let said: string;
beforeEach(() => {
  said = "";
  vi.stubEnv("HEPTAGEN_CACHE", cache);
  for (const stream of [process.stdout, process.stderr]) {
    vi.spyOn(stream, "write").mockImplementation((text) => {
      said += String(text);
      return true;
    });
  }
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

it.each<[string, RegExp, number]>([
  ["data lst", /there is no command "lst"\n.*Did you mean "data list"/, 2],
  ["data get", /data get: expected a name right after the command, got none/, 2],
  ["data get --refresh", /expected a name right after the command, got --refresh/, 2],
  ["data get fashion-mnst", /there is no data set "fashion-mnst"\n.*Did you mean "fashion-mnist"/, 1],
  ["data get digits --refrsh", /there is no option --refrsh\n.*Did you mean --refresh/, 2],
  ["data list --kind image", /expected one of images, .*got "image"\n.*Did you mean "images"/, 2],
  ["data show digits --out sheet.gif", /expected a file that ends in \.png, got sheet\.gif/, 2],
  ["data show nowhere", /there is no file, folder or data set nowhere\n.*heptagen data list/, 1],
  ["data remove digits", /digits comes with Heptagen and is not in the cache/, 1],
  ["data remove emojy", /there is no data set "emojy"\n.*Did you mean "emoji"/, 1],
  ["data get digits", /digits.* was here already/, 0],
  ["data remove emoji", /emoji.* was not here/, 0],
  ["data get --help", /Usage: heptagen data get <name>/, 0],
])("%s", async (line, message, code) => {
  const exit = await run(line.split(" "));
  expect(said).toMatch(message);
  expect(exit).toBe(code);
});
