/** The other frameworks: how to start each, and whether it can be compared with fairly here. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { PeerName } from "./cases.ts";
import { type Command, Peer } from "./peer.ts";

const folder = fileURLToPath(new URL("./peers/", import.meta.url));
const python = "/usr/bin/python3";

interface PeerSpec {
  readonly title: string;
  command(threads: number): Command;
  /** Why it cannot take part before it is even started. */
  obstacle?(): string | undefined;
  /** Why what it says about itself makes the comparison unfair. */
  objection?(checked: Record<string, unknown>): string | undefined;
}

const torch = (title: string, more: readonly string[], obstacle?: () => string | undefined): PeerSpec => ({
  title,
  command: (threads) => ({ command: python, args: ["torch_peer.py", "--threads", `${threads}`, ...more], cwd: folder }),
  ...(obstacle && { obstacle }),
  objection: ({ fair, blas }) =>
    fair
      ? undefined
      : `its BLAS is not OpenBLAS on OpenMP but ${JSON.stringify(blas)}; bench/peers/README.md tells what to install`,
});

const installed = (name: string, dependency: string) => () =>
  existsSync(`${folder}${name}/node_modules/${dependency}`) ? undefined : "not installed; run: npm run bench -- --install-peers";

export const peerSpecs: Record<PeerName, PeerSpec> = {
  pytorch: torch("PyTorch", []),
  "pytorch-pinned": torch("PyTorch, kernels as OPENBLAS_CORETYPE says", ["--keep-environment"], () =>
    process.env.OPENBLAS_CORETYPE ? undefined : "OPENBLAS_CORETYPE is not set, so it would be the row above again",
  ),
  "jax-js": {
    title: "jax-js (wasm)",
    command: (threads) => ({ command: process.execPath, args: ["peer.mjs", "--threads", `${threads}`], cwd: `${folder}jax-js` }),
    obstacle: installed("jax-js", "@jax-js/jax"),
  },
  "tfjs-wasm": {
    title: "TensorFlow.js (wasm, 1 thread)",
    command: () => ({ command: process.execPath, args: ["peer.mjs", "--backend", "wasm"], cwd: `${folder}tfjs` }),
    obstacle: installed("tfjs", "@tensorflow/tfjs"),
  },
  "tfjs-cpu": {
    title: "TensorFlow.js (cpu, 1 thread)",
    command: () => ({ command: process.execPath, args: ["peer.mjs", "--backend", "cpu"], cwd: `${folder}tfjs` }),
    obstacle: installed("tfjs", "@tensorflow/tfjs"),
  },
};

/** Heptagen runs as a process of its own too, so that all take part in the same way. */
export const heptagenCommand = (threads: number): Command => ({
  command: process.execPath,
  args: ["--import", "tsx", fileURLToPath(new URL("./heptagen.ts", import.meta.url)), "--threads", `${threads}`],
  cwd: fileURLToPath(new URL("..", import.meta.url)),
});

/** Starts a peer and asks what it is; or tells why it is skipped. */
export async function startPeer(
  name: PeerName,
  threads: number,
): Promise<{ peer: Peer; about: Record<string, unknown> } | { skipped: string }> {
  const spec = peerSpecs[name];
  const obstacle = spec.obstacle?.();
  if (obstacle) return { skipped: obstacle };
  const peer = new Peer(spec.command(threads));
  try {
    const about = await peer.check();
    const objection = spec.objection?.(about);
    if (!objection) return { peer, about };
    peer.close();
    return { skipped: objection };
  } catch (cause) {
    peer.close();
    return { skipped: `it does not start: ${cause instanceof Error ? cause.message : String(cause)}` };
  }
}

/** Installs the JavaScript peers beside their scripts. */
export function installPeers(): void {
  for (const name of ["jax-js", "tfjs"]) {
    console.log(`installing ${name}`);
    const { status } = spawnSync("npm install --ignore-scripts --no-audit --no-fund", {
      shell: true,
      stdio: "inherit",
      cwd: `${folder}${name}`,
    });
    if (status !== 0) throw new Error(`npm install failed in bench/peers/${name}`);
  }
}
