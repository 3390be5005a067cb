/** evaluations.jsonl: appended whole, read back as it was, whatever a crash left. */
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { appendEvaluation, type EvaluationRecord, readEvaluations } from "../../../src/train/index.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "heptagen-evaluations-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const record = (value: number): EvaluationRecord => ({
  time: "2026-01-02T03:04:05.000Z",
  step: 7,
  options: { samples: 10, data: ["a"] },
  seconds: 1.5,
  measures: [{ key: "fid", name: "FID", value, better: "lower" }],
});

it("gives back what was added, in order, with numbers that JSON lacks", async () => {
  expect(await readEvaluations(folder)).toEqual({ records: [], warnings: [] });
  const all = [1.25, Number.NaN, Number.POSITIVE_INFINITY].map(record);
  for (const one of all) await appendEvaluation(folder, one);
  expect(await readEvaluations(folder)).toEqual({ records: all, warnings: [] });
});

it("survives a torn line: readers warn, writers begin a new line", async () => {
  await appendEvaluation(folder, record(1));
  const file = join(folder, "evaluations.jsonl");
  appendFileSync(file, readFileSync(file, "utf8").slice(0, 40));
  await appendEvaluation(folder, record(2));
  const { records, warnings } = await readEvaluations(folder);
  expect(records).toEqual([record(1), record(2)]);
  expect(warnings).toMatchObject([{ code: "evaluations/line", message: expect.stringContaining("line 2") }]);
});

it("says what is wrong where it cannot write or read", async () => {
  await expect(appendEvaluation(join(folder, "nowhere"), record(1))).rejects.toMatchObject({ code: "storage/missing" });
  writeFileSync(join(folder, "file"), "");
  await expect(appendEvaluation(join(folder, "file"), record(1))).rejects.toMatchObject({ code: "storage/missing" });
});
