/**
 * Writing by beam search with cached steps says what the whole network says of all places at once: for every network, with copying
 * and without, on sources of different lengths.
 */
import { describe, expect, it } from "vitest";
import type { Tensor } from "../../src/core/index.ts";
import { gruNetwork, lstmNetwork, rnnNetwork } from "../../src/models/recurrent-network.ts";
import type { SequenceNetwork } from "../../src/models/sequence-network.ts";
import { forward, init, type SequenceToSequenceParams, type Teaching, write } from "../../src/models/sequence-to-sequence.ts";
import { transformerNetwork } from "../../src/models/transformer-network.ts";
import type { WrittenSequences } from "../../src/nn/index.ts";
import { jit } from "../../src/runtime/index.ts";
import { isNdArray, type NdArray, ndarray } from "../../src/util/ndarray.ts";
import { fillNormal, fold, key } from "../../src/util/random.ts";
import { mapTree } from "../../src/util/tree.ts";

const recurrent = { layers: 2, width: 8, dropout: 0.1, attention: "additive" };
const cases: readonly [string, unknown, object, boolean][] = [
  ["transformer", transformerNetwork, { layers: 2, heads: 2, width: 8, hidden: 16, dropout: 0.1 }, true],
  ["transformer without copying", transformerNetwork, { layers: 2, heads: 2, width: 8, hidden: 16, dropout: 0.1 }, false],
  ["lstm", lstmNetwork, recurrent, true],
  ["gru of one layer", gruNetwork, { ...recurrent, layers: 1 }, true],
  ["rnn without attention", rnnNetwork, { ...recurrent, activation: "tanh", attention: "none" }, false],
];
const [vocabulary, begin, end, places, length] = [9, 7, 8, 6, 5];
const source = ndarray("int32", [3, length], [1, 2, 3, 4, 5, 6, 2, 0, 0, 0, 3, 3, 1, 0, 0]);
const lengths = ndarray("int32", [3], [5, 2, 3]);

describe.each(cases)("%s", (_, network, config, copy) => {
  const model = { network: network as SequenceNetwork<never>, config: config as never, vocabulary, begin, end, copy };
  // Large enough that tokens differ in probability.
  let count = 0;
  const params = mapTree(init(model, key(3)), isNdArray, ({ shape, data, dtype }: NdArray) => {
    const drawn = new Float32Array(data.length);
    fillNormal(fold(key(4), count++), drawn);
    return { dtype, shape, data: drawn.map((value, i) => 0.4 * value + Number(data[i])) };
  }) as SequenceToSequenceParams<NdArray>;
  type Params = SequenceToSequenceParams<NdArray>;
  const all = jit<[Params, Teaching<NdArray>], Tensor>((own, teaching) => forward(model, own, teaching), { device: "cpu" });
  const written = async (beams: number, alignment = false) => {
    const run = jit<[Params, NdArray, NdArray], WrittenSequences>(
      (own, from, of) => write(model, own, from, of, { beams, places, lengthPenalty: 0, alignment }),
      { device: "cpu" },
    );
    return run(params, source, lengths);
  };

  it.each([1, 3])("scores what it writes with %d beams as the network does", async (beams) => {
    const { tokens, lengths: written1, scores } = await written(beams);
    for (let k = 0; k < beams; k++) {
      const rows = [0, 1, 2].map((b) =>
        Array.from(tokens.data.slice((b * beams + k) * places, (b * beams + k + 1) * places), Number),
      );
      const fed = ndarray(
        "int32",
        [3, places],
        rows.flatMap((row) => [begin, ...row.slice(0, -1)]),
      );
      const { data } = await all(params, { source, lengths, written: fed });
      rows.forEach((row, b) => {
        const n = Number(written1.data[b * beams + k]);
        const logs = row.slice(0, Math.min(n + 1, places)).map((token, u) => Number(data[(b * places + u) * vocabulary + token]));
        expect(logs.reduce((x, y) => x + y, 0)).toBeCloseTo(Number(scores.data[b * beams + k]), 4);
        if (beams > 1) return;
        // Greedy: no token is likelier than the one that was written.
        logs.forEach((log, u) => {
          const best = Math.max(
            ...Array.from(data.slice((b * places + u) * vocabulary, (b * places + u + 1) * vocabulary), Number),
          );
          expect(log).toBeCloseTo(best, 5);
        });
      });
    }
  });

  it("tells where it looked, at places of the source that count, where it looks", async () => {
    const { attention, lengths: n } = await written(2, true);
    expect(attention !== undefined).toBe(model.network.attends(model.config));
    if (!attention) return;
    for (let b = 0; b < 3; b++) {
      const row = Array.from(attention.data.slice(2 * b * places * length, (2 * b * places + 1) * length), Number);
      const inside = row.slice(0, Number(lengths.data[b])).reduce((x, y) => x + y, 0);
      expect(inside, `sentence ${b} of ${n.data[2 * b]} tokens`).toBeCloseTo(1, 5);
    }
  });
});
