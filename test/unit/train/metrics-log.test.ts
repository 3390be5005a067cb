import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { cutMetricsLog, type MetricsRecord, openMetricsLog, readMetricsLog } from "../../../src/train/metrics-log.node.ts";

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "heptagen-metrics-"));
  file = join(folder, "metrics.jsonl");
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(...records: MetricsRecord[]): void {
  const log = openMetricsLog(file);
  for (const record of records) log.append(record);
  log.sync();
  log.close();
}

const steps = async () => (await readMetricsLog(file)).records.map(({ step }) => step);

test("one line a record; what JSON cannot write is text and comes back as a number", async () => {
  const records = [
    { step: 1, loss: 2.5, device: "cpu", best: true, note: null },
    { step: 2, loss: Number.NaN, perplexity: Number.POSITIVE_INFINITY, low: Number.NEGATIVE_INFINITY },
  ];
  write(...records);
  expect(readFileSync(file, "utf8")).toBe(
    '{"step":1,"loss":2.5,"device":"cpu","best":true,"note":null}\n{"step":2,"loss":"NaN","perplexity":"Infinity","low":"-Infinity"}\n',
  );
  expect(await readMetricsLog(file)).toEqual({ records, warnings: [] });
});

test("no file is an empty log", async () => {
  expect(await readMetricsLog(file)).toEqual({ records: [], warnings: [] });
  await cutMetricsLog(file, 3);
});

test("a torn last line is passed over without a word, a bad one before it with a warning", async () => {
  write({ step: 1 }, { step: 2 });
  appendFileSync(file, 'hello\n{"loss":1}\n{"step":3}\n{"step":4,"lo');
  const { records, warnings } = await readMetricsLog(file);
  expect(records.map(({ step }) => step)).toEqual([1, 2, 3]);
  expect(warnings).toEqual(
    [3, 4].map((line) => ({
      code: "metrics/line",
      file,
      message: `${file}: line ${line} is not a record of metrics; it is left out`,
    })),
  );
});

test("cutting drops torn lines and later steps, and new lines follow cleanly", async () => {
  write({ step: 1 }, { step: 2, loss: 1 }, { step: 2, validationLoss: 2 }, { step: 3 });
  appendFileSync(file, '{"step":4,"lo');
  await cutMetricsLog(file, 2);
  expect(readFileSync(file, "utf8")).toBe('{"step":1}\n{"step":2,"loss":1}\n{"step":2,"validationLoss":2}\n');
  write({ step: 3 });
  expect(await steps()).toEqual([1, 2, 2, 3]);
  await cutMetricsLog(file, undefined);
  expect(readFileSync(file, "utf8")).toBe("");
});

test("a whole line without its end is torn too", async () => {
  writeFileSync(file, '{"step":1}\n{"step":2}');
  expect(await steps()).toEqual([1, 2]);
  await cutMetricsLog(file, 2);
  expect(await steps()).toEqual([1]);
});

test("a log that is good already is not written", async () => {
  write({ step: 1 });
  const before = readFileSync(file);
  await cutMetricsLog(file, 1);
  expect(readFileSync(file)).toEqual(before);
});

test("a folder that is missing, and a value JSON cannot hold", () => {
  expect(() => openMetricsLog(join(folder, "none", "metrics.jsonl"))).toThrow(/there is no folder/);
  expect(() => write({ step: 1, loss: 3n as unknown as number })).toThrow(
    "metrics.loss: expected something JSON can hold, got bigint 3",
  );
  expect(readFileSync(file, "utf8")).toBe("");
});
