/**
 * Every recipe there is, from (real, small) data to export: two steps, a stop, two more, then all that a run can do. And every preset: its
 * options are whole and describe a model that can be made.
 *
 * What a task needs is told by its name here, what a family needs to stay small by the recipe's; a new task or recipe fails until
 * it has a row.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { parseOptions } from "../../src/tasks/options.ts";
import { type Options, presetOptions, type Recipe, type TrainEvent } from "../../src/tasks/recipe.ts";
import { recipes } from "../../src/tasks/recipes.ts";
import { readSafetensorsFile } from "../../src/train/index.ts";
import { writeRealRecords } from "./real-records.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "heptagen-recipes-"));
  writeRealRecords(folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Task {
  /** Options that make training short, given what the folder of data is called. */
  readonly train: (data: string) => Options;
  readonly sample: Options;
  readonly evaluate: Options;
  /** Inputs to predict from, where the task answers some. */
  readonly questions?: readonly unknown[];
}

const often = { steps: 4, evaluateEvery: 2, checkpointEvery: 2, sampleEvery: 4, warmup: 0 };
const ofPairs = { groupColumn: undefined, tokenizer: "character", batch: 4, shapes: 2, validation: 0.2, test: 0.2 };
const shortTexts = { tokenizer: "byte", batch: 4, shapes: 2, validation: 0.2, test: 0.2 };
const held = { validation: 0.2, test: 0.2, batch: 4, shapes: 2 };
const text = { tokenizer: "byte", longest: 24 };
const tagged = { tokensColumn: "words", weakTagsColumn: "types", groupColumn: "chapter", letterFeatures: 4, longest: 5 };
const tasks: Readonly<Record<string, Task>> = {
  "language-model": {
    train: (data) => ({
      ...often,
      data: join(data, "novel.txt"),
      tokenizer: "character",
      context: 16,
      batch: 4,
      sampleTokens: 8,
    }),
    sample: { maxTokens: 8 },
    evaluate: {},
  },
  translate: {
    train: (data) => ({
      ...often,
      ...ofPairs,
      data: join(data, "rights.jsonl"),
      sourceColumn: "en",
      targetColumn: "fr",
      tokenizer: "bpe",
      vocabulary: 400,
      longestSource: 120,
      longestTarget: 120,
    }),
    sample: { numSamples: 1, beams: 2 },
    evaluate: { beams: 2, limit: 6 },
  },
  summarize: {
    train: (data) => ({
      ...often,
      ...ofPairs,
      data: join(data, "chapters.jsonl"),
      targetColumn: "query",
      tokenizer: "byte",
      longestSource: 160,
    }),
    sample: { numSamples: 1, beams: 2 },
    evaluate: { beams: 2, limit: 6 },
  },
  "generate-image": {
    train: () => ({ ...often, limit: 60, batch: 8, samplePictures: 4 }),
    sample: { numSamples: 2 },
    evaluate: {},
  },
  "generate-audio": {
    train: (data) => ({
      ...often,
      data: join(data, "few-strokes"),
      rate: 4000,
      stacks: 1,
      depth: 5,
      residual: 8,
      skip: 16,
      window: 256,
      batch: 2,
      validation: 0.25,
      sampleSeconds: 0.1,
    }),
    sample: { seconds: 0.1 },
    evaluate: { clips: 2, seconds: 0.1 },
  },
  transcribe: {
    train: (data) => ({
      ...often,
      data: join(data, "words"),
      speakerColumn: "voice",
      groupBy: "speaker",
      rate: 8000,
      bands: 8,
      batch: 4,
      shapes: 2,
    }),
    sample: { numSamples: 2, decoder: "beam", languageModel: "characters" },
    evaluate: { languageModel: "words", languageModelOrder: 2 },
    get questions() {
      return [join(folder, "few-strokes", "na.flac"), { audio: join(folder, "words", "yes-slt.flac") }];
    },
  },
  classify: {
    train: (data) => ({ ...often, ...held, ...text, data: join(data, "paragraphs.jsonl") }),
    sample: {},
    evaluate: {},
    questions: ["the sea", { text: "a whale" }],
  },
  sentiment: {
    train: (data) => ({ ...often, ...held, ...text, data: join(data, "reviews.jsonl"), accumulate: 2 }),
    sample: { numSamples: 2 },
    evaluate: { side: "validation" },
  },
  tag: {
    train: (data) => ({ ...often, ...held, ...text, ...tagged, data: join(data, "names.jsonl") }),
    sample: {},
    evaluate: {},
    questions: ["Captain Ahab saw it."],
  },
  "masked-language-model": {
    train: (data) => ({ ...often, ...held, ...text, data: join(data, "paragraphs.jsonl") }),
    sample: {},
    evaluate: {},
  },
  converse: {
    train: (data) => ({
      ...often,
      data: join(data, "speeches.jsonl"),
      groupColumn: "chapter",
      tokenizer: "byte",
      batch: 4,
      shapes: 1,
      longest: 16,
      longestReply: 8,
      validation: 0.2,
      test: 0.2,
    }),
    sample: { numSamples: 1 },
    evaluate: { replies: 2 },
  },
  retrieve: {
    train: (data) => ({ ...often, ...shortTexts, data: join(data, "chapters.jsonl"), hardNegatives: 1, groupColumn: "query" }),
    sample: { numSamples: 2 },
    evaluate: {},
    questions: ["the whale", { query: "ship" }],
  },
  answer: {
    train: (data) => ({
      ...often,
      ...shortTexts,
      data: join(data, "questions.jsonl"),
      groupColumn: "passage",
      startColumn: "start",
      answersColumn: "answers",
    }),
    sample: { numSamples: 2 },
    evaluate: {},
    questions: ["Who or where: … saw it.", { question: "Where is the ship?" }],
  },
  forecast: {
    train: (data) => ({
      ...often,
      data: join(data, "weather.csv"),
      targets: ["temp_max", "temp_min"],
      knownCovariates: ["wind"], // as if it were known ahead
      pastCovariates: ["precipitation"],
      context: 14,
      horizon: 5,
      lags: [1, 7],
      samples: 8,
      batch: 4,
    }),
    sample: { numSamples: 2, samples: 8 },
    evaluate: { samples: 8 },
  },
};

const tinyTransformer = { layers: 1, heads: 2, width: 16, hidden: 16 };
const tinyRecurrent = { layers: 1, width: 16 };

/** What keeps a family small, by recipe. */
const small: Readonly<Record<string, Options>> = {
  "transformer/language-model": { layers: 1, heads: 2, width: 16 },
  "gan/generate-image": { generatorWidth: 4, discriminatorWidth: 4, latent: 3, averaging: 0.9 },
  "vae/generate-image": { filters: 4, hidden: 8, latent: 3 },
  "wavenet/generate-audio": {},
  "diffusion/generate-image": { base: 8, heads: 2 },
  "rnn/language-model": { layers: 1, width: 16, embedding: 8 },
  "gru/language-model": { layers: 1, width: 16, embedding: 8 },
  "lstm/language-model": { layers: 1, width: 16, embedding: 8 },
  "transformer/forecast": { layers: 1, heads: 2, width: 8, hidden: 16 },
  "lstm/forecast": { layers: 1, width: 8 },
  "gru/forecast": { layers: 1, width: 8, distribution: "quantiles" },
  "rnn/forecast": { layers: 1, width: 8, distribution: "gaussian", scaling: "mean", seriesEmbedding: false },
  "pixelcnn/generate-image": { depth: 1, features: 8, hidden: 8 },
  ...Object.fromEntries(
    [
      "translate",
      "summarize",
      "transcribe",
      "retrieve",
      "answer",
      "classify",
      "sentiment",
      "tag",
      "masked-language-model",
      "converse",
    ].flatMap((task) => [
      [`transformer/${task}`, tinyTransformer],
      ...["lstm", "gru", "rnn"].map((family) => [`${family}/${task}`, tinyRecurrent]),
    ]),
  ),
};

/** Recipes whose loss is a mean over examples or tokens, and draws nothing once `plain`. */
const computedInParts = new Set([
  "transformer/language-model",
  "transformer/translate",
  "transformer/classify",
  "transformer/tag",
  "transformer/masked-language-model",
  "transformer/answer",
  "transformer/forecast",
  "transformer/transcribe",
  "wavenet/generate-audio",
  "pixelcnn/generate-image",
]);

/** Options without which nothing is drawn at random, of those that a recipe has. */
function plain({ options }: Recipe): Options {
  const none = { dropout: 0, headDropout: 0, tokenDropout: 0, wordDropout: 0, frequencyMasks: 0, timeMasks: 0, warp: 0 };
  return Object.fromEntries(Object.entries(none).filter(([name]) => name in options.shape));
}

describe.each(recipes.map((recipe) => [recipe.name, recipe] as const))("%s", (name, recipe: Recipe) => {
  const task = tasks[name.split("/")[1] as string] as Task;
  const options = (): Options => ({ ...task.train(folder), ...small[name] });

  it("has rows in this test", () => {
    expect(task).toBeDefined();
    expect(Object.keys(small)).toContain(name);
  });

  it("is stopped after two steps and resumed as if it had not been, then samples, is evaluated, inspected and exported", async () => {
    const [whole, stopped] = [join(folder, name, "whole"), join(folder, name, "stopped")];
    const events: TrainEvent[] = [];
    const result = await recipe.train(options(), { out: whole, device: "cpu", onEvent: (event) => events.push(event) });
    expect(result).toMatchObject({ ended: "finished", step: 4 });
    expect(result.measures.length).toBeGreaterThan(0);
    for (const { value } of result.measures) expect(Number.isFinite(value)).toBe(true);
    for (const kind of ["start", "step", "evaluation", "sample", "checkpoint"]) {
      expect(events.map((event) => event.kind)).toContain(kind);
    }

    const stop = new AbortController();
    const first = await recipe.train(options(), {
      out: stopped,
      device: "cpu",
      signal: stop.signal,
      onEvent: (event) => event.kind === "step" && event.step === 2 && stop.abort(),
    });
    expect(first).toMatchObject({ ended: "interrupted", step: 2 });
    expect(await recipe.resume(stopped, { device: "cpu" })).toMatchObject({ ended: "finished", step: 4 });
    for (const file of ["model.safetensors", "checkpoints/step-00000004/optimizer.safetensors", "metrics.jsonl"]) {
      expect(readFileSync(join(stopped, file)), file).toEqual(readFileSync(join(whole, file)));
    }

    const model = await recipe.open(whole, { device: "cpu" });
    const sampled: string[] = [];
    for await (const event of model.sample(task.sample)) sampled.push(event.kind);
    expect(sampled.some((kind) => kind === "text" || kind === "file")).toBe(true);
    const already = AbortSignal.abort();
    await expect(model.evaluate(task.evaluate, { signal: already })).rejects.toMatchObject({ code: "evaluate/interrupted" });
    const measures = await model.evaluate(task.evaluate);
    expect(measures.length).toBeGreaterThan(1);
    for (const { key, value } of measures) expect(Number.isFinite(value), key).toBe(true);
    for (const question of task.questions ?? []) {
      const answers = [];
      const inputs = [{ value: question, place: "line 1" }];
      for await (const answer of model.predict?.(inputs, {}) ?? []) answers.push(answer);
      expect(answers.length).toBe(1);
    }
    const { pictures, parameters } = await model.inspect({});
    expect(pictures.length).toBeGreaterThan(0);
    for (const { file } of pictures) expect(readFileSync(file).subarray(1, 4).toString()).toBe("PNG");
    for (const { file } of await model.export("onnx", join(folder, name, "onnx"))) expect(existsSync(file)).toBe(true);
    const [exported] = await model.export("safetensors", join(folder, name, "safetensors"));
    expect((await readSafetensorsFile(exported?.file as string)).tensors.size).toBe(parameters.length);
  });

  const itInParts = computedInParts.has(name) ? it : undefined;
  itInParts?.("has the same loss and gradients when halves of a batch are computed in two threads", async () => {
    const settings = { ...options(), ...plain(recipe), steps: 1, sampleEvery: 0 };
    const first: Record<string, number>[] = [];
    for (const threads of ["1", "2"]) {
      vi.stubEnv("HEPTAGEN_THREADS", threads);
      const out = join(folder, name, `threads-${threads}`);
      await recipe.train(settings, { out, device: "cpu" });
      first.push(JSON.parse(readFileSync(join(out, "metrics.jsonl"), "utf8").split("\n")[0] as string));
    }
    vi.unstubAllEnvs();
    const [whole, parts] = first as [Record<string, number>, Record<string, number>];
    expect(parts.loss).not.toBe(undefined);
    expect(Math.abs((parts.loss as number) / (whole.loss as number) - 1)).toBeLessThan(1e-5);
    expect(Math.abs((parts.gradNorm as number) / (whole.gradNorm as number) - 1)).toBeLessThan(1e-4);
  });

  it.each(Object.keys(recipe.presets))("has all options in its preset %s", (preset) => {
    const { options: schema } = recipe;
    expect(parseOptions(preset, schema, presetOptions(recipe, preset))).toBeDefined();
  });
});
