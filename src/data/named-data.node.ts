/** Sets that readers know by name: those of the catalogue, addresses and sets of the hub that have been fetched. */
import { resolve } from "node:path";
import { HeptagenError } from "../util/errors.ts";
import { readReceipt } from "./cache-folder.node.ts";
import type { DataKind, DataSet } from "./catalogue.ts";
import { locateData, namedData } from "./get-data.node.ts";

/** A source that means the same in any folder: names as they are, paths in full. For runs, which are gone on with elsewhere. */
export const lastingSource = (source: string): string => (namedData(source) ? source : resolve(source));

export interface FoundData {
  readonly set: DataSet;
  readonly part: string | undefined;
  /** Where its content lies. */
  readonly path: string;
}

/**
 * Where a named set lies; undefined for what is no name. Write `./digits` for a file or folder of such a name.
 *
 * @param wanted the kinds that the caller reads
 * @throws HeptagenError `data/kind` for a set of another kind, `data/not-fetched`, `data/part`
 */
export async function findNamed(text: string, ...wanted: readonly DataKind[]): Promise<FoundData | undefined> {
  const named = namedData(text);
  if (!named) return undefined;
  const { set, part } = named;
  if (!wanted.includes(set.kind) && set.kind !== "files") {
    throw new HeptagenError("data/kind", `the data set ${set.name} holds ${set.kind}, expected ${wanted.join(" or ")}`, {
      facts: { name: set.name, kind: set.kind, wanted },
      next: `See what suits: heptagen data list --kind ${wanted[0]}. A file or folder of this name is written ./${text}`,
    });
  }
  const path = await locateData(named);
  if (path !== undefined) return { set, part, path };
  const earlier = (await readReceipt(set.name)) !== undefined;
  const what = earlier
    ? "was prepared by an earlier version of Heptagen, which did it in another way"
    : "is not on this machine yet";
  throw new HeptagenError("data/not-fetched", `the data set ${text} ${what}`, {
    facts: { name: set.name },
    next: `Fetch it once with: heptagen data get ${named.whole}`,
  });
}
