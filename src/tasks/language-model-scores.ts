/**
 * How likely a language model finds a text.
 *
 * The text is cut into consecutive windows that do not overlap, so that every token but the first is predicted exactly once,
 * from what precedes it in its window.
 *
 * Legend: B windows at once, T tokens per window.
 */
import type { Tensor } from "../core/index.ts";
import type { LanguageModel } from "../models/language-model.ts";
import { crossEntropies } from "../nn/losses.ts";
import { sum } from "../ops/index.ts";
import { compile, type Device } from "../runtime/index.ts";
import type { NdArray } from "../util/ndarray.ts";
import type { Tree } from "../util/tree.ts";

/** Summed −ln p over the tokens predicted. */
export interface TokenScores {
  readonly nats: number;
  readonly tokens: number;
}

export interface Scorer {
  /** Scores a text of at least two tokens. */
  score(params: Tree<NdArray>, ids: Int32Array): Promise<TokenScores>;
  dispose(): Promise<void>;
}

/** Target of a place that does not count. */
const ignoreIndex = -1;

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
    async score(weights, ids) {
      let total = 0;
      const predicted = ids.length - 1;
      for (let start = 0; start < predicted; start += batch * context) {
        const count = Math.min(batch * context, predicted - start);
        const [read, next] = [tokens.data as Int32Array, targets.data as Int32Array];
        read.fill(0).set(ids.subarray(start, start + count));
        next.fill(ignoreIndex).set(ids.subarray(start + 1, start + 1 + count));
        total += Number((await executable.run(weights, tokens, targets)).data[0]);
      }
      return { nats: total, tokens: predicted };
    },
    dispose: () => executable.dispose(),
  };
}
