/**
 * Unpacking fetched packages: npm's tarballs, and Debian's .deb files with `dpkg-deb`, or with `tar` where there is none (a .deb is
 * an `ar` archive of a tarball; deb(5)).
 */
import { createReadStream, promises as fs } from "node:fs";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { unpackTar } from "modern-tar/fs";
import { HeptagenError } from "../util/errors.ts";
import { runTool } from "./child-process.node.ts";

/** Unpacks an npm tarball; npm puts all files below `package/`. */
export async function unpackNpm(file: string, folder: string): Promise<void> {
  await fs.mkdir(folder, { recursive: true });
  try {
    await pipeline(createReadStream(file), createGunzip(), unpackTar(folder, { strip: 1 }));
  } catch (cause) {
    throw broken(file, cause);
  }
}

/**
 * Unpacks a Debian package.
 *
 * @throws HeptagenError `data/archive`, `data/tool`
 */
export async function unpackDebian(
  file: string,
  folder: string,
  { dpkg = true }: { readonly dpkg?: boolean } = {},
): Promise<void> {
  await fs.mkdir(folder, { recursive: true });
  const byDpkg = dpkg ? await runTool("dpkg-deb", ["-x", file, folder]) : undefined;
  if (byDpkg?.code === 0) return;
  if (byDpkg) throw broken(file, new Error(byDpkg.stderr.trim()));
  const [name, content] = await dataMember(file);
  const tarball = `${file}.${name}`;
  await fs.writeFile(tarball, content);
  const byTar = await runTool("tar", ["-xf", tarball, "-C", folder]);
  await fs.rm(tarball, { force: true });
  if (!byTar) {
    throw new HeptagenError("data/tool", `unpacking ${file} needs dpkg-deb or tar, and neither was found`, {
      next: "Install tar.",
    });
  }
  if (byTar.code !== 0) throw broken(file, new Error(byTar.stderr.trim().split("\n")[0]));
}

/** The member `data.tar.*` of a .deb: after 8 bytes of magic, each member has a header of 60 bytes and an even length. */
async function dataMember(file: string): Promise<[name: string, content: Uint8Array]> {
  const bytes = await fs.readFile(file);
  if (bytes.subarray(0, 8).toString("latin1") !== "!<arch>\n") throw broken(file, new Error("it is no .deb"));
  for (let at = 8; at + 60 <= bytes.length; ) {
    const name = bytes
      .subarray(at, at + 16)
      .toString("latin1")
      .trim()
      .replace(/\/$/, "");
    const size = Number(bytes.subarray(at + 48, at + 58).toString("latin1"));
    if (!(size >= 0) || at + 60 + size > bytes.length) break;
    if (/^data\.tar(\.\w+)?$/.test(name)) return [name, bytes.subarray(at + 60, at + 60 + size)];
    at += 60 + size + (size % 2);
  }
  throw broken(file, new Error("it holds no data.tar, or is cut short"));
}

function broken(file: string, cause: unknown): HeptagenError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new HeptagenError("data/archive", `${file} could not be unpacked: ${reason}`, { next: "Fetch it again.", cause });
}
