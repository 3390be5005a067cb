/** What a run keeps besides parameters: the configuration of its network, and what was learnt from the training data. */
import type { z } from "zod";
import { tokenizerFromJSON } from "../../data/index.ts";
import type { Run } from "../../train/index.ts";
import { parseJson } from "../../train/json.ts";
import type { SequenceBackbone } from "../backbones/sequence.ts";
import type { Options } from "../recipe.ts";
import type { Assets } from "./sequence-task.ts";

/** What a user may choose about the network in a task. */
export function networkOptions<Config>(
  { reads = false }: { readonly reads?: boolean },
  { options, decoderOptions }: SequenceBackbone<Config>,
): z.ZodRawShape {
  return { ...options.shape, ...(reads && decoderOptions.shape) };
}

/** The network's configuration out of a run's options. */
export function networkConfig<Config>(
  { task, backbone }: { readonly task: { readonly reads?: boolean }; readonly backbone: SequenceBackbone<Config> },
  options: Options,
): Config {
  const { network, configure } = backbone;
  const names = Object.keys(networkOptions(task, backbone)).filter((name) => options[name] !== undefined);
  const config = configure(Object.fromEntries(names.map((name) => [name, options[name]])));
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
