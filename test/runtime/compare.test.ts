/** Comparing runs: facts from their files, groups by task, cautions, and a report that needs nothing else. */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeWav } from "../../src/data/index.ts";
import { generateImageRecipe } from "../../src/tasks/generate-image/generate-image.ts";
import { compareRuns, comparisonReport, evaluateRun, openModel } from "../../src/tasks/index.ts";
import type { EvaluateEvent } from "../../src/tasks/recipe.ts";
import { transformerLanguageModel } from "../../src/tasks/recipes/transformer-language-model.ts";
import { waveNetGenerateAudio } from "../../src/tasks/recipes/wavenet-generate-audio.ts";
import { appendEvaluation } from "../../src/train/index.ts";
import { independentPixels } from "./independent-pixels.ts";

const folder = mkdtempSync(join(tmpdir(), "heptagen-compare-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string) => join(folder, name);

const images = {
  start: 0,
  fit: "crop",
  flip: false,
  validation: 0.2,
  conditional: true,
  batch: 32,
  accumulate: 1,
  steps: 20,
  optimizer: "adamw",
  learningRate: 0.3,
  finalLearningRate: 0,
  warmup: 0,
  schedule: "constant",
  beta1: 0.9,
  beta2: 0.99,
  weightDecay: 0,
  clip: 0,
  averaging: 0,
  evaluateEvery: 5,
  patience: 0,
  checkpointEvery: 10,
  sampleEvery: 10,
  samplePictures: 10,
  seed: 1,
} as const;
const pixels = generateImageRecipe(independentPixels, { summary: "", presets: { only: { summary: "", options: images } } });

beforeAll(async () => {
  writeFileSync(at("text.txt"), "the whale and the sea and the ship. ".repeat(60));
  const text = {
    data: at("text.txt"),
    tokenizer: "character",
    context: 16,
    batch: 4,
    layers: 1,
    heads: 1,
    width: 16,
    sampleTokens: 20,
  } as const;
  const often = { steps: 8, evaluateEvery: 4, checkpointEvery: 8, sampleEvery: 8, warmup: 0 };
  mkdirSync(at("a"));
  await transformerLanguageModel.train({ ...text, ...often }, { out: at("a/text") });
  await transformerLanguageModel.train({ ...text, ...often, learningRate: 1e-5, finalLearningRate: 0 }, { out: at("b/text") });
  mkdirSync(at("sounds"));
  for (const i of [1, 2, 3, 4]) {
    const tone = Float32Array.from({ length: 2000 }, (_, t) => 0.5 * Math.sin(t * 0.1 * i));
    writeFileSync(at(`sounds/${i}.wav`), await encodeWav(tone, 4000));
  }
  const sound = { data: at("sounds"), rate: 4000, stacks: 1, depth: 5, residual: 8, skip: 16, window: 256, batch: 2 } as const;
  await waveNetGenerateAudio.train({ ...sound, ...often, validation: 0.25, sampleSeconds: 0.1 }, { out: at("sound") });
  await pixels.train({}, { out: at("pixels") });
  await pixels.train({ learningRate: 0.01 }, { out: at("slow") });
});

describe("comparing", () => {
  it("groups runs by task, under names that differ, with what their files say", async () => {
    const { groups } = await compareRuns(["a/text", "b/text", "sound", "pixels", "slow"].map(at));
    expect(groups.map(({ task, runs }) => [task, runs.map(({ name }) => name)])).toEqual([
      ["language-model", ["a/text", "b/text"]],
      ["generate-audio", ["sound"]],
      ["generate-image", ["pixels", "slow"]],
    ]);
    const [pixelRun, slow] = groups[2]?.runs ?? [];
    expect(pixelRun).toMatchObject({ recipe: "independent/generate-image", parameters: 640, steps: 20, step: 20 });
    expect(pixelRun?.data).toContain("digits");
    expect(pixelRun?.minutes).toBeGreaterThan(0);
    const nats = pixelRun?.validation.find(({ key }) => key === "nats")?.value as number;
    expect(nats).toBeLessThan(slow?.validation.find(({ key }) => key === "nats")?.value as number);
    expect(pixelRun?.samples).toEqual([{ kind: "picture", file: at("pixels/samples/step-00000020.png") }]);
    expect(groups[2]?.cautions.join()).toContain("not evaluated: pixels, slow");
    expect(groups[1]?.cautions).toEqual([]);
  });

  it("takes stored evaluations, and says where they differ", async () => {
    await evaluateRun(await pixels.open(at("pixels")), at("pixels"), { samples: 0 });
    await evaluateRun(await pixels.open(at("slow")), at("slow"), { samples: 0, limit: 50, data: "digits" });
    const { groups } = await compareRuns(["pixels", "slow"].map(at));
    expect(groups[0]?.cautions).toEqual(["evaluated with different data, limit"]);
    const evaluation = groups[0]?.runs[0]?.evaluation;
    expect(evaluation).toMatchObject({ step: 20, options: { samples: 0, seed: 0, threshold: 0 } });
    expect(evaluation?.measures.find(({ key }) => key === "nats")).toMatchObject({ better: "lower" });
    const other = { time: "2099-01-01", step: 3, options: {}, seconds: 1, measures: [{ key: "fid", name: "FID", value: 1 }] };
    await appendEvaluation(at("pixels"), other); // of another model: an earlier step
    expect((await compareRuns([at("pixels")])).groups[0]?.runs[0]?.evaluation).toEqual(evaluation);
  });

  it("evaluates and samples with equal options what is not yet, and only that", async () => {
    const notes: string[] = [];
    const onEvent = (event: EvaluateEvent) => event.kind === "note" && notes.push(event.message);
    const folders = ["a/text", "b/text", "sound"].map(at);
    const first = await compareRuns(folders, { evaluate: { samples: 5, clips: 1, seconds: 0.2 }, seed: 3, onEvent });
    expect(notes).toEqual(["evaluating a/text", "evaluating b/text", "evaluating sound"]);
    const [a, b] = first.groups[0]?.runs ?? [];
    expect(a?.evaluation?.measures.map(({ key }) => key)).toEqual(b?.evaluation?.measures.map(({ key }) => key));
    expect(first.groups[1]?.runs[0]?.evaluation?.options).toMatchObject({ clips: 1, seconds: 0.2, seed: 3 });
    expect(a?.samples).toEqual([{ kind: "text", file: at("a/text/samples/compare-step-8-seed-3.txt") }]);
    expect(first.groups[1]?.runs[0]?.samples[0]?.file).toBe(at("sound/samples/compare-step-8-seed-3.wav"));
    const again = await compareRuns(folders, { evaluate: { samples: 5, clips: 1, seconds: 0.2 }, seed: 3, onEvent });
    expect(notes).toHaveLength(3);
    expect(again).toEqual(first);
    await compareRuns(folders, { evaluate: {}, seed: 4, onEvent });
    expect(notes.slice(3)).toEqual(["evaluating sound"]); // a text's evaluation draws nothing, so a seed is none of its options
  });

  it("ends when asked", async () => {
    const stopped = compareRuns([at("sound")], { evaluate: {}, seed: 9, signal: AbortSignal.abort() });
    await expect(stopped).rejects.toMatchObject({ code: "evaluate/interrupted" });
    expect(readdirSync(at("sound/samples")).join()).not.toContain("seed-9");
  });

  it("refuses what is no trained run", async () => {
    await expect(compareRuns([])).rejects.toMatchObject({ code: "options/runs" });
    await expect(compareRuns([at("a/text"), at("nowhere")])).rejects.toMatchObject({ code: "run/missing" });
    mkdirSync(at("empty"));
    copyFileSync(at("pixels/config.json"), at("empty/config.json"));
    await expect(compareRuns([at("empty")])).rejects.toThrow(
      /expected a trained model, got a run that has saved none yet.*--resume/s,
    );
  });
});

describe("the report", () => {
  it("holds everything: tables, pictures, sounds, texts, curves and the facts, and asks the network for nothing", async () => {
    const comparison = await compareRuns(["a/text", "b/text", "sound", "pixels"].map(at));
    const html = await comparisonReport(comparison);
    expect(html.match(/<img /g)).toHaveLength(2); // a sheet and a spectrogram
    expect(html).toMatch(/<audio controls src="data:audio\/wav;base64,[A-Za-z0-9+/=]{1000}/);
    expect(html).toContain("<pre>");
    expect(html.match(/<svg /g)?.length).toBeGreaterThan(6);
    expect(html.replace(/"data:[^"]*"/g, "")).not.toMatch(/(src|href|url\()=?["'(]?(https?:|\/\/|file:)/);
    const facts = JSON.parse(/<script type="application\/json" id="facts">(.*)<\/script>/.exec(html)?.[1] ?? "");
    expect(facts.groups[2].runs[0].parameters).toBe(640);
  });

  it("marks the best of each row by what a measure declares", async () => {
    const html = await comparisonReport(await compareRuns(["a/text", "b/text"].map(at)));
    const row = /perplexity ↓<\/th>(.*?)<\/tr>/.exec(html)?.[1];
    expect(row).toMatch(/^<td class="best">[\d.]+<\/td><td>[\d.]+<\/td>$/);
    expect(/>tokens<\/th>(.*?)<\/tr>/.exec(html)?.[1]).not.toContain("best");
  });

  it("shows names and texts as they are, whatever they hold", async () => {
    const odd = at("<i>");
    await pixels.train({}, { out: odd });
    writeFileSync(join(odd, "samples", "step-00000099.txt"), "</script><b>");
    rmSync(join(odd, "samples", "step-00000020.png"));
    const html = await comparisonReport(await compareRuns([odd]));
    expect(html).not.toMatch(/<i>|<b>/);
    expect(html.match(/<\/script>/g)).toHaveLength(1);
  });
});

it("a folder that is no run is evaluated without a trace", async () => {
  const model = await openModel(at("a/text"));
  const { measures } = await evaluateRun(model, at("nowhere"), {});
  expect(measures.length).toBeGreaterThan(2);
  expect(existsSync(at("nowhere"))).toBe(false);
});
