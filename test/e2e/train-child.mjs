/**
 * Trains a small Transformer in the folder given as argument, from scratch or from where it stands, and exits: with the built
 * package, imported as others import it.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { key } from "heptagen";
import { byteTokenizer, randomWindows } from "heptagen/data";
import { transformer, transformerDefaults } from "heptagen/models/transformer";
import { crossEntropy } from "heptagen/nn";
import { adamw, schedule } from "heptagen/optim";
import { createRun, resumeRun, trainLoop } from "heptagen/train";

const folder = process.argv[2];
const text = readFileSync(new URL("../../assets/moby-dick.txt", import.meta.url), "utf8").slice(0, 50_000);
const config = {
  ...transformerDefaults,
  vocabulary: 256,
  context: 16,
  layers: 1,
  heads: 2,
  keyValueHeads: 2,
  width: 16,
  hidden: 32,
  dropout: 0.1,
};
const steps = 1200;

const { run, checkpoint } = existsSync(join(folder, "config.json"))
  ? await resumeRun(folder)
  : { run: await createRun(folder, { recipe: "test", seed: 1, config: {}, versions: {}, data: {} }), checkpoint: undefined };
await trainLoop(
  run,
  {
    params: transformer.init(config, key(1)),
    objectives: [
      {
        name: "model",
        loss: (params, { tokens, targets }, random) => ({
          loss: crossEntropy(transformer.forward(config, params, tokens, { key: random }), targets),
        }),
        optimizer: adamw(),
        learningRate: schedule({ schedule: "cosine", learningRate: 3e-3, warmup: 20, steps }),
        clip: 1,
      },
    ],
    batch: randomWindows(byteTokenizer().encode(text), { batch: 4, context: 16 }, key(1)),
    unitsPerBatch: 64,
  },
  {
    steps,
    seed: 1,
    evaluateEvery: steps,
    sampleEvery: 0,
    checkpointEvery: 25,
    patience: 0,
    accumulate: 1,
    averaging: 0,
    compile: { device: "cpu" },
  },
  checkpoint,
);
await run.close();
process.stdout.write("done\n");
