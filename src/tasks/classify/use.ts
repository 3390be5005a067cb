/** A trained classifier at work: probabilities, measures with their baseline, explanations. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { grad, type Tensor } from "../../core/index.ts";
import type { Tokenizer } from "../../data/index.ts";
import { calibrationError, classificationScores, confusionMatrix, logLoss, multiLabelScores } from "../../metrics/index.ts";
import { type ClassifierConfig, type ClassifierParams, forward } from "../../models/sequence-classifier.ts";
import { mul, reshape, sigmoid, softmax, sum } from "../../ops/index.ts";
import { type Device, jit } from "../../runtime/index.ts";
import type { NdArray } from "../../util/ndarray.ts";
import { ndarray } from "../../util/ndarray.ts";
import type { Tree } from "../../util/tree.ts";
import { drawMatrix } from "../drawing/matrix.node.ts";
import { checkStop, type Measure } from "../recipe.ts";
import { inBatches, padRows, roundedLength } from "../sequence/in-batches.ts";
import { pick } from "../sequence/pick.ts";
import type { Assets, EvaluationContext, TaskUse } from "../sequence/sequence-task.ts";
import { classifierBaseline } from "./baseline.ts";
import type { ClassFacts, RawText, TextExample } from "./data.ts";

/** Steps from nothing to the whole text over which gradients are averaged. */
const integrationSteps = 16;
/** A class of several counts as named from this probability on. */
const threshold = 0.5;
/** Tokens of an explained text that are drawn. */
const drawnTokens = 40;

export function useClassifier<Config>(
  model: ClassifierConfig<Config>,
  { tokenizer, facts }: Assets<ClassFacts>,
  device: Device,
): TaskUse<RawText, TextExample> {
  const { labels, several } = facts;
  const classes = labels.length;
  const scores = jit<[Tree<NdArray>, NdArray, NdArray], Tensor>(
    (params, tokens, lengths) => {
      const logits = forward(model, params as unknown as ClassifierParams, tokens, lengths);
      return several ? sigmoid(logits) : softmax(logits);
    },
    { device },
  );
  /** How much each token speaks for a class: gradients along the way from nothing to the whole text. */
  const contributions = jit<[Tree<NdArray>, NdArray, NdArray, NdArray, NdArray], Tensor>(
    (params, tokens, lengths, chosen, presence) =>
      grad((share: Tensor) => {
        const logits = forward(model, params as unknown as ClassifierParams, tokens, lengths, { presence: share });
        return sum(mul(logits, reshape(chosen, [1, classes])));
      })(presence),
    { device },
  );

  const probabilities = (params: Tree<NdArray>, examples: readonly TextExample[], look?: (done: number) => void) =>
    inBatches(
      examples,
      ({ ids }) => [ids.length],
      async (some, { rows, lengths: [length] }) => {
        const batch = padRows(
          some.map(({ ids }) => ids),
          { rows, length: length as number },
        );
        const { data } = await scores(params, batch.tokens, batch.lengths);
        return some.map((_, b) => (data as Float32Array).slice(b * classes, (b + 1) * classes));
      },
      look ? { look } : {},
    );

  const explain = async (params: Tree<NdArray>, { ids }: TextExample, chosen: number): Promise<Float32Array> => {
    const length = roundedLength(ids.length);
    const rows = Array.from({ length: integrationSteps }, () => ids);
    const batch = padRows(rows, { rows: integrationSteps, length });
    const shares = Float32Array.from(
      { length: integrationSteps * length },
      (_, i) => (Math.floor(i / length) + 0.5) / integrationSteps,
    );
    const wanted = Float32Array.from({ length: classes }, (_, c) => (c === chosen ? 1 : 0));
    const { data } = (await contributions(
      params,
      batch.tokens,
      batch.lengths,
      ndarray("float32", [classes], wanted),
      ndarray("float32", [integrationSteps, length, 1], shares),
    )) as NdArray;
    return Float32Array.from(ids, (_, t) => {
      let total = 0;
      for (let step = 0; step < integrationSteps; step++) total += Number(data[step * length + t]);
      return total / integrationSteps;
    });
  };

  const named = (p: Float32Array): number[] =>
    several ? [...p.keys()].filter((c) => (p[c] as number) >= threshold) : [p.indexOf(Math.max(...p))];

  const measure = (found: readonly Float32Array[], examples: readonly TextExample[]) => {
    if (several) {
      const rows = (sets: readonly (readonly number[])[]) =>
        sets.flatMap((set) => Array.from({ length: classes }, (_, c) => (set.includes(c) ? 1 : 0)));
      const result = multiLabelScores(rows(examples.map((example) => example.classes)), rows(found.map(named)), classes);
      return { accuracy: result.accuracy, macroF1: result.macro.f1, microF1: result.micro.f1 };
    }
    const actual = examples.map((example) => example.classes[0] as number);
    const { accuracy, macro } = classificationScores(
      actual,
      found.map((p) => named(p)[0] as number),
      classes,
    );
    const all = found.flatMap((p) => [...p]);
    return { accuracy, macroF1: macro.f1, calibrationError: calibrationError(all, actual), logLoss: logLoss(all, actual) };
  };

  return {
    async validate(params, examples) {
      const measures = measure(await probabilities(params, examples), examples);
      return { measures, score: measures.logLoss ?? -(measures.microF1 as number) };
    },

    async evaluate(params, examples, context) {
      const look = (done: number) => {
        checkStop(context);
        context.onEvent?.({ kind: "progress", what: "reading", done });
      };
      look(0);
      const own = namedClassMeasures(measure(await probabilities(params, examples, look), examples), "");
      const baseline = context.options.baseline === false ? [] : await baselineMeasures(examples, context);
      return [...own, ...baseline, { key: "examples", name: "examples", value: examples.length }];
    },

    async predict(params, examples, options) {
      const found = await probabilities(params, examples);
      return Promise.all(
        examples.map(async (example, i) => {
          const p = found[i] as Float32Array;
          const order = [...p.keys()].sort((a, b) => (p[b] as number) - (p[a] as number));
          const chosen = named(p).map((c) => labels[c] as string);
          const best = order[0] as number;
          return {
            text: example.text,
            label: several ? chosen : chosen[0],
            probability: rounded(p[best] as number),
            probabilities: Object.fromEntries(
              order.slice(0, options.top as number).map((c) => [labels[c], rounded(p[c] as number)]),
            ),
            ...(options.explain === true && { tokens: await explained(params, example, best) }),
          };
        }),
      );
    },

    async show(params, examples, options) {
      const some = pick(examples, options);
      const found = await probabilities(params, some);
      return some
        .map((example, i) => {
          const p = found[i] as Float32Array;
          const guess = named(p).map((c) => `${labels[c]} ${Math.round(100 * (p[c] as number))} %`);
          const truth = example.classes.map((c) => labels[c]).join(", ");
          const right = named(p).join() === example.classes.join();
          return `${right ? "right" : "wrong"}: ${guess.join(", ") || "none"}${right ? "" : ` (true: ${truth})`}\n  ${oneLine(example.text)}`;
        })
        .join("\n");
    },

    async inspect(params, examples, options) {
      const pictures = [];
      const found = await probabilities(params, examples);
      if (!several) {
        const actual = examples.map((example) => example.classes[0] as number);
        const matrix = confusionMatrix(
          actual,
          found.map((p) => named(p)[0] as number),
          classes,
        );
        const file = join(options.out, "confusion.png");
        const totals = matrix.map((row) =>
          Math.max(
            1,
            row.reduce((a, b) => a + b, 0),
          ),
        );
        const picture = await drawMatrix({
          title: `${examples.length} held-out examples`,
          rows: labels,
          columns: labels,
          values: matrix.map((row, r) => row.map((count) => count / (totals[r] as number))),
          cells: matrix.map((row) => row.map(String)),
          axes: ["true class", "predicted class"],
        });
        await writeFile(file, picture);
        pictures.push({ file, caption: "which classes are taken for which" });
      }
      const some = pick(examples, options);
      const told = [];
      const rows = [];
      for (const [i, example] of some.entries()) {
        const [p] = await probabilities(params, [example]);
        const best = named(p as Float32Array)[0] ?? 0;
        const tokens = await explained(params, example, best);
        told.push({ text: example.text, label: labels[best], true: example.classes.map((c) => labels[c]), tokens });
        rows.push({ label: labels[best] as string, tokens: tokens.slice(0, drawnTokens), i });
      }
      const json = join(options.out, "attributions.json");
      await writeFile(json, `${JSON.stringify(told, null, 1)}\n`);
      for (const { label, tokens, i } of rows) {
        const file = join(options.out, `attribution-${i + 1}.png`);
        const strongest = Math.max(...tokens.map(({ weight }) => Math.abs(weight)), 1e-9);
        const picture = await drawMatrix({
          title: `what speaks for and against "${label}"`,
          rows: ["for", "against"],
          columns: tokens.map(({ token }) => token),
          values: [
            tokens.map(({ weight }) => Math.max(0, weight) / strongest),
            tokens.map(({ weight }) => Math.max(0, -weight) / strongest),
          ],
        });
        await writeFile(file, picture);
        pictures.push({ file, caption: `integrated gradients of each token for "${label}" (all in ${json})` });
      }
      return { pictures };
    },

    async dispose() {},
  };

  async function explained(params: Tree<NdArray>, example: TextExample, chosen: number) {
    const weights = await explain(params, example, chosen);
    return [...example.ids].map((id, t) => ({
      token: (tokenizer as Tokenizer).decode([id]),
      weight: rounded(weights[t] as number),
    }));
  }

  async function baselineMeasures(examples: readonly TextExample[], context: EvaluationContext<RawText>): Promise<Measure[]> {
    const training = await context.training();
    if (!training) {
      context.onEvent?.({ kind: "note", message: "no baseline: the run's training data is no longer as it was" });
      return [];
    }
    context.onEvent?.({ kind: "note", message: `fitting TF-IDF with logistic regression on ${training.length} texts` });
    const found = classifierBaseline(training, examples, facts);
    checkStop(context);
    return namedClassMeasures(measure(found, examples), "baseline");
  }
}

const rounded = (value: number): number => Number(value.toPrecision(4));
const oneLine = (value: string): string => {
  const line = value.replace(/\s+/g, " ").trim();
  return line.length > 160 ? `${line.slice(0, 159)}…` : line;
};

/** Measures by their names; those of a baseline are called so. */
function namedClassMeasures(values: Readonly<Record<string, number | undefined>>, of: "" | "baseline"): Measure[] {
  return Object.entries(values).flatMap(([name, value]) =>
    value === undefined
      ? []
      : [
          {
            key: of === "" ? name : `baseline${name[0]?.toUpperCase()}${name.slice(1)}`,
            name: `${classMeasureNames[name] ?? name}${of === "" ? "" : " of TF-IDF with logistic regression"}`,
            value,
            better: name.endsWith("Error") || name.endsWith("Loss") ? ("lower" as const) : ("higher" as const),
          },
        ],
  );
}

export const classMeasureNames: Readonly<Record<string, string>> = {
  accuracy: "accuracy",
  macroF1: "macro F1",
  microF1: "micro F1",
  calibrationError: "expected calibration error",
  logLoss: "log loss (nats)",
};
