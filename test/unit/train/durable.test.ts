import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  removeLeftovers,
  storageError,
  temporaryPath,
  writeFileAtomically,
  writeFileSynced,
} from "../../../src/train/durable.node.ts";
import { createRun, openRun } from "../../../src/train/index.ts";
import { ndarray } from "../../../src/util/ndarray.ts";
import { isRoot, runConfig, shell, tryMount } from "./storage.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "heptagen-durable-"));
});
afterEach(() => rm(folder, { recursive: true }));

describe("writing a file atomically", () => {
  test("text, bytes and pieces arrive as they are, with their checksum", async () => {
    const path = join(folder, "file");
    const big = new Uint8Array(9 << 20).map((_, i) => i * 31);
    for (const [content, expected] of [
      ["wörd", Buffer.from("wörd")],
      [Uint8Array.of(1, 2), Buffer.of(1, 2)],
      [[Uint8Array.of(1), new Uint8Array(0), big], Buffer.concat([Buffer.of(1), big])],
      ["", Buffer.of()],
    ] as const) {
      const { bytes, sha256 } = await writeFileAtomically(path, content);
      expect((await readFile(path)).equals(expected)).toBe(true);
      expect([bytes, sha256]).toEqual([expected.length, createHash("sha256").update(expected).digest("hex")]);
    }
    expect(await readdir(folder)).toEqual(["file"]);
  });

  test("when the content fails midway the file before it is untouched and nothing is left over", async () => {
    const path = join(folder, "file");
    await writeFileAtomically(path, "before");
    function* pieces() {
      yield Uint8Array.of(1);
      throw new RangeError("out of pieces");
    }
    await expect(writeFileAtomically(path, pieces())).rejects.toThrow("out of pieces");
    expect(await readFile(path, "utf8")).toBe("before");
    expect(await readdir(folder)).toEqual(["file"]);
  });

  test("a new file is never written over another", async () => {
    await writeFile(join(folder, "file"), "mine");
    await expect(writeFileSynced(join(folder, "file"), "yours")).rejects.toMatchObject({ code: "storage/exists" });
    expect(await readFile(join(folder, "file"), "utf8")).toBe("mine");
  });

  test("a missing folder and a file in place of one", async () => {
    await writeFile(join(folder, "file"), "");
    await expect(writeFileAtomically(join(folder, "none", "file"), "")).rejects.toMatchObject({ code: "storage/missing" });
    await expect(writeFileAtomically(join(folder, "file", "file"), "")).rejects.toMatchObject({ code: "storage/missing" });
    await mkdir(join(folder, "folder"));
    await expect(writeFileAtomically(join(folder, "folder"), "")).rejects.toMatchObject({ code: "storage/exists" });
    expect((await readdir(folder)).sort()).toEqual(["file", "folder"]);
  });

  test("leftovers of killed writers are removed, nothing else", async () => {
    await mkdir(temporaryPath(join(folder, "step-1")));
    await writeFile(temporaryPath(join(folder, "model.onnx")), "half");
    await writeFile(join(folder, "kept"), "");
    expect((await removeLeftovers(folder)).length).toBe(2);
    expect(await readdir(folder)).toEqual(["kept"]);
  });
});

test("the messages of failures say what to do", () => {
  const failure = (code: string) =>
    storageError(Object.assign(new Error(code), { code, syscall: "write" }), "/data/run/model.safetensors");
  const messages = ["ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EACCES", "ENOENT", "EIO", "EWEIRD"].map(
    (code) => (failure(code) as Error).message,
  );
  expect(messages.join("\n")).toMatchInlineSnapshot(`
    "cannot write /data/run/model.safetensors: the disk of /data/run is full
      → Free space there or choose a folder on another disk, then try again.
    cannot write /data/run/model.safetensors: your quota on the disk of /data/run is used up
      → Remove files of yours or choose another disk.
    cannot write /data/run/model.safetensors: the file would exceed the size limit
      → Raise the limit (\`ulimit -f\`) or choose another disk.
    cannot write /data/run/model.safetensors: the disk of /data/run is read-only
      → Choose a folder on a writable disk.
    cannot write /data/run/model.safetensors: you may not write in /data/run
      → Give yourself write permission there or choose another folder.
    cannot write /data/run/model.safetensors: there is no folder /data/run
      → Create it, or choose a folder that exists.
    cannot write /data/run/model.safetensors: the disk reported a failure
      → Check the disk; choose another one.
    cannot write /data/run/model.safetensors: the system says EWEIRD
      → Check the disk of /data/run."
  `);
  const other = new TypeError("not of the system");
  expect(storageError(other, "file")).toBe(other);
});

/** Trains on: a run with one good checkpoint must outlive a disk that refuses the second. */
async function refuses(run: string, code: string, big: number): Promise<void> {
  const training = await createRun(run, runConfig);
  const save = (step: number, size: number) => {
    const w = ndarray("float32", [size], new Float32Array(size).fill(step));
    return training.saveCheckpoint({ step, model: { w }, optimizer: { w }, state: { step } }, { best: true });
  };
  await save(1, 100);
  await expect(save(2, big)).rejects.toMatchObject({ code });
  await expect(training.writeFile("model.onnx", new Uint8Array(big * 4))).rejects.toMatchObject({ code });
  expect((await readdir(run)).filter((name) => name.startsWith(".tmp-"))).toEqual([]);
  expect(await readdir(join(run, "checkpoints"))).toEqual(["step-00000001"]);
  const checkpoint = await (await openRun(run)).loadCheckpoint("last");
  expect([checkpoint.step, checkpoint.model.get("w")?.data[0], checkpoint.warnings]).toEqual([1, 1, []]);
  await save(3, 100);
  await training.close();
}

describe("a disk that refuses", () => {
  test("full: a small disk in memory", async ({ skip }) => {
    const unmount = tryMount(folder, "size=1m");
    if (typeof unmount === "string") return skip(`no small disk can be mounted here: ${unmount}`);
    try {
      await refuses(join(folder, "run"), "storage/full", 1 << 20);
      const run = await createRun(join(folder, "metrics"), runConfig);
      const fill = () => {
        for (let step = 1; ; step++) run.appendMetrics({ step, note: "x".repeat(1000) });
      };
      expect(fill).toThrow(/the disk of .* is full/);
      const { records, warnings } = await run.readMetrics();
      expect(warnings).toEqual([]);
      expect(records.at(-1)?.step).toBe(records.length); // whole lines only
      await run.close();
    } finally {
      unmount();
    }
  });

  test("full: a limit on the size of files, in a process of its own", () => {
    const child = fileURLToPath(new URL("disk-limit-child.ts", import.meta.url));
    const { stdout, stderr } = spawnSync(
      "bash",
      ["-c", `ulimit -f 256; exec "$0" --import tsx "$1" "$2"`, process.execPath, child, join(folder, "run")],
      {
        encoding: "utf8",
      },
    );
    expect(`${stdout}${stderr}`).toMatch(/storage\/full cannot write .*model\.safetensors: the file would exceed the size limit/);
    expect(`${stdout}${stderr}`).toMatch(/last good step 1/);
  });

  test("read-only", async ({ skip }) => {
    const run = join(folder, "run");
    await mkdir(run);
    const unmount = tryMount(run, "size=1m");
    if (typeof unmount === "string") return skip(`no disk can be mounted here: ${unmount}`);
    try {
      shell(`mount -o remount,ro "$1"`, run);
      await expect(createRun(run, runConfig)).rejects.toMatchObject({ code: "storage/read-only" });
      await expect(createRun(join(run, "new"), runConfig)).rejects.toThrow(
        /the disk of .* is read-only\n {2}→ Choose a folder on a writable disk/,
      );
    } finally {
      unmount();
    }
  });

  test("without permission", async ({ skip }) => {
    if (isRoot) return skip("the superuser may write everywhere");
    await chmod(folder, 0o500);
    await expect(createRun(join(folder, "run"), runConfig)).rejects.toMatchObject({ code: "storage/denied" });
    await chmod(folder, 0o700);
  });
});
