/**
 * Graphs in a thread of their own, which run while this thread runs others: onnxruntime-node computes in the thread that asks.
 *
 * Arrays are not copied on the way there and back but change hands, the only way of sharing memory that onnxruntime-node takes (it
 * refuses SharedArrayBuffer).
 */
import { Worker } from "node:worker_threads";
import { HeptagenError } from "../util/errors.ts";
import type { NdArray } from "../util/ndarray.ts";
import type { Graph, GraphRun, GraphSource } from "./loaded-graph.ts";
import type { SpareBuffers } from "./spare-buffers.ts";

/** What this thread asks of the other. Graphs have numbers. */
export type Request =
  | { readonly kind: "load"; readonly graph: number; readonly source: GraphSource }
  | { readonly kind: "run"; readonly graph: number; readonly run: GraphRun }
  | { readonly kind: "dispose"; readonly graph: number };

/** What a run gives back: its results, and the arrays it was fed. */
export interface RunReply {
  readonly feeds: GraphRun["feeds"];
  readonly results: ReadonlyMap<string, NdArray>;
}

export type Reply =
  | { readonly id: number; readonly value: RunReply | undefined }
  | { readonly id: number; readonly code: string; readonly message: string };

export interface GraphThread {
  /** Loads a graph there: for `compile`'s option of this name. */
  load(source: GraphSource, spares: SpareBuffers): Promise<Graph>;
  close(): Promise<void>;
}

/** How long a process that exits waits for a run to end, in milliseconds. */
const longestWait = 30_000;

/** The memory of arrays, each once. */
export function buffersOf(...maps: readonly ReadonlyMap<string, NdArray | undefined>[]): ArrayBuffer[] {
  const arrays = maps.flatMap((map) => [...map.values()]).filter((array) => array !== undefined);
  return [...new Set(arrays.map(({ data }) => data.buffer as ArrayBuffer))];
}

/** A worker that runs a module of this folder, built or (while developing) as its source, for which it then needs tsx. */
function startWorker(name: string, workerData: unknown): Worker {
  if (!import.meta.url.endsWith(".ts")) return new Worker(new URL(`./${name}.js`, import.meta.url), { workerData });
  const [api, file] = [import.meta.resolve("tsx/esm/api"), new URL(`./${name}.ts`, import.meta.url).href];
  const code = `import(${JSON.stringify(api)}).then(({ register }) => { register(); return import(${JSON.stringify(file)}); });`;
  return new Worker(code, { eval: true, workerData });
}

/** Starts a thread. It ends when it is closed, and does not keep the process running while nothing is asked of it. */
export function openGraphThread(): GraphThread {
  /** How many requests the thread has not answered yet. */
  const open = new Int32Array(new SharedArrayBuffer(4));
  const worker = startWorker("graph-thread-main.node", open);
  worker.unref();
  const pending = new Map<number, { resolve(value: RunReply | undefined): void; reject(error: Error): void }>();
  let failure: Error | undefined;
  let asked = 0;
  let graphs = 0;

  const settle = (id: number) => {
    const waiting = pending.get(id);
    pending.delete(id);
    if (pending.size === 0) worker.unref();
    return waiting;
  };
  worker.on("message", (reply: Reply) => {
    if ("value" in reply) settle(reply.id)?.resolve(reply.value);
    else settle(reply.id)?.reject(new HeptagenError(reply.code, reply.message));
  });
  const fail = (reason: string, cause?: unknown) => {
    process.off("exit", finish);
    failure ??= new HeptagenError("runtime/thread", `the thread that computes part of each batch ${reason}`, {
      cause,
      next: "Train in one thread: HEPTAGEN_THREADS=1.",
    });
    for (const id of [...pending.keys()]) settle(id)?.reject(failure);
  };
  // A process that exits ends its threads, and onnxruntime-node aborts the process when that happens in the middle of a run.
  const finish = () => {
    const end = performance.now() + longestWait;
    for (let left = Atomics.load(open, 0); left > 0 && performance.now() < end; left = Atomics.load(open, 0)) {
      Atomics.wait(open, 0, left, longestWait);
    }
  };
  process.on("exit", finish);
  worker.on("error", (error: Error) => fail(`failed: ${error.message}`, error));
  worker.on("exit", () => fail("has ended"));

  const ask = (request: Request, moved: readonly ArrayBuffer[] = []): Promise<RunReply | undefined> => {
    if (failure) return Promise.reject(failure);
    const id = asked++;
    Atomics.add(open, 0, 1);
    worker.ref();
    return new Promise((resolve, reject) => {
      pending.set(id, { resolve, reject });
      worker.postMessage({ id, request }, moved);
    });
  };
  return {
    async load(what, spares) {
      const graph = graphs++;
      await ask({ kind: "load", graph, source: what });
      return {
        writesInPlace: true,
        takesArrays: true,
        async run(run) {
          const { feeds, results } = (await ask({ kind: "run", graph, run }, buffersOf(run.feeds, run.fetches))) as RunReply;
          const used = new Set(buffersOf(results));
          for (const array of feeds.values()) if (!used.has(array.data.buffer as ArrayBuffer)) spares.give(array);
          return results;
        },
        async dispose() {
          if (!failure) await ask({ kind: "dispose", graph });
        },
      };
    },
    async close() {
      if (failure) return;
      worker.removeAllListeners("exit");
      const ended = new Promise((resolve) => worker.once("exit", resolve));
      worker.ref();
      worker.postMessage(undefined);
      await ended;
      process.off("exit", finish);
      failure = new HeptagenError("runtime/thread", "the thread was closed before");
    },
  };
}
