/** `heptagen eval <run>`: measures a trained model on data. */
import { exitCodes, table } from "../terminal.ts";
import { parseUse } from "./use.ts";

export async function evaluate(argv: readonly string[]): Promise<number> {
  const { options, terminal, open } = await parseUse(
    {
      name: "eval",
      description: "Measures a trained model, on its own validation data or on any other.",
      schema: ({ abilities }) => abilities.evaluate,
    },
    argv,
  );
  const measures = await (await open()).evaluate(options);
  terminal.event({ kind: "evaluation", measures: Object.fromEntries(measures.map(({ key, value }) => [key, value])) });
  const rows = measures.map(({ name, value }) => [
    name,
    Number.isInteger(value) ? value.toLocaleString("en") : value.toPrecision(5),
  ]);
  terminal.say(table(rows, ["measure", "value"]));
  return exitCodes.ok;
}
