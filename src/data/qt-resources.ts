/**
 * Qt resource files (.rcc), which hold a tree of files: read as Qt's `qresource.cpp` does.
 *
 * A header of big-endian numbers says where the tree, the data and the names begin. A node of the tree has the offset of its name,
 * flags (1: compressed by zlib, 2: a folder, 4: compressed by Zstandard), and, a folder, the number and place of its children; a
 * file, its territory, language and the offset of its data.
 */
import { inflateSync } from "node:zlib";
import { HeptagenError } from "../util/errors.ts";

const [compressed, directory, zstandard] = [1, 2, 4];

/**
 * The files of a Qt resource file, by their paths.
 *
 * @throws HeptagenError `data/archive`
 */
export function readQtResources(bytes: Uint8Array, file: string): Map<string, Uint8Array> {
  const wrong = (what: string) => new HeptagenError("data/archive", `${file}: ${what}`, { next: "Fetch it again." });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 20 || view.getUint32(0) !== 0x71726573) throw wrong("expected a Qt resource file, got something else");
  const [version, tree, data, names] = [4, 8, 12, 16].map((at) => view.getUint32(at)) as [number, number, number, number];
  const nodeSize = version >= 2 ? 22 : 14; // with the time of the last change from version 2 on
  const nameAt = (offset: number) => {
    const length = view.getUint16(names + offset);
    return String.fromCharCode(...Array.from({ length }, (_, i) => view.getUint16(names + offset + 6 + 2 * i)));
  };
  const contentAt = (offset: number, flags: number) => {
    const size = view.getUint32(data + offset);
    const content = bytes.subarray(data + offset + 4, data + offset + 4 + size);
    if (flags & zstandard) throw wrong("it is compressed by Zstandard, which is not read here");
    return flags & compressed ? inflateSync(content.subarray(4)) : content; // after its length
  };
  const files = new Map<string, Uint8Array>();
  const walk = (index: number, path: string) => {
    const at = tree + index * nodeSize;
    const [name, flags] = [view.getUint32(at), view.getUint16(at + 4)];
    const here = index === 0 ? "" : `${path}${nameAt(name)}`;
    if (!(flags & directory)) {
      files.set(here, contentAt(view.getUint32(at + 10), flags));
      return;
    }
    const [count, first] = [view.getUint32(at + 6), view.getUint32(at + 10)];
    for (let child = first; child < first + count; child++) walk(child, here && `${here}/`);
  };
  try {
    walk(0, "");
  } catch (cause) {
    if (cause instanceof HeptagenError) throw cause;
    throw wrong("it is cut short or damaged");
  }
  return files;
}
