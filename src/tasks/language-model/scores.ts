/**
 * How likely a language model finds a text.
 *
 * The text is cut into consecutive windows that do not overlap, so that every token but the first is predicted exactly once,
 * from what precedes it in its window. A network that carries its state reads B long pieces of the text side by side instead, and
 * predicts each token from all of its piece before it.
 *
 * Legend: B windows at once, T tokens per window.
 */
import type { Tensor } from "../../core/index.ts";
import type { LanguageModel, Recurrence } from "../../models/language-model.ts";
import { crossEntropies } from "../../nn/losses.ts";
import { equal, sum } from "../../ops/index.ts";
import { compile, type Device } from "../../runtime/index.ts";
import type { NdArray } from "../../util/ndarray.ts";
import type { Tree } from "../../util/tree.ts";

/** Summed −ln p over the tokens predicted. */
export interface TokenScores {
  readonly nats: number;
  readonly tokens: number;
}

export interface Scorer {
  /**
   * Scores a text of at least two tokens.
   *
   * @param look called with the part that is done, from 0 to 1; what it throws ends the scoring
   */
  score(params: Tree<NdArray>, ids: Int32Array, look?: (done: number) => void): Promise<TokenScores>;
  dispose(): Promise<void>;
}

/** Target of a place that does not count. */
const ignoreIndex = -1;

/** Pieces that a text is read in side by side where state is carried: few, since each begins knowing nothing. */
const carriedPieces = 16;

/**
 * Where a new text begins, if a token that ends texts tells: bool like the tokens. That token itself is read knowing nothing, as
 * at the beginning of a text that is written without a prompt.
 */
export function resetsOf(tokens: Tensor, endOfText: number | undefined): Tensor | undefined {
  return endOfText === undefined ? undefined : equal(tokens, endOfText);
}

/**
 * Compiles the scoring of a text by a network that carries its state through it.
 *
 * @param params only shapes matter
 * @param context tokens read at once
 */
export async function compileCarriedScorer<Config>(
  recurrence: Recurrence<Config>,
  config: Config,
  params: Tree<NdArray>,
  { context, device, endOfText }: { context: number; device?: Device | undefined; endOfText: number | undefined },
): Promise<Scorer> {
  const shape = [carriedPieces, context];
  const blank = recurrence.blank(config, carriedPieces);
  const arrays = () => ({
    read: { dtype: "int32", shape, data: new Int32Array(carriedPieces * context) } as const,
    next: { dtype: "int32", shape, data: new Int32Array(carriedPieces * context) } as const,
  });
  const nats = (weights: Tree<Tensor>, { read, next }: { read: Tensor; next: Tensor }, before: Tree<Tensor>) => {
    const options = { state: before, resets: resetsOf(read, endOfText) };
    const { logits, state } = recurrence.forward(config, weights, read, options);
    return { nats: sum(crossEntropies(logits, next, { ignoreIndex }).losses), state };
  };
  type Batch = { readonly read: NdArray; readonly next: NdArray };
  const executable = await compile<[Tree<NdArray>, Batch, Tree<NdArray>], { nats: Tensor; state: Tree<Tensor> }>(
    nats as never, // the mapped argument types follow the tree's structure
    [params, arrays(), blank],
    device ? { device } : {},
  );
  return {
    async score(weights, ids, look) {
      const predicted = ids.length - 1;
      const piece = Math.ceil(predicted / carriedPieces);
      const { read, next } = arrays();
      let state = blank;
      let total = 0;
      for (let start = 0; start < piece; start += context) {
        read.data.fill(0);
        next.data.fill(ignoreIndex);
        for (let b = 0; b < carriedPieces; b++) {
          const from = b * piece + start;
          const to = Math.min(from + context, (b + 1) * piece, predicted);
          if (to <= from) continue;
          read.data.set(ids.subarray(from, to), b * context);
          next.data.set(ids.subarray(from + 1, to + 1), b * context);
        }
        const out: { nats: NdArray; state: Tree<NdArray> } = await executable.run(weights, { read, next }, state);
        total += Number(out.nats.data[0]);
        state = out.state;
        look?.(Math.min(1, (start + context) / piece));
      }
      return { nats: total, tokens: predicted };
    },
    dispose: () => executable.dispose(),
  };
}

/**
 * Compiles the scoring of windows.
 *
 * @param params only shapes matter
 */
export async function compileScorer<Config>(
  model: LanguageModel<Config>,
  config: Config,
  params: Tree<NdArray>,
  { context, batch, device }: { readonly context: number; readonly batch: number; readonly device?: Device | undefined },
): Promise<Scorer> {
  const shape = [batch, context];
  const tokens: NdArray = { dtype: "int32", shape, data: new Int32Array(batch * context) };
  const targets: NdArray = { dtype: "int32", shape, data: new Int32Array(batch * context) };
  const nats = (weights: Tree<Tensor>, read: Tensor, next: Tensor) =>
    sum(crossEntropies(model.forward(config, weights, read), next, { ignoreIndex }).losses);
  const executable = await compile<[Tree<NdArray>, NdArray, NdArray], Tensor>(
    nats,
    [params, tokens, targets],
    device ? { device } : {},
  );
  return {
    async score(weights, ids, look) {
      let total = 0;
      const predicted = ids.length - 1;
      for (let start = 0; start < predicted; start += batch * context) {
        const count = Math.min(batch * context, predicted - start);
        const [read, next] = [tokens.data as Int32Array, targets.data as Int32Array];
        read.fill(0).set(ids.subarray(start, start + count));
        next.fill(ignoreIndex).set(ids.subarray(start + 1, start + 1 + count));
        total += Number((await executable.run(weights, tokens, targets)).data[0]);
        look?.((start + count) / predicted);
      }
      return { nats: total, tokens: predicted };
    },
    dispose: () => executable.dispose(),
  };
}
