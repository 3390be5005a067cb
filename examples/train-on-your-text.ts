/**
 * Trains a small language model on a text file and shows what it writes.
 *
 *   npx tsx examples/train-on-your-text.ts your-text.txt runs/mine [steps]
 *
 * In a project of yours, import from "heptagen/tasks".
 */
import { transformerLanguageModel } from "../src/tasks/index.ts";

const [data = "assets/moby-dick.txt", out = "runs/example", steps = "500"] = process.argv.slice(2);

const { run, measures } = await transformerLanguageModel.train(
  { data, tokenizer: "character", layers: 2, width: 64, context: 32, steps: Number(steps), sampleEvery: 0 },
  {
    out,
    onEvent(event) {
      if (event.kind === "step" && event.step % 50 === 0) console.log(`step ${event.step}: loss ${event.loss.toFixed(3)}`);
    },
  },
);
for (const { name, value } of measures) console.log(`${name}: ${value.toPrecision(4)}`);

const model = await transformerLanguageModel.open(run);
for await (const event of model.sample({ maxTokens: 100 })) {
  if (event.kind === "text") process.stdout.write(event.text);
}
console.log();
