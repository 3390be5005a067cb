import { execFile, spawn } from "node:child_process";
import { link, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, truncate, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  type CheckpointContent,
  createRun,
  openRun,
  readSafetensorsFile,
  restoreTree,
  resumeRun,
  type TrainingRun,
} from "../../../src/train/index.ts";
import { type NdArray, ndarray, scalar } from "../../../src/util/ndarray.ts";
import { runConfig, shell } from "./storage.ts";

const execute = promisify(execFile);

let parent: string;
let folder: string;
let open: TrainingRun[] = [];
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "heptagen-run-"));
  folder = join(parent, "runs", "moby");
});
afterEach(async () => {
  for (const run of open) await run.close();
  open = [];
  await rm(parent, { recursive: true });
});

async function create(): Promise<TrainingRun> {
  const run = await createRun(folder, runConfig);
  open.push(run);
  return run;
}

async function resume() {
  const resumed = await resumeRun(folder);
  open.push(resumed.run);
  return resumed;
}

/** A checkpoint of which everything tells its step. */
function content(step: number): CheckpointContent {
  const model = {
    blocks: [{ w: ndarray("float32", [2, 2], [step, 1, 2, 3]) }, { w: ndarray("float32", [1], [step]) }],
    none: null,
  };
  const optimizer = { adam: { m: ndarray("float32", [2], [step, -step]), t: ndarray("int32", [], [step]) } };
  return { step, model, optimizer, state: { position: step * 12 }, metrics: { validationLoss: 10 / step } };
}

/** Flips one bit in the last byte of a file. */
async function corrupt(file: string): Promise<void> {
  const bytes = await readFile(file);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  const other = `${file}.other`;
  await writeFile(other, bytes); // a new file: links to the old one keep theirs
  await rename(other, file);
}

const names = async (...path: string[]) => (await readdir(join(folder, ...path))).sort();
const step = async (which: "last" | "best") => (await (await openRun(folder)).loadCheckpoint(which)).step;

describe("a new run", () => {
  test("is a folder that anyone can read", async () => {
    const run = await create();
    await run.writeTokenizer({ model: { type: "BPE" } });
    await run.writeSample("step-000001.txt", "Call me");
    run.appendMetrics({ step: 1, loss: 2.5 });
    await run.saveCheckpoint(content(1));
    await run.close();
    expect(await names()).toEqual([
      "checkpoints",
      "config.json",
      "metrics.jsonl",
      "model.safetensors",
      "samples",
      "tokenizer.json",
    ]);
    expect(await names("checkpoints", "step-00000001")).toEqual([
      "SHA256SUMS",
      "model.safetensors",
      "optimizer.safetensors",
      "state.json",
    ]);
    expect(await readFile(run.path("samples", "step-000001.txt"), "utf8")).toBe("Call me");
    expect(JSON.parse(await readFile(run.path("config.json"), "utf8"))).toEqual({ format: 1, ...runConfig });
    expect(shell(`cd "$1" && sha256sum -c SHA256SUMS`, run.path("checkpoints", "step-00000001"))).toMatch(
      /(: OK\n){1}.*\n.*: OK/,
    );
    expect(await readFile(run.path("checkpoints", "step-00000001", "state.json"), "utf8")).toMatchInlineSnapshot(`
      "{
        "step": 1,
        "best": false,
        "metrics": {
          "validationLoss": 10
        },
        "state": {
          "position": 12
        }
      }"
    `);

    const reader = await openRun(folder);
    expect(reader.config).toEqual(runConfig);
    expect(JSON.parse((await reader.readTokenizer()) ?? "")).toEqual({ model: { type: "BPE" } });
    expect((await reader.readMetrics()).records).toEqual([{ step: 1, loss: 2.5 }]);
  });

  test("gives back every array, its position and what was measured", async () => {
    const run = await create();
    const saved = content(3);
    await run.saveCheckpoint({ ...saved, metrics: { perplexity: Number.POSITIVE_INFINITY, loss: Number.NaN } });
    const { model, optimizer, state, metrics, best, warnings } = await run.loadCheckpoint("last");
    expect(restoreTree(saved.model, model)).toEqual(saved.model);
    expect(restoreTree(saved.optimizer, optimizer)).toEqual(saved.optimizer);
    expect({ state, metrics, best, warnings }).toEqual({
      state: { position: 36 },
      metrics: { perplexity: Number.POSITIVE_INFINITY, loss: Number.NaN },
      best: false,
      warnings: [],
    });
  });

  test("is refused where there is one, or anything else", async () => {
    await (await create()).close();
    await expect(create()).rejects.toThrow(
      `expected a new folder for the run, got ${folder}, which holds a run\n  → Go on with it (--resume), or choose another folder (--out).`,
    );
    await mkdir(join(parent, "thesis"));
    await writeFile(join(parent, "thesis", "chapter-1.tex"), "");
    await expect(createRun(join(parent, "thesis"), runConfig)).rejects.toMatchObject({ code: "run/not-empty" });
    expect(await readdir(join(parent, "thesis"))).toEqual(["chapter-1.tex"]);
    await expect(createRun(join(parent, "thesis", "chapter-1.tex"), runConfig)).rejects.toMatchObject({
      code: "storage/missing",
    });
  });

  test("begins again where one was killed before it was a run", async () => {
    await mkdir(join(folder, "checkpoints"), { recursive: true });
    await writeFile(join(folder, `.lock-999999999-5-${hostname()}`), "");
    await writeFile(join(folder, ".tmp-config.json-1-aa"), "{");
    await create();
    expect((await names()).filter((name) => !name.startsWith(".lock-"))).toEqual([
      "checkpoints",
      "config.json",
      "metrics.jsonl",
      "samples",
    ]);
  });

  test("holds only what JSON can hold", async () => {
    await expect(createRun(folder, { ...runConfig, config: { loss: Number.NaN } })).rejects.toThrow(
      "config.json.config.loss: expected something JSON can hold, got number NaN",
    );
    const run = await create();
    await expect(run.saveCheckpoint({ ...content(1), state: { order: new Int32Array(2) } })).rejects.toThrow(
      "checkpoint.state.order: expected something JSON can hold, got a Int32Array",
    );
    await expect(run.saveCheckpoint({ ...content(1), state: { best: Number.POSITIVE_INFINITY } })).rejects.toMatchObject({
      code: "json/value",
    });
    expect(await names("checkpoints")).toEqual([]);
  });

  test("takes no sample outside its folder, and nothing once it is closed", async () => {
    const run = await create();
    await expect(run.writeSample("../escape.txt", "")).rejects.toMatchObject({ code: "run/sample-name" });
    await run.close();
    await run.close();
    expect(() => run.appendMetrics({ step: 1 })).toThrow(/expected an open run/);
    await expect(run.saveCheckpoint(content(1))).rejects.toMatchObject({ code: "run/closed" });
    await expect(run.writeSample("a.txt", "")).rejects.toMatchObject({ code: "run/closed" });
  });
});

describe("checkpoints", () => {
  test("the last two and the best are kept, model.safetensors is the best", async () => {
    const run = await create();
    const model = async () => (await readSafetensorsFile(run.path("model.safetensors"))).tensors.get("blocks.1.w")?.data[0];
    await run.saveCheckpoint(content(1));
    await run.saveCheckpoint(content(2));
    expect(await model()).toBe(2); // none is best yet
    await run.saveCheckpoint(content(3), { best: true });
    for (const later of [4, 5, 6]) await run.saveCheckpoint(content(later));
    expect(await names("checkpoints")).toEqual(["step-00000003", "step-00000005", "step-00000006"]);
    expect([await step("last"), await step("best"), await model()]).toEqual([6, 3, 3]);
    await run.saveCheckpoint(content(7), { best: true });
    expect(await names("checkpoints")).toEqual(["step-00000006", "step-00000007"]);
    expect([await step("last"), await step("best"), await model()]).toEqual([7, 7, 7]);
    expect((await stat(run.path("model.safetensors"))).nlink).toBe(2); // no second copy
  });

  test("saves wait for each other; a step may be saved again, an earlier one not", async () => {
    const run = await create();
    await Promise.all([1, 2, 3].map((step) => run.saveCheckpoint(content(step))));
    await run.saveCheckpoint({ ...content(3), state: "again" });
    expect(await names("checkpoints")).toEqual(["step-00000003", "step-00000003-2"]);
    expect((await run.loadCheckpoint("last")).state).toBe("again");
    await run.saveCheckpoint({ ...content(3), state: "and again" });
    expect(await names("checkpoints")).toEqual(["step-00000003-2", "step-00000003-3"]);
    await expect(run.saveCheckpoint(content(2))).rejects.toThrow(
      "expected a step of 3 or more, as checkpoints are saved in order, got 2",
    );
    await run.saveCheckpoint(content(4)); // a failure does not stop later ones
    expect(await step("last")).toBe(4);
  });

  test("the parameters alone, with and without checkpoints", async () => {
    const run = await create();
    await run.saveCheckpoint(content(1), { best: true });
    await run.saveCheckpoint(content(2));
    expect((await run.loadModel()).step).toBe(1);
    expect((await run.loadModel("last")).step).toBe(2);
    await run.close();
    await rm(join(folder, "checkpoints"), { recursive: true });
    const { model, step } = await (await openRun(folder)).loadModel();
    expect([step, model.get("blocks.0.w")?.data[0]]).toEqual([1, 1]);
  });

  test("before the first there is nothing to load, and a run resumes from its beginning", async () => {
    const run = await create();
    run.appendMetrics({ step: 1, loss: 3 });
    await expect(run.loadCheckpoint("last")).rejects.toMatchObject({ code: "run/no-checkpoint" });
    await expect(run.loadModel()).rejects.toThrow(/cannot read .*model.safetensors: there is no such file/);
    await run.close();
    const { checkpoint, run: resumed } = await resume();
    expect(checkpoint).toBeUndefined();
    expect((await resumed.readMetrics()).records).toEqual([]);
  });

  test("a reader is not disturbed by a process that trains on", async () => {
    const run = await create();
    await run.saveCheckpoint(content(1), { best: true });
    const reader = await openRun(folder);
    let training = true;
    const trained = (async () => {
      for (let step = 2; step < 60; step++) await run.saveCheckpoint(content(step), { best: step % 5 === 0 });
      training = false;
    })();
    let reads = 0;
    while (training) {
      const { step, model, optimizer, warnings } = await reader.loadCheckpoint(reads++ % 2 ? "best" : "last");
      expect([model.get("blocks.1.w")?.data[0], optimizer.get("adam.t")?.data[0], warnings]).toEqual([step, step, []]);
    }
    await trained;
    expect(reads).toBeGreaterThan(5);
  });
});

describe("a damaged checkpoint", () => {
  const damage: readonly (readonly [string, string, (file: string) => Promise<void>, RegExp])[] = [
    ["a flipped bit in the model", "model.safetensors", corrupt, /its checksum differs/],
    [
      "a truncated optimizer",
      "optimizer.safetensors",
      (file) => truncate(file, 100),
      /expected a header of \d+ bytes, got a file of 100 bytes/,
    ],
    ["an empty model", "model.safetensors", (file) => truncate(file, 0), /expected at least 8 bytes, got 0/],
    ["a missing optimizer", "optimizer.safetensors", (file) => rm(file), /it is missing/],
    ["a changed position", "state.json", (file) => writeFile(file, `{"step": 9}`), /its checksum differs/],
    ["a missing state", "state.json", (file) => rm(file), /it is missing/],
    ["empty checksums", "SHA256SUMS", (file) => truncate(file, 0), /it has no checksum of model\.safetensors/],
    ["missing checksums", "SHA256SUMS", (file) => rm(file), /it is missing/],
  ];

  test.each(damage)("%s: a warning names the file, and the one before is used", async (_name, name, harm, reason) => {
    const run = await create();
    await run.saveCheckpoint(content(1));
    await run.saveCheckpoint(content(2), { best: true });
    await run.close();
    const file = run.path("checkpoints", "step-00000002", name);
    await harm(file);
    for (const which of ["last", "best"] as const) {
      const { step, warnings, model } = await (await openRun(folder)).loadCheckpoint(which);
      expect([step, model.get("blocks.1.w")?.data[0]]).toEqual([1, 1]);
      expect(warnings).toEqual([{ code: "checkpoint/damaged", file, message: expect.stringMatching(reason) }]);
      expect(warnings[0]?.message).toMatch(/; the checkpoint of step 1 is used$/);
    }
  });

  test("is kept aside when training goes on, and its metrics are dropped", async () => {
    const run = await create();
    for (const step of [1, 2, 3]) {
      run.appendMetrics({ step, loss: step });
      await run.saveCheckpoint(content(step), { best: step === 2 });
    }
    await run.close();
    await corrupt(run.path("checkpoints", "step-00000003", "model.safetensors"));
    const { run: resumed, checkpoint } = await resume();
    expect(checkpoint?.step).toBe(2);
    expect(checkpoint?.warnings[0]?.message).toMatch(
      /the checkpoint of step 2 is used; the damaged one is kept as damaged-step-00000003$/,
    );
    expect(await names("checkpoints")).toEqual(["damaged-step-00000003", "step-00000002"]);
    expect((await resumed.readMetrics()).records.map(({ step }) => step)).toEqual([1, 2]);
    resumed.appendMetrics({ step: 3, loss: 3 });
    await resumed.saveCheckpoint(content(3));
    expect(await step("last")).toBe(3);
    expect((await resumed.readMetrics()).records.map(({ step }) => step)).toEqual([1, 2, 3]);
  });

  test("when none is good the error names every file", async () => {
    const run = await create();
    await run.saveCheckpoint(content(1));
    await run.saveCheckpoint(content(2));
    await run.close();
    await corrupt(run.path("checkpoints", "step-00000001", "model.safetensors"));
    await rm(run.path("checkpoints", "step-00000002", "optimizer.safetensors"));
    const expected =
      /step-00000002\/optimizer\.safetensors is damaged: it is missing\n.*step-00000001\/model\.safetensors is damaged: its checksum differs/;
    await expect((await openRun(folder)).loadCheckpoint("last")).rejects.toThrow(expected);
    expect((await (await openRun(folder)).loadModel()).step).toBe(2); // its model is good
    await expect(resume()).rejects.toThrow(expected);
    expect((await names()).filter((name) => name.startsWith(".lock-"))).toEqual([]); // not left locked
  });

  test("is removed with what a crash left when training goes on", async () => {
    const run = await create();
    await run.saveCheckpoint(content(1));
    await run.close();
    await mkdir(run.path("checkpoints", ".tmp-step-00000002-77-aabbccdd"));
    await writeFile(run.path("checkpoints", ".tmp-step-00000002-77-aabbccdd", "model.safetensors"), "half");
    await writeFile(run.path(".tmp-model.onnx-77-aabbccdd"), "half");
    await writeFile(run.path("samples", ".tmp-a.png-77-aabbccdd"), "half");
    await rm(run.path("model.safetensors"));
    const { run: resumed } = await resume();
    expect(await names("checkpoints")).toEqual(["step-00000001"]);
    expect(await names("samples")).toEqual([]);
    expect((await names()).filter((name) => name.startsWith(".tmp-"))).toEqual([]);
    expect((await readSafetensorsFile(resumed.path("model.safetensors"))).metadata.step).toBe("1");
  });
});

describe("what is not a run", () => {
  test.each<[string, string | undefined, string]>([
    ["no config.json", undefined, "run/missing"],
    ["broken JSON", "{", "json/syntax"],
    ["another program's", `{"name": "x"}`, "run/format"],
    ["a later format", `{"format": 2}`, "run/format"],
    ["no recipe", `{"format": 1, "seed": 1, "config": {}, "versions": {}, "data": {}}`, "run/config"],
  ])("%s", async (_name, config, code) => {
    await mkdir(folder, { recursive: true });
    if (config !== undefined) await writeFile(join(folder, "config.json"), config);
    await expect(openRun(folder)).rejects.toMatchObject({ code });
    await expect(resumeRun(folder)).rejects.toMatchObject({ code });
  });
});

describe("one writer", () => {
  const lock = async () => (await names()).find((name) => name.startsWith(".lock-")) ?? "";

  test("a run that is written is locked for others, not for readers", async () => {
    const run = await create();
    await expect(resumeRun(folder)).rejects.toThrow(`${folder}: process ${process.pid} is writing this run`);
    await openRun(folder);
    await run.close();
    expect(await lock()).toBe("");
    await resume();
  });

  test("a living process holds it, a dead one does not", async () => {
    await (await create()).close();
    const other = spawn(process.execPath, ["-e", "setTimeout(() => {}, 60000)"]);
    const start = (await readFile(`/proc/${other.pid}/stat`, "utf8").catch(() => "0 () S")).split(") ")[1]?.split(" ")[19] ?? "0";
    const name = `.lock-${other.pid}-${start}-${hostname()}`;
    await writeFile(join(folder, name), "");
    await expect(resumeRun(folder)).rejects.toMatchObject({ code: "run/locked", facts: { pid: other.pid } });
    expect(await lock()).toBe(name);
    const ended = new Promise((resolve) => other.once("exit", resolve));
    other.kill("SIGKILL");
    await ended;
    await resume();
    expect(await names()).not.toContain(name);
  });

  test.runIf(process.platform === "linux")(
    "a number that was given to another process since is not taken for the first",
    async () => {
      await (await create()).close();
      await writeFile(join(folder, `.lock-${process.ppid}-1-${hostname()}`), "");
      await resume();
    },
  );

  test("processes that start at the same moment never have it together", async () => {
    const child = fileURLToPath(new URL("lock-child.ts", import.meta.url));
    await mkdir(folder, { recursive: true });
    const outputs = await Promise.all(
      [1, 2, 3].map(async () => (await execute(process.execPath, ["--import", "tsx", child, folder])).stdout),
    );
    const counts = outputs.map((output) => JSON.parse(output) as { held: number; refused: number; overlaps: number });
    expect(counts.map(({ overlaps }) => overlaps)).toEqual([0, 0, 0]);
    expect(counts.reduce((sum, { held }) => sum + held, 0)).toBeGreaterThan(0);
    expect(await lock()).toBe("");
  });

  test("another computer's lock is respected, and the error names the file", async () => {
    await (await create()).close();
    const name = ".lock-12-345-node-7.cluster";
    await writeFile(join(folder, name), "");
    await expect(resumeRun(folder)).rejects.toThrow(
      `process 12 on node-7.cluster is writing this run\n  → Wait until it ends. If it no longer runs, remove ${join(folder, name)}.`,
    );
  });
});

test("model.safetensors is replaced, not overwritten: another link to it keeps its content", async () => {
  const run = await create();
  const w: NdArray = scalar(1);
  await run.saveCheckpoint({ step: 1, model: { w }, optimizer: {}, state: null });
  await link(run.path("model.safetensors"), run.path("mine.safetensors"));
  await run.saveCheckpoint({ step: 2, model: { w: scalar(2) }, optimizer: {}, state: null });
  expect((await readSafetensorsFile(run.path("mine.safetensors"))).tensors.get("w")?.data[0]).toBe(1);
});
