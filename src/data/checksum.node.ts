/** Telling whether a fetched file is the one that was meant. */
import { createHash } from "node:crypto";
import { createReadStream, promises as fs } from "node:fs";
import { basename } from "node:path";
import { HeptagenError } from "../util/errors.ts";
import type { FetchedArchive } from "./cache-folder.node.ts";
import type { KnownArchive } from "./catalogue.ts";

/** SHA-256 (hex) and size of a file. */
async function checksum(file: string): Promise<KnownArchive> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of createReadStream(file)) {
    hash.update(chunk as Buffer);
    bytes += (chunk as Buffer).length;
  }
  return { bytes, sha256: hash.digest("hex") };
}

/** Whether a file is there and has the expected SHA-256. */
export async function isWhole(file: string, sha256: string): Promise<boolean> {
  if (!(await fs.stat(file).catch(() => undefined))) return false;
  return (await checksum(file)).sha256 === sha256;
}

/**
 * Checks a fetched file; a wrong one is removed, so that fetching again begins anew.
 *
 * @throws HeptagenError `data/checksum`
 */
export async function verify(file: string, expected: string | undefined, version?: string): Promise<FetchedArchive> {
  const found = await checksum(file);
  const name = basename(file);
  if (expected !== undefined && found.sha256 !== expected.toLowerCase()) {
    await fs.rm(file, { force: true });
    throw new HeptagenError("data/checksum", `${name}: expected the SHA-256 ${expected}, got ${found.sha256}`, {
      facts: { file: name, expected, ...found },
      next: "It was damaged on its way, or is another file under the same name, and has been removed: fetch it again.",
    });
  }
  return { name, ...(version !== undefined && { version }), ...found };
}
