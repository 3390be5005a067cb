/**
 * JSON that gives back what was put in, or says why it cannot.
 *
 * `JSON.stringify` turns NaN and Infinity into null and typed arrays into objects without a word; for the state of a run that
 * would be a silent change. Here such a value is an error that names its place. Measurements, flat records of numbers, may be
 * NaN or infinite: `namedNumbers` writes those as text and `numbersByName` reads them back.
 */
import { HeptagenError } from "../util/errors.ts";

/**
 * Writes plain data as JSON. Properties whose value is undefined are left out.
 *
 * @param what name of the data, for messages
 * @throws HeptagenError `json/value` naming the first place JSON has no form for
 * @example stringifyJson({ step: 3, best: null }, "state")
 */
export function stringifyJson(value: unknown, what: string, indent = 2): string {
  check(value, what);
  return JSON.stringify(value, null, indent);
}

function check(value: unknown, path: string): void {
  if (value === null || typeof value === "string" || typeof value === "boolean") return;
  if (typeof value === "number" && Number.isFinite(value)) return;
  if (Array.isArray(value)) {
    value.forEach((item, i) => {
      check(item, `${path}.${i}`);
    });
    return;
  }
  if (typeof value === "object" && (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null)) {
    for (const [key, item] of Object.entries(value)) if (item !== undefined) check(item, `${path}.${key}`);
    return;
  }
  const got = typeof value === "object" ? `a ${value.constructor?.name ?? "object"}` : `${typeof value} ${String(value)}`;
  throw new HeptagenError("json/value", `${path}: expected something JSON can hold, got ${got}`, {
    facts: { path },
    next: "Store null or text for what is missing or infinite, and arrays of numbers in safetensors files.",
  });
}

/**
 * Reads JSON.
 *
 * @param file name for messages
 * @throws HeptagenError `json/syntax`
 */
export function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new HeptagenError("json/syntax", `${file}: expected JSON, got something else (${reason})`, { facts: { file }, cause });
  }
}

const names: readonly (readonly [number, string])[] = [
  [Number.NaN, "NaN"],
  [Number.POSITIVE_INFINITY, "Infinity"],
  [Number.NEGATIVE_INFINITY, "-Infinity"],
];
const nameOf = new Map<unknown, string>(names);
const numberOf = new Map<unknown, number>(names.map(([number, name]) => [name, number]));

/**
 * A flat record with the numbers that JSON lacks written as text.
 *
 * @example namedNumbers({ step: 7, loss: Number.NaN }) // { step: 7, loss: "NaN" }
 */
export function namedNumbers(record: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, nameOf.get(value) ?? value]));
}

/** The inverse of `namedNumbers`. */
export function numbersByName(record: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, numberOf.get(value) ?? value]));
}
