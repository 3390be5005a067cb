/** A trained tagger at work: tags and spans with their probabilities, measures with baselines, pictures. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { confusionMatrix, type SpanScores, spanScores, spansOf } from "../../metrics/index.ts";
import { type Sentences, type Tagged, type TaggerConfig, type TaggerParams, tag } from "../../models/sequence-tagger.ts";
import { type Device, jit } from "../../runtime/index.ts";
import { type NdArray, ndarray } from "../../util/ndarray.ts";
import type { Tree } from "../../util/tree.ts";
import { drawMatrix } from "../drawing/matrix.node.ts";
import { checkStop, type Measure } from "../recipe.ts";
import { inBatches } from "../sequence/in-batches.ts";
import { pick } from "../sequence/pick.ts";
import type { Assets, TaskUse } from "../sequence/sequence-task.ts";
import { tagBaselines } from "./baseline.ts";
import { letterCount, partsOf, pieces, type RawSentence, type TagExample, type TagFacts } from "./data.ts";

/** Words of a sentence that are drawn. */
const drawnWords = 40;

/** What is found in a sentence. */
interface Found {
  readonly tags: readonly string[];
  /** [T, K] */
  readonly marginals: Float32Array;
  /** Scores of weak types, [T, M]. */
  readonly types: Float32Array;
}

/** A span of words with what is thought of it. */
export interface FoundSpan {
  readonly type: string;
  /** Words, from `start` to before `end`. */
  readonly start: number;
  readonly end: number;
  /** The lowest marginal probability of its words' tags. */
  readonly score: number;
  readonly weakType?: string;
}

/** Sentences as arrays of one shape; rows beyond them count one word. */
export function padSentences(
  some: readonly TagExample[],
  { rows, length }: { readonly rows: number; readonly length: number },
): Sentences<NdArray> {
  const tokens = new Int32Array(rows * length * pieces).fill(-1);
  const letters = new Int32Array(rows * length * letterCount);
  const lengths = new Int32Array(rows).fill(1);
  some.forEach((example, b) => {
    tokens.set(example.tokens, b * length * pieces);
    letters.set(example.letters, b * length * letterCount);
    lengths[b] = example.raw.words.length;
  });
  return {
    tokens: ndarray("int32", [rows, length, pieces], tokens),
    letters: ndarray("int32", [rows, length, letterCount], letters),
    lengths: ndarray("int32", [rows], lengths),
  };
}

export function useTagger<Config>(
  model: TaggerConfig<Config>,
  { facts }: Assets<TagFacts>,
  longest: number,
  device: Device,
): TaskUse<RawSentence, TagExample> {
  const { tags: names, types } = facts;
  const [tagCount, typeCount] = [names.length, Math.max(1, types.length)];
  const run = jit<[Tree<NdArray>, Sentences<NdArray>], Tagged>(
    (params, sentences) => tag(model, params as unknown as TaggerParams, sentences),
    { device },
  );

  const find = async (
    params: Tree<NdArray>,
    examples: readonly TagExample[],
    look?: (done: number) => void,
  ): Promise<Found[]> => {
    const parts = examples.map((example) => partsOf(example, facts, longest));
    const found = await inBatches(
      parts.flat(),
      ({ raw }) => [raw.words.length],
      async (some, { rows, lengths: [length = 0] }) => {
        const { tags, marginals, types: scores } = await run(params, padSentences(some, { rows, length }));
        return some.map(({ raw: { words } }, b): Found => {
          const cut = ({ data }: NdArray, width: number) =>
            (data as Float32Array).slice(b * length * width, (b * length + words.length) * width);
          const own = (tags.data as Int32Array).subarray(b * length, b * length + words.length);
          return {
            tags: Array.from(own, (tag) => names[tag] as string),
            marginals: cut(marginals, tagCount),
            types: cut(scores, typeCount),
          };
        });
      },
      look ? { look } : {},
    );
    let at = 0;
    return parts.map((own) => {
      at += own.length;
      return joined(found.slice(at - own.length, at));
    });
  };

  const spansIn = ({ tags, marginals, types: scores }: Found): FoundSpan[] =>
    spansOf(tags).map(({ type, start, end }) => {
      let score = 1;
      const votes = new Float64Array(typeCount);
      for (let t = start; t < end; t++) {
        score = Math.min(score, marginals[t * tagCount + names.indexOf(tags[t] as string)] as number);
        for (let m = 0; m < typeCount; m++) votes[m] = (votes[m] as number) + (scores[t * typeCount + m] as number);
      }
      const weakType = types[votes.indexOf(Math.max(...votes))];
      return { type, start, end, score: rounded(score), ...(weakType !== undefined && { weakType }) };
    });

  /** The same spans, each with its weak type. */
  const weakTags = (found: Found): string[] => {
    const tags = found.tags.map(() => "O");
    for (const { start, end, weakType } of spansIn(found)) {
      for (let t = start; t < end; t++) tags[t] = `${t === start ? "B" : "I"}-${weakType}`;
    }
    return tags;
  };

  const trueTags = ({ raw }: TagExample): readonly string[] => raw.tags ?? [];
  const accuracyOf = (found: readonly (readonly string[])[], examples: readonly TagExample[]): number => {
    let [right, all] = [0, 0];
    for (const [i, example] of examples.entries()) {
      for (const [t, tag] of trueTags(example).entries()) {
        all++;
        if (found[i]?.[t] === tag) right++;
      }
    }
    return right / all;
  };

  return {
    async validate(params, examples) {
      const found = (await find(params, examples)).map(({ tags }) => tags);
      const { f1, precision, recall } = spanScores(examples.map(trueTags), found).micro;
      return { measures: { spanF1: f1, precision, recall, accuracy: accuracyOf(found, examples) }, score: -f1 };
    },

    async evaluate(params, examples, context) {
      const look = (done: number) => {
        checkStop(context);
        context.onEvent?.({ kind: "progress", what: "reading", done });
      };
      look(0);
      const found = await find(params, examples, look);
      const tags = found.map((one) => one.tags);
      const actual = examples.map(trueTags);
      const measures = spanMeasures(spanScores(actual, tags), accuracyOf(tags, examples), "", "");
      const weak = examples.flatMap(({ raw }) => (raw.weakTags ? [raw.weakTags] : []));
      if (types.length > 0 && weak.length === examples.length) {
        measures.push(...weakMeasures(spanScores(weak, found.map(weakTags))));
      }
      const training = context.options.baseline === false ? undefined : await context.training();
      if (training) {
        const { mostFrequent, capitals } = tagBaselines(training, facts);
        for (const [own, key, name] of [
          [capitals, "baseline", " of known names and capitals"],
          [mostFrequent, "mostFrequent", " of each word's most frequent tag"],
        ] as const) {
          const given = examples.map(({ raw }) => own(raw.words));
          measures.push(...spanMeasures(spanScores(actual, given), accuracyOf(given, examples), key, name).slice(0, 4));
        }
      } else if (context.options.baseline !== false) {
        context.onEvent?.({ kind: "note", message: "no baseline: the run's training data is no longer as it was" });
      }
      return [...measures, { key: "sentences", name: "sentences", value: examples.length }];
    },

    async predict(params, examples, options) {
      const found = await find(params, examples);
      return examples.map(({ raw: { words, text, offsets } }, i) => {
        const own = found[i] as Found;
        const spans = spansIn(own).map(({ start, end, ...rest }) => {
          const [from, to] = [offsets?.[start]?.[0], offsets?.[end - 1]?.[1]];
          const placed = text !== undefined && from !== undefined && to !== undefined;
          return placed
            ? { text: text.slice(from, to), ...rest, start: from, end: to }
            : { text: words.slice(start, end).join(" "), ...rest, start, end };
        });
        return {
          ...(text === undefined ? { tokens: words } : { text }),
          spans,
          ...(options.tags === true && { words, tags: own.tags }),
        };
      });
    },

    async show(params, examples, options) {
      const some = pick(examples, options);
      const found = await find(params, some);
      return some
        .map(({ raw: { words, tags } }, i) => {
          const own = (found[i] as Found).tags;
          const right = own.join() === tags?.join();
          return `${right ? "right" : "wrong"}: ${bracketed(words, own)}${right || !tags ? "" : `\n true: ${bracketed(words, tags)}`}`;
        })
        .join("\n");
    },

    async inspect(params, examples, options) {
      const found = await find(params, examples);
      const pictures: { file: string; caption: string }[] = [];
      const draw = async (name: string, caption: string, picture: Promise<Uint8Array>) => {
        const file = join(options.out, name);
        await writeFile(file, await picture);
        pictures.push({ file, caption });
      };
      const numbers = (tags: readonly string[]) => tags.map((tag) => names.indexOf(tag));
      const matrix = confusionMatrix(
        examples.flatMap((example) => numbers(trueTags(example))),
        found.flatMap(({ tags }) => numbers(tags)),
        tagCount,
      );
      const totals = matrix.map((row) =>
        Math.max(
          1,
          row.reduce((a, b) => a + b, 0),
        ),
      );
      await draw(
        "confusion.png",
        "which tags are taken for which",
        drawMatrix({
          title: `tags of ${examples.length} held-out sentences`,
          rows: names,
          columns: names,
          values: matrix.map((row, r) => row.map((count) => count / (totals[r] as number))),
          cells: matrix.map((row) => row.map(String)),
          axes: ["true tag", "predicted tag"],
        }),
      );
      const { crf } = params as unknown as TaggerParams<NdArray>;
      if (crf) await draw("transitions.png", "how readily one tag follows another (CRF)", drawTransitions(names, crf.transition));
      for (const [i, example] of pick(examples, options).entries()) {
        const [one] = await find(params, [example]);
        const words = example.raw.words.slice(0, drawnWords);
        await draw(
          `marginals-${i + 1}.png`,
          "how likely each tag of each word is, given the whole sentence",
          drawMatrix({
            title: "probabilities of the tags",
            rows: names,
            columns: words,
            values: names.map((_, k) => words.map((_, t) => (one as Found).marginals[t * tagCount + k] as number)),
          }),
        );
      }
      return { pictures };
    },

    async dispose() {},
  };
}

/** Scores from the lowest (dark) to the highest (bright); a rule forbids I- after anything but its own type. */
function drawTransitions(names: readonly string[], { data }: NdArray): Promise<Uint8Array> {
  const score = (r: number, c: number) => Number(data[r * names.length + c]);
  const allowed = (r: number, c: number) => !names[c]?.startsWith("I-") || names[r]?.slice(2) === names[c]?.slice(2);
  const shown = names.flatMap((_, r) => names.flatMap((_, c) => (allowed(r, c) ? [score(r, c)] : [])));
  const [low, high] = [Math.min(...shown), Math.max(...shown)];
  return drawMatrix({
    title: "scores of one tag after another",
    rows: names,
    columns: names,
    values: names.map((_, r) => names.map((_, c) => (allowed(r, c) ? (score(r, c) - low) / (high - low || 1) : 0))),
    cells: names.map((_, r) => names.map((_, c) => (allowed(r, c) ? score(r, c).toFixed(1) : "never"))),
    axes: ["tag", "the next tag"],
  });
}

function joined(parts: readonly Found[]): Found {
  const all = (of: "marginals" | "types") => Float32Array.from(parts.flatMap((part) => [...part[of]]));
  return parts.length === 1
    ? (parts[0] as Found)
    : { tags: parts.flatMap(({ tags }) => tags), marginals: all("marginals"), types: all("types") };
}

/** A sentence with its spans in brackets: [NAME Captain Ahab] said … */
function bracketed(words: readonly string[], tags: readonly string[]): string {
  const open = new Map(spansOf(tags).map((span) => [span.start, span]));
  const shown: string[] = [];
  for (let t = 0; t < words.length; ) {
    const span = open.get(t);
    shown.push(span ? `[${span.type} ${words.slice(t, span.end).join(" ")}]` : (words[t] as string));
    t = span?.end ?? t + 1;
  }
  return shown.join(" ");
}

const rounded = (value: number): number => Number(value.toPrecision(4));
const capital = (word: string): string => `${word[0]?.toUpperCase()}${word.slice(1)}`;

function spanMeasures({ micro, types }: SpanScores, accuracy: number, key: string, of: string): Measure[] {
  const keyed = (name: string) => (key === "" ? name : `${key}${capital(name)}`);
  const better = "higher" as const;
  return [
    { key: keyed("spanF1"), name: `span F1${of}`, value: micro.f1, better },
    { key: keyed("precision"), name: `precision of spans${of}`, value: micro.precision, better },
    { key: keyed("recall"), name: `recall of spans${of}`, value: micro.recall, better },
    { key: keyed("accuracy"), name: `accuracy of words${of}`, value: accuracy, better },
    ...(Object.keys(types).length > 1
      ? Object.entries(types).map(([type, { f1 }]) => ({
          key: keyed(`f1.${type}`),
          name: `span F1 of ${type}${of}`,
          value: f1,
          better,
        }))
      : []),
  ];
}

/** Figures on types that no person has set: they say how well the rules that set them are learnt. */
function weakMeasures({ micro, types }: SpanScores): Measure[] {
  const better = "higher" as const;
  return [
    { key: "weakSpanF1", name: "span F1 with weak types", value: micro.f1, better },
    ...Object.entries(types).map(([type, { f1 }]) => ({
      key: `weakF1.${type}`,
      name: `span F1 of the weak type ${type}`,
      value: f1,
      better,
    })),
  ];
}

export const tagMeasureNames: Readonly<Record<string, string>> = {
  spanF1: "span F1",
  precision: "precision of spans",
  recall: "recall of spans",
  accuracy: "accuracy of words",
};
