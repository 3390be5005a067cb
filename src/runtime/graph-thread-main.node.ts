/** What a graph thread does: loads graphs and runs them, one thing after the other, until it is told nothing more. */
import { parentPort, workerData } from "node:worker_threads";
import { HeptagenError } from "../util/errors.ts";
import { buffersOf, type Reply, type Request, type RunReply } from "./graph-thread.node.ts";
import { type Graph, loadGraph } from "./loaded-graph.ts";

const port = parentPort as NonNullable<typeof parentPort>;
/** How many requests are not answered yet; whoever waits for that to change is told. */
const open = workerData as Int32Array;
const graphs = new Map<number, Graph>();

async function answer(request: Request): Promise<RunReply | undefined> {
  const graph = graphs.get(request.graph) as Graph;
  if (request.kind === "load") graphs.set(request.graph, await loadGraph(request.source));
  else if (request.kind === "run") return { feeds: request.run.feeds, results: await graph.run(request.run) };
  else {
    graphs.delete(request.graph);
    await graph.dispose();
  }
  return undefined;
}

async function reply(id: number, request: Request): Promise<void> {
  try {
    const value = await answer(request);
    port.postMessage({ id, value } satisfies Reply, value ? buffersOf(value.feeds, value.results) : []);
  } catch (error) {
    const code = error instanceof HeptagenError ? error.code : "runtime/thread";
    port.postMessage({ id, code, message: error instanceof Error ? error.message : String(error) } satisfies Reply);
  }
  Atomics.sub(open, 0, 1);
  Atomics.notify(open, 0);
}

let last = Promise.resolve();
port.on("message", (message: { readonly id: number; readonly request: Request } | undefined) => {
  last = last.then(async () => {
    if (message) return reply(message.id, message.request);
    for (const graph of graphs.values()) await graph.dispose();
    port.close();
  });
});
