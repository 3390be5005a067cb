/** A trained dual encoder at work: search in all passages, measures with BM25 beside them, a map of what lies near what. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Tokenizer } from "../../data/index.ts";
import { type RankingScores, rankingScores } from "../../metrics/index.ts";
import type { DualEncoderConfig } from "../../models/dual-encoder.ts";
import type { Device } from "../../runtime/index.ts";
import type { NdArray } from "../../util/ndarray.ts";
import { fold, key, randint } from "../../util/random.ts";
import type { Tree } from "../../util/tree.ts";
import { checkStop, type EvaluateContext, type Measure, type Options } from "../recipe.ts";
import { type Passage, readCorpus } from "../sequence/corpus.ts";
import type { Sides, TaskUse } from "../sequence/sequence-task.ts";
import { type Collection, collectionOf, encodePair, type PairExample, type RawPair } from "./data.ts";
import type { SearchMode, TrainingOptions } from "./options.ts";
import { drawMap, drawSimilarities } from "./pictures.node.ts";
import {
  bestWeight,
  candidatesOf,
  denseSearch,
  type Hit,
  hybridHits,
  type Query,
  type SearchIndex,
  searchIndex,
  searchPassages,
} from "./search.ts";
import { indexFingerprint, passageIds, readIndex, textEncoder, vectorAt, writeIndex } from "./text-encoder.ts";

/** Results that measures look at. */
const depth = 10;
/** Validation queries that are looked at while training, and that the weight of a hybrid search is chosen on. */
const mostValidated = 1000;

export interface RetrieverParts {
  readonly tokenizer: Tokenizer;
  readonly options: TrainingOptions;
  readonly device: Device;
  /** Of the run, once it is done: the vectors of its passages are kept there. */
  readonly folder: string | undefined;
  /** The run's own data. */
  readonly own: () => Promise<Sides<RawPair>>;
}

/** The run's own passages with their index. */
interface OwnIndex {
  readonly collection: Collection;
  readonly index: SearchIndex;
  readonly weight: number;
}

export interface Retriever extends TaskUse<RawPair, PairExample> {
  /** Prepares a search in these passages. */
  index(params: Tree<NdArray>, passages: readonly Passage[], look?: (done: number) => void): Promise<SearchIndex>;
  /** The best passages for each query. */
  search(
    params: Tree<NdArray>,
    index: SearchIndex,
    queries: readonly PairExample[],
    options: { readonly k: number; readonly mode: SearchMode; readonly weight: number },
  ): Promise<Hit[][]>;
  /** The run's own passages, whose vectors are made and kept where they are not yet. */
  own(params: Tree<NdArray>, context?: EvaluateContext): Promise<OwnIndex>;
}

export function useRetriever<Config>(
  model: DualEncoderConfig<Config>,
  { tokenizer, options: { longest, longestQuery }, device, folder, own: ownData }: RetrieverParts,
): Retriever {
  const encode = textEncoder(model, device);
  const search = denseSearch(device);
  let kept: OwnIndex | undefined;
  let foreign: { readonly sources: string; readonly index: SearchIndex } | undefined;

  const queriesOf = async (params: Tree<NdArray>, examples: readonly PairExample[]): Promise<Query[]> => {
    const vectors = await encode(
      params,
      "query",
      examples.map(({ queryIds }) => queryIds),
    );
    return examples.map(({ query: text }, i) => ({ text, vector: vectorAt(vectors, i) }));
  };
  const indexOf = async (params: Tree<NdArray>, passages: readonly Passage[], look?: (done: number) => void) =>
    searchIndex(passages, await encode(params, "passage", passageIds(tokenizer, passages, longest), look));
  const relevantTo = ({ relevant }: Collection, { query }: { readonly query: string }) =>
    relevant.get(query) as ReadonlySet<number>;

  /** The examples' own passages alone, as training looks at them. */
  const among = async (params: Tree<NdArray>, examples: readonly PairExample[]) => {
    const collection = collectionOf(examples.map(({ query, text }) => ({ query, text, placed: { place: "" } })));
    const index = await indexOf(params, collection.passages);
    return { collection, index, queries: await queriesOf(params, examples) };
  };

  const ownIndex = async (params: Tree<NdArray>, context: EvaluateContext = {}): Promise<OwnIndex> => {
    if (kept) return kept;
    const { train, validation, test } = await ownData();
    const collection = collectionOf([...train, ...validation, ...test]);
    const { passages } = collection;
    const fingerprint = indexFingerprint(params, passages, longest);
    const found = folder === undefined ? undefined : await readIndex(folder, fingerprint);
    if (found) {
      kept = { collection, index: searchIndex(passages, found.vectors), weight: found.weight };
      return kept;
    }
    context.onEvent?.({ kind: "note", message: `reading ${passages.length.toLocaleString("en")} passages into an index, once` });
    const index = await indexOf(params, passages, (done) => {
      checkStop(context);
      context.onEvent?.({ kind: "progress", what: "reading passages", done });
    });
    const asked = validation.slice(0, mostValidated).map((raw) => encodePair(raw, tokenizer, { longest, longestQuery }));
    const weight = bestWeight(
      await candidatesOf(search, index, await queriesOf(params, asked)),
      asked.map((example) => relevantTo(collection, example)),
    );
    if (folder !== undefined) await writeIndex(folder, fingerprint, { vectors: index.vectors, weight });
    kept = { collection, index, weight };
    return kept;
  };

  const scores = (hits: readonly (readonly Hit[])[], examples: readonly PairExample[], collection: Collection) =>
    rankingScores(
      examples.map((example, i) => ({
        ranked: (hits[i] as readonly Hit[]).map(({ passage }) => passage),
        relevant: relevantTo(collection, example),
      })),
      { k: depth },
    );

  return {
    index: indexOf,
    own: ownIndex,
    search: async (params, index, examples, options) =>
      searchPassages(
        search,
        index,
        options.mode === "bm25" ? examples.map(({ query: text }) => ({ text })) : await queriesOf(params, examples),
        options,
      ),

    async validate(params, examples) {
      const some = examples.slice(0, mostValidated);
      const { collection, index, queries } = await among(params, some);
      const hits = await searchPassages(search, index, queries, { k: depth, mode: "dense", weight: 1 });
      const { mrr, recall } = scores(hits, some, collection);
      return { measures: { validationMrr: mrr, validationRecall: recall }, score: -mrr };
    },

    async evaluate(params, examples, context) {
      checkStop(context);
      const { options, raws } = context;
      const given = options.weight as number | undefined;
      const here = options.data === undefined || given === undefined ? await ownIndex(params, context) : undefined;
      const weight = given ?? (here as OwnIndex).weight;
      const collection = options.data === undefined ? (here as OwnIndex).collection : collectionOf(raws);
      const index = options.data === undefined ? (here as OwnIndex).index : await indexOf(params, collection.passages);
      const queries = await queriesOf(params, examples);
      checkStop(context);
      const dense = await searchPassages(search, index, queries, { k: depth, mode: "dense", weight });
      const measures = rankingMeasures(scores(dense, examples, collection), "");
      if (options.baseline !== false) {
        context.onEvent?.({ kind: "note", message: "searching with BM25" });
        const words = await searchPassages(search, index, queries, { k: depth, mode: "bm25", weight });
        measures.push(...rankingMeasures(scores(words, examples, collection), "bm25"));
        checkStop(context);
        const both = (await candidatesOf(search, index, queries)).map((found) => hybridHits(found, weight, depth));
        measures.push(...rankingMeasures(scores(both, examples, collection), "hybrid"));
        measures.push({ key: "hybridWeight", name: "share of the cosine in hybrid scores", value: weight });
      }
      return [
        ...measures,
        { key: "queries", name: "queries", value: examples.length },
        { key: "passages", name: "passages searched", value: collection.passages.length },
      ];
    },

    async predict(params, examples, options) {
      const mode = options.mode as SearchMode;
      const given = options.weight as number | undefined;
      const corpus = options.corpus as string | readonly string[] | undefined;
      const here = corpus === undefined || (mode === "hybrid" && given === undefined) ? await ownIndex(params) : undefined;
      let index = here?.index;
      if (corpus !== undefined) {
        const sources = [corpus].flat().join("\n");
        if (foreign?.sources !== sources) {
          foreign = { sources, index: await indexOf(params, await readCorpus(corpus, options.corpusColumn as string)) };
        }
        index = foreign.index;
      }
      const from = index as SearchIndex;
      const settings = { k: options.top as number, mode, weight: given ?? here?.weight ?? 1 };
      const hits = await searchPassages(search, from, await queriesOf(params, examples), settings);
      return examples.map(({ query }, i) => ({
        query,
        passages: (hits[i] as Hit[]).map(({ passage, score, cosine, bm25 }) => ({
          ...from.passages[passage],
          score: rounded(score),
          ...(cosine !== undefined && { cosine: rounded(cosine) }),
          ...(bm25 !== undefined && { bm25: rounded(bm25) }),
        })),
      }));
    },

    async show(params, examples, options) {
      const some = examples.slice(0, mostValidated);
      const { collection, index } = await among(params, some);
      const chosen = pick(some, options);
      const hits = await searchPassages(search, index, await queriesOf(params, chosen), { k: 3, mode: "dense", weight: 1 });
      return chosen
        .map((example, i) => {
          const right = relevantTo(collection, example);
          const lines = (hits[i] as Hit[]).map(
            ({ passage, score }) =>
              `  ${right.has(passage) ? "right" : "wrong"} ${score.toFixed(2)}  ${oneLine(index.passages[passage]?.text ?? "")}`,
          );
          return [`${example.query}  (among ${index.passages.length} passages)`, ...lines].join("\n");
        })
        .join("\n");
    },

    async inspect(params, examples, options) {
      const [table, map] = [join(options.out, "similarities.png"), join(options.out, "map.png")];
      const some = pick(examples, options);
      const near = await among(params, some);
      const similarities = await drawSimilarities(near.queries, near.index);
      await writeFile(table, similarities);
      const seed = options.seed as number;
      const many = pick(examples, { numSamples: Math.min(options.points as number, examples.length), seed });
      const { queries, index } = await among(params, many);
      await writeFile(map, await drawMap(queries, index, seed));
      return {
        pictures: [
          { file: table, caption: "cosine of each query (down) with each passage (across); their own are on the diagonal" },
          { file: map, caption: "queries and passages by UMAP of their vectors: pairs lie near each other" },
        ],
      };
    },

    async dispose() {},
  };
}

const rounded = (value: number): number => Number(value.toPrecision(4));
const oneLine = (value: string): string => {
  const line = value.replace(/\s+/g, " ").trim();
  return line.length > 120 ? `${line.slice(0, 119)}…` : line;
};

/** A few examples, each once, the same for the same seed. */
function pick<Example>(examples: readonly Example[], { numSamples = 4, seed = 0 }: Options): Example[] {
  const draws = new Int32Array(4 * (numSamples as number));
  randint(fold(key(seed as number), "show"), 0, examples.length, draws);
  return [...new Set(draws)].slice(0, numSamples as number).map((at) => examples[at] as Example);
}

function rankingMeasures({ mrr, recall, ndcg }: RankingScores, of: "" | "bm25" | "hybrid"): Measure[] {
  const suffix = of === "" ? "" : of === "bm25" ? " of BM25" : " of both together";
  return Object.entries({ mrr, recall, ndcg }).map(([name, value]) => ({
    key: of === "" ? name : `${of}${name[0]?.toUpperCase()}${name.slice(1)}`,
    name: `${rankingNames[name]}${suffix}`,
    value,
    better: "higher" as const,
  }));
}

const rankingNames: Readonly<Record<string, string>> = { mrr: "MRR@10", recall: "recall@10", ndcg: "nDCG@10" };

export const retrieveMeasureNames: Readonly<Record<string, string>> = {
  validationMrr: "MRR@10 among the validation passages",
  validationRecall: "recall@10 among the validation passages",
};
