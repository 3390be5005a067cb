/** Pictures of a dual encoder: how near queries are to passages, and a map of both. */
import { UMAP } from "umap-js";
import { fillUniform, fold, key } from "../../util/random.ts";
import { drawMatrix } from "../drawing/matrix.node.ts";
import { drawScatter } from "../families/latent-charts.node.ts";
import type { Query, SearchIndex } from "./search.ts";
import { vectorAt } from "./text-encoder.ts";

/** A table of cosines. @returns a PNG */
export function drawSimilarities(queries: readonly Query[], { passages, vectors }: SearchIndex): Promise<Uint8Array> {
  const values = queries.map(({ vector }) =>
    passages.map((_, p) =>
      vectorAt(vectors, p).reduce((sum, value, i) => sum + value * ((vector as Float32Array)[i] as number), 0),
    ),
  );
  return drawMatrix({
    title: "cosines of queries with passages",
    rows: queries.map(({ text }) => text),
    columns: passages.map(({ text }) => text.replace(/\s+/g, " ")),
    values: values.map((row) => row.map((value) => Math.max(0, value))),
    cells: values.map((row) => row.map((value) => value.toFixed(2))),
    axes: ["query", "passage"],
  });
}

/** Queries and passages in the plane, by UMAP (McInnes et al. 2018). @returns a PNG */
export function drawMap(queries: readonly Query[], { passages, vectors }: SearchIndex, seed: number): Promise<Uint8Array> {
  const all = [...queries.map(({ vector }) => vector as Float32Array), ...passages.map((_, p) => vectorAt(vectors, p))];
  const umap = new UMAP({ nNeighbors: Math.min(10, all.length - 1), random: stream(seed), distanceFn: cosineDistance });
  const points = umap.fit(all.map((vector) => [...vector]));
  return drawScatter(
    points,
    all.map((_, i) => (i < queries.length ? 0 : 1)),
    { title: `${queries.length} queries and ${passages.length} passages`, classes: ["queries", "passages"] },
  );
}

/** Of vectors of length 1. */
const cosineDistance = (a: readonly number[], b: readonly number[]): number =>
  1 - a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);

/** Uniform numbers in [0, 1), one after another. */
function stream(seed: number): () => number {
  const block = new Float32Array(4096);
  let at = 0;
  return () => {
    if (at % block.length === 0) fillUniform(fold(fold(key(seed), "umap"), at / block.length), block);
    return block[at++ % block.length] as number;
  };
}
