/** Graphs that differ in the shapes of their batches alone: compiled when a shape is first met, and the latest kept. */
import { typeName } from "../core/tensor.ts";
import { isNdArray, type NdArray } from "../util/ndarray.ts";
import { flatten } from "../util/tree.ts";

/** How many graphs are kept: more than the shapes that batches of like length have. */
const keptShapes = 64;

/** Paths, shapes and types of all arrays of a batch: batches that agree in it run in the same graph. */
export function batchSignature(batch: unknown): string {
  return flatten(batch, isNdArray)
    .map(({ path, leaf }) => `${path}:${typeName(leaf as NdArray)}`)
    .join(" ");
}

export interface CompiledShapes<Batch, Graph> {
  /** The graph for batches such as this one. */
  of(batch: Batch): Promise<Graph>;
  dispose(): Promise<void>;
}

/**
 * Compiles for a batch's shapes when they are first met. Where more than `keep` are in use, the one that was used least recently is
 * given up.
 */
export function compiledShapes<Batch, Graph extends { dispose(): Promise<void> }>(
  compileFor: (example: Batch) => Promise<Graph>,
  keep: number = keptShapes,
): CompiledShapes<Batch, Graph> {
  const graphs = new Map<string, Graph>(); // in the order of their last use
  return {
    async of(batch) {
      const signature = batchSignature(batch);
      let graph = graphs.get(signature);
      if (graph) graphs.delete(signature);
      else {
        const [oldest] = graphs.keys();
        if (oldest !== undefined && graphs.size >= keep) {
          await graphs.get(oldest)?.dispose();
          graphs.delete(oldest);
        }
        graph = await compileFor(batch);
      }
      graphs.set(signature, graph);
      return graph;
    },
    async dispose() {
      for (const graph of graphs.values()) await graph.dispose();
      graphs.clear();
    },
  };
}
