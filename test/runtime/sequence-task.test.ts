/** What all tasks on sequences share: answering inputs, starting from another run, other data. */
import { appendFileSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Options, PredictInput, Recipe, TrainEvent } from "../../src/tasks/recipe.ts";
import { recipes } from "../../src/tasks/recipes.ts";
import { HeptagenError } from "../../src/util/errors.ts";

const classify = recipes.find(({ name }) => name === "transformer/classify") as Recipe;
const sentiment = recipes.find(({ name }) => name === "transformer/sentiment") as Recipe;
const folder = mkdtempSync(join(tmpdir(), "heptagen-sequence-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const rows = Array.from({ length: 60 }, (_, i) => ({
  text: `${"rain ".repeat(1 + (i % 5))}${i % 3 === 0 ? "wet" : "dry"} day ${i}`,
  label: i % 3 === 0 ? "wet" : "dry",
}));
const csv = (some: readonly { text: string; label: string }[]) =>
  `text,label\n${some.map((r) => `${r.text},${r.label}\n`).join("")}`;
const data = join(folder, "data.csv");
const run = join(folder, "run");
const options: Options = {
  data,
  tokenizer: "character",
  longest: 40,
  layers: 1,
  heads: 2,
  width: 8,
  hidden: 8,
  batch: 8,
  shapes: 2,
  validation: 0.2,
  test: 0.2,
  steps: 2,
  warmup: 0,
  evaluateEvery: 2,
  sampleEvery: 0,
  checkpointEvery: 2,
};
const train = async (recipe: Recipe, out: string, change: Options = {}) => {
  const events: TrainEvent[] = [];
  await recipe.train(
    { ...options, ...change },
    { out: join(folder, out), device: "cpu", onEvent: (event) => events.push(event) },
  );
  return events;
};
beforeAll(async () => {
  writeFileSync(data, csv(rows));
  await train(classify, "run");
});
const ask = (values: readonly unknown[]): PredictInput[] => values.map((value, i) => ({ value, place: `asked:${i + 1}` }));

describe("answers", () => {
  it("come in the order of the inputs, whatever their lengths, the same alone as among others", async () => {
    const model = await classify.open(run, { device: "cpu" });
    const texts = Array.from({ length: 300 }, (_, i) => `${"rain ".repeat(1 + ((i * 7) % 7))}${i}`);
    const answers: Options[] = [];
    for await (const answer of model.predict?.(ask(texts), {}) ?? []) answers.push(answer as Options);
    expect(answers.map(({ text }) => text)).toEqual(texts);
    for await (const alone of model.predict?.(ask([texts[299]]), {}) ?? []) {
      expect(Math.abs(Number((alone as Options).probability) - Number(answers[299]?.probability))).toBeLessThan(1e-3);
    }
  });
  it("do not wait for inputs that come only after an answer", async () => {
    const model = await classify.open(run, { device: "cpu" });
    let answered = 0;
    async function* inputs(): AsyncGenerator<PredictInput> {
      for (let i = 0; i < 3; i++) {
        while (answered < i) await new Promise((done) => setTimeout(done, 5));
        yield { value: { text: `rain ${i}` }, place: `asked:${i + 1}` };
      }
    }
    for await (const _ of model.predict?.(inputs(), {}) ?? []) answered++;
    expect(answered).toBe(3);
  });
  it("are given for what came before an input that cannot be read", async () => {
    const model = await classify.open(run, { device: "cpu" });
    async function* inputs(): AsyncGenerator<PredictInput> {
      yield* ask(["rain", "dry"]);
      throw new HeptagenError("data/json", "asked:3: expected a line of JSON");
    }
    const answers: unknown[] = [];
    const asking = async () => {
      for await (const answer of model.predict?.(inputs(), {}) ?? []) answers.push(answer);
    };
    await expect(asking()).rejects.toThrow("asked:3");
    expect(answers).toHaveLength(2);
    const blank = async () => {
      for await (const _ of model.predict?.(ask(["rain", " "]), {}) ?? []);
    };
    await expect(blank()).rejects.toThrow("asked:2: expected a text, got nothing but space");
  });
});

describe("starting from another run", () => {
  it("takes what fits and says what is new", async () => {
    const moods = join(folder, "moods.csv");
    writeFileSync(moods, csv(rows.map(({ text }, i) => ({ text, label: ["good", "bad", "none"][i % 3] as string }))));
    const ofRun = ["width", "heads", "tokenizer"]; // they follow from the run
    const own = Object.fromEntries(Object.entries(options).filter(([name]) => !ofRun.includes(name)));
    const events: TrainEvent[] = [];
    const out = join(folder, "moods");
    const asked = { ...own, data: moods, initFrom: run, steps: 1 };
    await sentiment.train(asked, { out, device: "cpu", onEvent: (event) => events.push(event) });
    const notes = events.flatMap((event) => (event.kind === "note" ? [event.message] : []));
    expect(notes.join()).toMatch(/head/);
    const config = JSON.parse(readFileSync(join(out, "config.json"), "utf8"));
    expect(config.config.width).toBe(8);
    expect(readFileSync(join(out, "tokenizer.json"))).toEqual(readFileSync(join(run, "tokenizer.json")));
  });
  it("refuses a run of another size", async () => {
    await expect(train(classify, "wide", { initFrom: run, width: 16 })).rejects.toMatchObject({
      code: "parameters/mismatch",
      message: expect.stringMatching(/does not fit this model: \S+: expected \[.*16\], got \[.*8\]/),
    });
  });
});

describe("other data", () => {
  it("is evaluated on, and an unknown class named with file and line", async () => {
    const model = await classify.open(run, { device: "cpu" });
    const other = join(folder, "other.csv");
    writeFileSync(other, csv(rows.slice(0, 6)));
    const count = async (asked: Options) =>
      (await model.evaluate({ baseline: false, ...asked })).find(({ key }) => key === "examples");
    expect(await count({ data: other })).toMatchObject({ value: 6 });
    const sides = await Promise.all((["train", "validation", "test"] as const).map((side) => count({ side })));
    expect(sides.reduce((sum, measure) => sum + Number(measure?.value), 0)).toBe(60);
    appendFileSync(other, "a day,wett\n");
    await expect(model.evaluate({ data: other })).rejects.toMatchObject({
      code: "data/label",
      message: expect.stringMatching(/other\.csv:8: expected one of the classes that the run knows, got "wett"[\s\S]*"wet"/),
    });
  });
  it("has a class for every example, unless there may be several", async () => {
    const blank = join(folder, "blank.csv");
    writeFileSync(blank, `${csv(rows)}a day,\n`);
    await expect(train(classify, "blank", { data: blank })).rejects.toThrow(`${blank}:62 has nothing in "label"`);
  });
  it("is read again where it was missing", async () => {
    const model = await classify.open(run, { device: "cpu" });
    renameSync(data, `${data}.away`);
    await expect(model.evaluate({ baseline: false })).rejects.toThrow("data.csv");
    renameSync(`${data}.away`, data);
    expect((await model.evaluate({ baseline: false })).map(({ key }) => key)).toContain("accuracy");
  });
  it("that has changed since is not resumed on", async () => {
    const changing = join(folder, "changing.csv");
    writeFileSync(changing, csv(rows));
    await train(classify, "changed", { data: changing });
    appendFileSync(changing, "a new day,wet\n");
    await expect(classify.resume(join(folder, "changed"), { device: "cpu" })).rejects.toMatchObject({ code: "data/changed" });
  });
});

describe("rare classes", () => {
  it("count as much as frequent ones where weights balance them", async () => {
    const { classifyTask } = await import("../../src/tasks/classify/classify.ts");
    const { transformerNetwork } = await import("../../src/models/transformer-network.ts");
    const { characterTokenizer } = await import("../../src/data/index.ts");
    const { key } = await import("../../src/util/random.ts");
    const facts = { pairs: "", labels: ["dry", "wet"], several: false, counts: [40, 20] };
    const examples = Array.from({ length: 60 }, (_, i) => ({
      text: "x",
      ids: Int32Array.of(1),
      classes: [i % 3 === 0 ? 1 : 0],
    }));
    const totals = (balance: "none" | "weights") => {
      const task = classifyTask("classify");
      const config = { layers: 1, heads: 1, width: 4, hidden: 4, dropout: 0 };
      const given = { ...options, balance, batch: 8, shapes: 1, headDropout: 0, labelSmoothing: 0 } as never;
      const assets = { facts, tokenizer: characterTokenizer("x") };
      const { batch } = task
        .model({ network: transformerNetwork, config: config as never, assets, options: given })
        .batches(examples, key(1));
      const sums = [0, 0];
      for (let step = 0; step < 8; step++) {
        const { labels, weights } = batch(step);
        weights.data.forEach((weight, b) => {
          sums[Number(labels.data[b])] = (sums[Number(labels.data[b])] as number) + Number(weight);
        });
      }
      return sums;
    };
    expect(totals("none")).toEqual([40, 20]);
    expect(totals("weights")).toEqual([30, 30]);
  });
});
