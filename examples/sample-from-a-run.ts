/**
 * Writes with a trained model, token by token.
 *
 *   npx tsx examples/sample-from-a-run.ts runs/mine "the beginning"
 *
 * In a project of yours, import from "heptagen/tasks".
 */
import { openModel } from "../src/tasks/index.ts";

const [run = "runs/example", prompt = "the "] = process.argv.slice(2);
const model = await openModel(run);

process.stdout.write(prompt);
for await (const event of model.sample({ prompt, maxTokens: 200, temperature: 0.7, seed: 1 })) {
  if (event.kind === "text") process.stdout.write(event.text);
}
console.log();
