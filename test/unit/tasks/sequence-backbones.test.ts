/** Networks for sequences as tasks take them: their options, and the configurations that follow. */
import { describe, expect, it } from "vitest";
import { z } from "zod";
import {
  gruSequence,
  lstmSequence,
  optionSpecs,
  parseOptions,
  rnnSequence,
  type SequenceBackbone,
  transformerSequence,
} from "../../../src/tasks/index.ts";

const given: Record<string, readonly [SequenceBackbone<never>, Record<string, unknown>]> = {
  rnn: [rnnSequence, { layers: 1, width: 8, dropout: 0, activation: "relu" }],
  gru: [gruSequence, { layers: 1, width: 8, dropout: 0.5 }],
  lstm: [lstmSequence, { layers: 3, width: 8, dropout: 0 }],
  transformer: [transformerSequence, { layers: 1, width: 8, heads: 2, dropout: 0 }],
} as unknown as Record<string, readonly [SequenceBackbone<never>, Record<string, unknown>]>;

describe.each(Object.entries(given))("%s", (name, [backbone, options]) => {
  it("makes configurations that fit of options that fit", () => {
    expect(backbone.name).toBe(name);
    const config = backbone.configure(parseOptions("train", backbone.options, options));
    expect(() => backbone.network.check(config)).not.toThrow();
    expect(config).toMatchObject(options);
    expect(backbone.network.width(config)).toBe(8);
  });

  it("describes every option", () => {
    const all = z.strictObject({ ...backbone.options.shape, ...backbone.decoderOptions.shape });
    for (const { key, description } of optionSpecs(all)) expect(description, key).not.toBe("");
    expect(() => parseOptions("train", all, { ...options, width: 0 })).toThrow(
      "expected width to be a whole number from 1, got 0",
    );
  });
});

it("a decoder's options are apart, and have a default", () => {
  const options = { layers: 1, width: 8, dropout: 0 };
  expect(() => parseOptions("train", gruSequence.options, { ...options, attention: "none" })).toThrow(
    'there is no option "attention"',
  );
  expect(gruSequence.configure(options).attention).toBe("additive");
  expect(gruSequence.configure({ ...options, attention: "none" }).attention).toBe("none");
});

it("a Transformer's MLP is four times as wide unless told", () => {
  const options = { layers: 1, width: 8, heads: 2, dropout: 0 };
  expect(transformerSequence.configure(options).hidden).toBe(32);
  expect(transformerSequence.configure({ ...options, hidden: 5 }).hidden).toBe(5);
});
