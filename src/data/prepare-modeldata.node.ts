/**
 * What R's package modeldata holds. Its objects lie packed one after the other in `Rdata.rdb`; `Rdata.rdx` says where
 * (`makeLazyLoadDB` of R's tools).
 */
import { promises as fs } from "node:fs";
import { join } from "node:path";
import { gunzipSync, inflateSync } from "node:zlib";
import { HeptagenError } from "../util/errors.ts";
import { unpackLzma2 } from "./lzma2.ts";
import { fileBelow, jsonLines, write } from "./prepare-files.node.ts";
import { type RCell, readRColumns, readRData, readRList } from "./r-data.ts";

/** The columns of data frames of a package, by the frames' names. */
async function readFrames(from: readonly string[], names: readonly string[]): Promise<ReadonlyMap<string, readonly RCell[]>[]> {
  const index = await fileBelow(from, /(^|\/)Rdata\.rdx$/);
  const places = readRList(readRList(readRData(gunzipSync(await fs.readFile(index)), index)).get("variables") ?? null);
  const file = await fileBelow(from, /(^|\/)Rdata\.rdb$/);
  const objects = await fs.readFile(file);
  return Promise.all(
    names.map(async (name) => {
      const place = places.get(name);
      const [start, length] = place && typeof place === "object" && place.kind === "cells" ? place.values.map(Number) : [];
      if (start === undefined || length === undefined) {
        throw new HeptagenError("data/layout", `${index}: expected an object "${name}", and there is none`, {
          facts: { name, known: [...places.keys()] },
          next: "This version of the package differs from the one that Heptagen knows: please report it.",
        });
      }
      return readRColumns(readRData(await unpackObject(objects.subarray(start, start + length)), `${file}: ${name}`), file);
    }),
  );
}

/** The size of what is packed, in four bytes; then, by the package's choice, zlib's data, or "Z" and LZMA2's. */
function unpackObject(packed: Buffer): Promise<Uint8Array> | Uint8Array {
  const byLzma = packed[4] === "Z".charCodeAt(0);
  return byLzma ? unpackLzma2(packed.subarray(5), packed.readUInt32BE(0)) : inflateSync(packed.subarray(4));
}

/** Reviews of food, with the two scores that the frames have; of 4,000 and 1,000. */
export async function prepareFoodReviews(from: readonly string[], to: string): Promise<void> {
  const parts = ["train", "test"];
  const frames = await readFrames(from, ["training_data", "testing_data"]);
  for (const [i, frame] of frames.entries()) {
    const column = (name: string) => frame.get(name) ?? [];
    const rows = column("review").map((text, row) => {
      const [label, product] = [column("score")[row], column("product")[row]];
      return { id: `${parts[i]}-${row + 1}`, product, label, text: String(text).trim() };
    });
    await write(join(to, `${parts[i]}.jsonl`), jsonLines(rows));
  }
}

/** Stations' columns lag behind the day of their row by so many days: that is how the frame was made for regression. */
const lag = 14;

/**
 * A day a row: who entered each of 20 stations that day (thousands), then its weather and games. The frame's column `ridership` is
 * that of its station Clark_Lake without the lag; its stations are brought back to their own days, so that all of a row is of one.
 */
export async function prepareChicagoRidership(from: readonly string[], to: string): Promise<void> {
  const [frame] = await readFrames(from, ["Chicago"]);
  const columns = [...(frame as ReadonlyMap<string, readonly RCell[]>)];
  const names = columns.map(([name]) => name);
  const stations = columns.slice(names.indexOf("ridership") + 1, names.indexOf("temp_min"));
  const days = columns.find(([name]) => name === "date")?.[1] ?? [];
  const others = columns.slice(names.indexOf("temp_min")).filter(([name]) => name !== "date");
  const lines = [["date", ...stations.map(([name]) => name), ...others.map(([name]) => name)].join(",")];
  for (let day = 0; day + lag < days.length; day++) {
    const entered = stations.map(([, values]) => rounded(values[day + lag]));
    lines.push([days[day], ...entered, ...others.map(([, values]) => rounded(values[day]))].join(","));
  }
  await write(join(to, "ridership.csv"), `${lines.join("\n")}\n`);
}

/** Without the last digits, which sums of floating point left there. */
const rounded = (value: RCell | undefined): string => (typeof value === "number" ? String(Number(value.toFixed(6))) : "");
