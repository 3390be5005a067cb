/** A disk without hard links, such as a memory card's: `model.safetensors` is then a copy. */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { createRun, readSafetensorsFile } from "../../src/train/index.ts";
import { scalar } from "../../src/util/ndarray.ts";
import { runConfig } from "../unit/train/storage.ts";

vi.mock("node:fs/promises", async (original) => ({
  ...(await original<typeof import("node:fs/promises")>()),
  link: () => Promise.reject(Object.assign(new Error("EPERM"), { code: "EPERM", syscall: "link" })),
}));

test("model.safetensors is a copy where there are no hard links", async () => {
  const parent = mkdtempSync(join(tmpdir(), "heptagen-no-links-"));
  const run = await createRun(join(parent, "run"), runConfig);
  for (const step of [1, 2]) {
    await run.saveCheckpoint({ step, model: { w: scalar(step) }, optimizer: {}, state: null });
    expect((await readSafetensorsFile(run.path("model.safetensors"))).tensors.get("w")).toEqual(scalar(step));
  }
  expect(statSync(run.path("model.safetensors")).nlink).toBe(1);
  await run.close();
  rmSync(parent, { recursive: true });
});
