/**
 * Options: what a user may set, declared once.
 *
 * A task declares its options as one zod object with a description each. Everything else is derived from it: the check of a
 * TypeScript object or a JSON file, the flags of the command line, the help text, and the sentence that says what was
 * expected. So names and limits cannot drift apart.
 */
import { z } from "zod";
import { HeptagenError, nearest } from "../util/errors.ts";

/** One option, as flags and help texts need it. */
export interface OptionSpec {
  /** The key in TypeScript and JSON: `learningRate`. */
  readonly key: string;
  readonly description: string;
  readonly type: "integer" | "number" | "boolean" | "string";
  /** Whether it takes any number of values. */
  readonly list: boolean;
  readonly choices: readonly string[] | undefined;
  /** What it accepts, as the end of a sentence: "a whole number from 1". */
  readonly expects: string;
}

/** The parts of JSON Schema that option schemas use. */
interface JsonSchema {
  readonly type?: string;
  readonly description?: string;
  readonly enum?: readonly string[];
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
}

/** The options of a schema, in the order they are declared. */
export function optionSpecs(schema: z.ZodObject): OptionSpec[] {
  const { properties } = z.toJSONSchema(schema, { io: "input" }) as { properties?: Record<string, JsonSchema> };
  return Object.entries(properties ?? {}).map(([key, property]) => {
    const list = property.type === "array" || (property.anyOf?.some(({ type }) => type === "array") ?? false);
    const one = property.items ?? property.anyOf?.find(({ type }) => type !== "array") ?? property;
    const type = (one.type ?? "string") as OptionSpec["type"];
    return { key, description: property.description ?? "", type, list, choices: one.enum, expects: expectation(one, list) };
  });
}

function expectation(schema: JsonSchema, list: boolean): string {
  if (schema.enum) return `${list ? "any" : "one"} of ${schema.enum.join(", ")}`;
  if (schema.type === "boolean") return "true or false";
  if (schema.type !== "integer" && schema.type !== "number") return list ? "one or more texts" : "text";
  // zod gives whole numbers the limits of exact integers; those say nothing to a user.
  const limit = (value: number | undefined) =>
    value !== undefined && Math.abs(value) < Number.MAX_SAFE_INTEGER ? value : undefined;
  const low = limit(schema.minimum);
  const above = limit(schema.exclusiveMinimum);
  const high = limit(schema.maximum);
  const below = limit(schema.exclusiveMaximum);
  const limits = [
    low !== undefined ? `from ${low}` : above !== undefined ? `above ${above}` : "",
    high !== undefined ? `up to ${high}` : below !== undefined ? `below ${below}` : "",
  ].filter(Boolean);
  return [schema.type === "integer" ? "a whole number" : "a number", limits.join(" and ")].filter(Boolean).join(" ");
}

/**
 * Checks options against their schema.
 *
 * @param what whose options they are, for messages: "train", "runs/a/config.json"
 * @throws HeptagenError `options/unknown` suggesting the nearest key, `options/value` naming the key, what it accepts and what
 *   it got
 * @example parseOptions("sample", z.strictObject({ seed: z.int() }), { seed: 1 })
 */
export function parseOptions<Schema extends z.ZodObject>(
  what: string,
  schema: Schema,
  given: Readonly<Record<string, unknown>>,
): z.output<Schema> {
  const keys = Object.keys(schema.shape);
  for (const key of Object.keys(given)) {
    if (keys.includes(key)) continue;
    const near = nearest(key, keys);
    throw new HeptagenError("options/unknown", `${what}: there is no option "${key}"`, {
      facts: { key, known: keys },
      next: near ? `Did you mean "${near}"?` : `It takes: ${keys.join(", ")}.`,
    });
  }
  const result = schema.safeParse(given);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const key = String(issue?.path[0] ?? "");
  const spec = optionSpecs(schema).find((option) => option.key === key);
  const got = given[key] === undefined ? "nothing" : JSON.stringify(given[key]);
  const near = spec?.choices && typeof given[key] === "string" ? nearest(given[key], spec.choices) : undefined;
  const next = near ? `Did you mean "${near}"?` : spec?.description ? `${key}: ${spec.description}` : undefined;
  throw new HeptagenError(
    "options/value",
    issue?.code === "custom"
      ? `${what}: ${issue.message}`
      : `${what}: expected ${key} to be ${spec?.expects ?? "something else"}, got ${got}`,
    { facts: { key, value: given[key] }, ...(next && { next }) },
  );
}
