/** Options: checked by their schema, with messages that teach; flags are derived from the same schema. */
import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { addFlags, parseFlags } from "../../../src/cli/flags.ts";
import { optionSpecs, parseOptions } from "../../../src/tasks/options.ts";

const schema = z.strictObject({
  data: z.union([z.string(), z.array(z.string())]).describe("what to read"),
  steps: z.int().min(1).describe("how long"),
  learningRate: z.number().gt(0).max(1).describe("how fast"),
  norm: z.enum(["layer", "rms"]).describe("which norm"),
  bias: z.boolean().describe("whether"),
});
const good = { data: "a.txt", steps: 3, learningRate: 0.5, norm: "rms", bias: true };

describe("options", () => {
  it("say what they accept", () => {
    expect(optionSpecs(schema).map(({ key, list, expects }) => [key, list, expects])).toEqual([
      ["data", true, "one or more texts"],
      ["steps", false, "a whole number from 1"],
      ["learningRate", false, "a number above 0 and up to 1"],
      ["norm", false, "one of layer, rms"],
      ["bias", false, "true or false"],
    ]);
  });

  it("pass when they fit", () => {
    expect(parseOptions("train", schema, good)).toEqual(good);
  });

  it.each([
    [{ stepz: 4 }, 'train: there is no option "stepz"\n  → Did you mean "steps"?'],
    [{ steps: "many" }, 'train: expected steps to be a whole number from 1, got "many"\n  → steps: how long'],
    [{ steps: 1.5 }, "train: expected steps to be a whole number from 1, got 1.5\n  → steps: how long"],
    [{ learningRate: 0 }, "train: expected learningRate to be a number above 0 and up to 1, got 0\n  → learningRate: how fast"],
    [{ norm: "layr" }, 'train: expected norm to be one of layer, rms, got "layr"\n  → Did you mean "layer"?'],
    [{ steps: undefined }, "train: expected steps to be a whole number from 1, got nothing\n  → steps: how long"],
  ])("teach when %j is wrong", (wrong, message) => {
    expect(() => parseOptions("train", schema, { ...good, ...wrong })).toThrow(message);
  });
});

describe("flags", () => {
  const parse = (...argv: string[]) => {
    const command = new Command("train");
    addFlags(command, schema);
    return parseFlags(command, argv);
  };

  it("are the options in kebab case, and give them back under their keys", () => {
    expect(parse("--data", "a", "b", "--steps", "3", "--learning-rate", "1e-3", "--norm", "rms", "--no-bias")).toEqual({
      data: ["a", "b"],
      steps: 3,
      learningRate: 1e-3,
      norm: "rms",
      bias: false,
    });
  });

  it("also take the keys as they are in JSON", () => {
    expect(parse("--learningRate=0.1")).toEqual({ learningRate: 0.1 });
  });

  it("leave what is no number to the schema's message", () => {
    expect(parse("--steps", "many")).toEqual({ steps: "many" });
  });

  it("suggest the nearest", () => {
    expect(() => parse("--step", "3")).toThrow("train: there is no option --step\n  → Did you mean --steps?");
  });
});
