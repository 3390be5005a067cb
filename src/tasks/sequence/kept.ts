/** What a run keeps besides parameters: the configuration of its network, and what was learnt from the training data. */
import { tokenizerFromJSON } from "../../data/index.ts";
import type { Run } from "../../train/index.ts";
import { parseJson } from "../../train/json.ts";
import type { SequenceBackbone } from "../backbones/sequence.ts";
import type { Options } from "../recipe.ts";
import type { Assets } from "./sequence-task.ts";

/** The network's configuration out of a run's options. */
export function networkConfig<Config>(
  { network, options: schema, configure }: SequenceBackbone<Config>,
  options: Options,
): Config {
  const config = configure(Object.fromEntries(Object.keys(schema.shape).map((name) => [name, options[name]])));
  network.check(config);
  return config;
}

/** What a run has learnt besides parameters. */
export async function readAssets<Facts>(run: Run): Promise<Assets<Facts>> {
  const text = await run.readTokenizer();
  const file = run.path("tokenizer.json");
  return {
    ...(text !== undefined && { tokenizer: tokenizerFromJSON(parseJson(text, file), file) }),
    facts: run.config.data.facts as Facts,
  };
}
