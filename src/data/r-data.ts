/**
 * Data of R, as `saveRDS` and packages keep it: R's serialisation in its XDR form (version 2 or 3), read into plain values.
 *
 * What data frames are made of is read: vectors of numbers, truth values, texts and lists, with their attributes (names, levels of
 * factors, classes), and the compact forms (ALTREP) of sequences and wrapped vectors. Functions and environments are refused.
 *
 * The format: "R Internals", section 1.8, https://cran.r-project.org/doc/manuals/r-release/R-ints.html#Serialization-Formats
 */
import { HeptagenError } from "../util/errors.ts";

/** A cell; null stands for NA. */
export type RCell = string | number | boolean | null;

/** A vector with its attributes; the values of a list are vectors themselves, or null. */
export type RVector =
  | { readonly kind: "cells"; readonly values: readonly RCell[]; readonly attributes: RAttributes }
  | { readonly kind: "list"; readonly values: readonly RValue[]; readonly attributes: RAttributes };

/** Null stands for NULL; symbols are texts. */
export type RValue = RVector | string | null;

export type RAttributes = ReadonlyMap<string, RValue>;

/** Kinds of items by their numbers in a file. */
const types = {
  symbol: 1,
  pairs: 2,
  language: 6,
  text: 9,
  logical: 10,
  integer: 13,
  double: 14,
  texts: 16,
  list: 19,
  expression: 20,
  raw: 24,
  altrep: 238,
  attributedPairs: 239,
  attributedLanguage: 240,
  emptyEnvironment: 242,
  baseEnvironment: 241,
  globalEnvironment: 253,
  nothing: 254,
  reference: 255,
} as const;

const [withAttributes, withTag] = [0x200, 0x400];
const missingInteger = -(2 ** 31);
/** R's NA among doubles is the NaN whose lower half is 1954. */
const missingDouble = 1954;

/**
 * Reads a serialised value (unpacked: what `gunzip` makes of an .rds file).
 *
 * @param bytes the whole of it
 * @param file what messages name
 * @throws HeptagenError `data/r`
 * @example const frame = readRColumns(readRData(gunzipSync(readFileSync("cars.rds")), "cars.rds"), "cars.rds");
 */
export function readRData(bytes: Uint8Array, file: string): RValue {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const latin = new TextDecoder("latin1");
  const utf8 = new TextDecoder();
  const isLatin = 1 << 2;
  const references: RValue[] = [];
  let at = 0;

  /** Where the next so many bytes begin. */
  const take = (size: number) => {
    at += size;
    return at - size;
  };
  const integer = () => view.getInt32(take(4));
  const double = () => view.getFloat64(take(8));
  const cells = (values: readonly RCell[]): RVector => ({ kind: "cells", values, attributes: new Map() });
  const repeat = <T>(count: number, read: () => T): T[] => {
    if (count < 0 || count > bytes.length) throw wrong(file, `a vector of ${count} elements, which does not fit into it`);
    return Array.from({ length: count }, read);
  };

  function text(levels: number): string | null {
    const length = integer();
    if (length === -1) return null;
    if (length < 0 || at + length > bytes.length) throw wrong(file, "a text that goes on beyond its end");
    return (levels & isLatin ? latin : utf8).decode(bytes.subarray(take(length), at));
  }

  function element(): string | null {
    const flags = integer();
    if ((flags & 0xff) !== types.text) throw wrong(file, `an item of type ${flags & 0xff} where a text was expected`);
    return text(flags >> 12);
  }

  /** A chain of tagged pairs; attributes are such a chain. */
  function pairs(first: number): Map<string, RValue> {
    const found = new Map<string, RValue>();
    for (let flags = first; (flags & 0xff) !== types.nothing; flags = integer()) {
      const type = flags & 0xff;
      if (type !== types.pairs && type !== types.attributedPairs) throw wrong(file, `type ${type} within a list of pairs`);
      if (flags & withAttributes || type === types.attributedPairs) item();
      const tag = flags & withTag ? item() : undefined;
      found.set(typeof tag === "string" ? tag : String(found.size), item());
    }
    return found;
  }

  function attributed(value: RVector, flags: number): RVector {
    return flags & withAttributes ? { ...value, attributes: pairs(integer()) } : value;
  }

  /** A compact form: its class, what stands for it, and its attributes. */
  function compact(): RValue {
    const [name] = [...pairs(integer()).values()];
    const state = item();
    const attributes = item();
    const known = attributes !== null && typeof attributes === "object" ? asMap(attributes) : new Map<string, RValue>();
    const value = expand(typeof name === "string" ? name : "", state, file);
    return value !== null && typeof value === "object" && known.size > 0 ? { ...value, attributes: known } : value;
  }

  function item(): RValue {
    const flags = integer();
    switch (flags & 0xff) {
      case types.nothing:
      case types.emptyEnvironment:
      case types.baseEnvironment:
      case types.globalEnvironment:
        return null;
      case types.reference:
        return references[(flags >> 8 || integer()) - 1] ?? null;
      case types.symbol:
        references.push(element());
        return references.at(-1) as RValue;
      case types.pairs:
      case types.attributedPairs: {
        const found = pairs(flags);
        const names = cells([...found.keys()]);
        return { kind: "list", values: [...found.values()], attributes: new Map([["names", names]]) };
      }
      case types.text:
        return text(flags >> 12);
      case types.logical:
        return attributed(cells(repeat(integer(), () => truth(integer()))), flags);
      case types.integer:
        return attributed(cells(repeat(integer(), () => present(integer()))), flags);
      case types.double:
        return attributed(
          cells(
            repeat(integer(), () => {
              const value = double();
              return Number.isNaN(value) && view.getUint32(at - 4) === missingDouble ? null : value;
            }),
          ),
          flags,
        );
      case types.texts:
        return attributed(cells(repeat(integer(), element)), flags);
      case types.list:
      case types.expression:
        return attributed({ kind: "list", values: repeat(integer(), item), attributes: new Map() }, flags);
      case types.raw:
        return attributed(cells(repeat(integer(), () => view.getUint8(at++))), flags);
      case types.altrep:
        return compact();
      default:
        throw wrong(file, `an item of type ${flags & 0xff}, which is neither a vector nor a list`);
    }
  }

  try {
    const format = latin.decode(bytes.subarray(0, 2));
    if (format !== "X\n") throw wrong(file, `${JSON.stringify(format)} at its beginning, expected "X\\n"`);
    at = 2;
    const version = integer();
    at += 8; // the versions of R that wrote it and that can read it
    if (version !== 2 && version !== 3) throw wrong(file, `version ${version} of the format, expected 2 or 3`);
    if (version === 3) {
      const length = integer();
      at += length; // the encoding of the machine that wrote it
    }
    return item();
  } catch (cause) {
    if (cause instanceof RangeError) throw wrong(file, "less than it announces: it is cut short");
    throw cause;
  }
}

const present = (value: number): number | null => (value === missingInteger ? null : value);
const truth = (value: number): boolean | null => (value === missingInteger ? null : value !== 0);

/** Names of a list with its values. */
function asMap(value: RVector): Map<string, RValue> {
  const names = value.attributes.get("names");
  const keys = names !== null && typeof names === "object" && names.kind === "cells" ? names.values : [];
  const list: readonly RValue[] = value.kind === "list" ? value.values : [];
  return new Map(list.map((each, i) => [String(keys[i] ?? i), each]));
}

/** What a compact form stands for. */
function expand(name: string, state: RValue, file: string): RValue {
  if (state !== null && typeof state === "object") {
    if (/^compact_(int|real)seq$/.test(name) && state.kind === "cells") {
      const [length, start, step] = state.values as readonly number[] as [number, number, number];
      return { kind: "cells", values: Array.from({ length }, (_, i) => start + i * step), attributes: new Map() };
    }
    const inner = state.kind === "list" ? (state.values[0] ?? null) : null;
    if (/^wrap_/.test(name)) return inner;
    if (name === "deferred_string" && inner !== null && typeof inner === "object" && inner.kind === "cells") {
      const values = inner.values.map((value) => (value === null ? null : String(value)));
      return { kind: "cells", values, attributes: new Map() };
    }
  }
  throw wrong(file, `the compact form "${name}", which is not read here`);
}

/**
 * The columns of a data frame: factors as their levels, dates (days since 1970) as `YYYY-MM-DD`.
 *
 * @throws HeptagenError `data/r` for what is no data frame of plain columns
 */
export function readRColumns(value: RValue, file: string): Map<string, readonly RCell[]> {
  if (value === null || typeof value === "string" || value.kind !== "list") throw wrong(file, "something else than a data frame");
  return new Map(
    [...asMap(value)].map(([name, column]) => {
      if (column === null || typeof column === "string" || column.kind !== "cells") {
        throw wrong(file, `a column "${name}" that is no vector of plain values`);
      }
      const { values, attributes } = column;
      const classes = textsOf(attributes.get("class"));
      const levels = textsOf(attributes.get("levels"));
      if (classes.includes("factor")) return [name, values.map((level) => levels[Number(level) - 1] ?? null)];
      if (classes.includes("Date")) return [name, values.map((day) => (day === null ? null : dateOf(Number(day))))];
      return [name, values];
    }),
  );
}

/** The texts of a vector; none of what is none. */
function textsOf(value: RValue | undefined): readonly string[] {
  if (value === undefined || value === null || typeof value === "string" || value.kind !== "cells") return [];
  return value.values.filter((each) => typeof each === "string");
}

const dateOf = (days: number): string => new Date(days * 86_400_000).toISOString().slice(0, 10);

/** Names of a list with its values; empty for what is no list. */
export const readRList = (value: RValue): Map<string, RValue> =>
  value !== null && typeof value === "object" ? asMap(value) : new Map();

function wrong(file: string, what: string): HeptagenError {
  return new HeptagenError("data/r", `${file}: expected data of R, got ${what}`, {
    next: "Is it whole, and unpacked? R writes what is read here with: saveRDS(x, file)",
  });
}
