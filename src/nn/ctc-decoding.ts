/**
 * From CTC scores to labels: the best path, and a beam search over what has been said.
 *
 * The best path takes the likeliest class of every frame. What it says need not be what is likeliest, since many paths may say the
 * same: the beam search sums the paths of every beginning it follows, those that end in a blank apart from those that end in a label,
 * and asks a language model about each label it adds. Plain numbers, no graph.
 *
 * Papers: Graves et al. 2006, Graves & Jaitly 2014, Hannun et al. 2014 (prefix search with a language model).
 *
 * Legend: T frames, V classes (with the blank).
 */
import { HeptagenError } from "../util/errors.ts";

/** How the scores of one sequence are to be read. */
export interface CtcScores {
  /** V */
  readonly classes: number;
  /** The class that says nothing; 0 unless told. */
  readonly blank?: number;
  /** How many frames count; all unless told. */
  readonly frames?: number;
}

/** What the best path says. */
export interface BestPath {
  readonly labels: number[];
  /** The first frame of each label. */
  readonly starts: number[];
  /** Logarithm of the path's probability. */
  readonly logProbability: number;
}

/**
 * The labels of the likeliest path.
 *
 * @param scores [T, V], row by row: logits or log-probabilities
 * @throws HeptagenError `ctc/scores` when the numbers are no whole rows of V or are NaN
 * @example const { labels } = bestPath(scores, { classes: 29 });
 */
export function bestPath(scores: Float32Array, options: CtcScores): BestPath {
  const { frames, classes, blank } = checked(scores, options);
  const labels: number[] = [];
  const starts: number[] = [];
  let logProbability = 0;
  let before = blank;
  for (let t = 0; t < frames; t++) {
    const row = logProbabilities(scores, t, classes);
    let best = 0;
    for (let v = 1; v < classes; v++) if ((row[v] as number) > (row[best] as number)) best = v;
    logProbability += row[best] as number;
    if (best !== blank && best !== before) {
      labels.push(best);
      starts.push(t);
    }
    before = best;
  }
  return { labels, starts, logProbability };
}

/** What a beam search asks about the labels it adds: how welcome they are. `State` is what it remembers of those before. */
export interface LabelScorer<State = unknown> {
  readonly start: State;
  /** What a label adds to the score of what was said, and the next state. */
  next(state: State, label: number): { readonly score: number; readonly state: State };
  /** What it adds that nothing follows. */
  finish(state: State): number;
}

export interface BeamSearchOptions<State = unknown> extends CtcScores {
  /** How many beginnings are followed at once; 32 unless told. */
  readonly width?: number;
  /** Classes less likely than this in a frame are not tried there; 0.0001 unless told. */
  readonly least?: number;
  readonly scorer?: LabelScorer<State> | undefined;
}

/** Something that may have been said. */
export interface Hypothesis {
  readonly labels: number[];
  /** Logarithm of the probability of all paths found that say it. */
  readonly logProbability: number;
  /** The same with what the scorer adds: what hypotheses are ranked by. */
  readonly score: number;
}

/** The beginning of what may have been said, as a node of a tree. */
interface Prefix {
  readonly parent: Prefix | undefined;
  readonly label: number;
  readonly children: Map<number, Prefix>;
  readonly state: unknown;
  /** What the scorer has added so far. */
  readonly added: number;
  /** Logarithms of what its paths sum up to, those that end in a blank and those that end in its last label. */
  blank: number;
  spoken: number;
  nextBlank: number;
  nextSpoken: number;
  /** Both together, with what the scorer has added. */
  rank: number;
}

const never = Number.NEGATIVE_INFINITY;

/**
 * The likeliest labels by a beam search over beginnings.
 *
 * @param scores [T, V], row by row: logits or log-probabilities
 * @returns at most `width` hypotheses, best first
 * @throws HeptagenError `ctc/scores`; `ctc/options` for a width below 1
 * @example const [best] = ctcBeamSearch(scores, { classes: 29, width: 64, scorer: wordScorer(model, { spell, space: 1, weight: 0.8 }) });
 */
export function ctcBeamSearch<State>(scores: Float32Array, options: BeamSearchOptions<State>): Hypothesis[] {
  const { width = 32, least = 1e-4, scorer } = options;
  const { frames, classes, blank } = checked(scores, options);
  if (!(Number.isInteger(width) && width >= 1)) {
    throw new HeptagenError("ctc/options", `ctcBeamSearch: expected a width from 1, got ${width}`, { next: "Set width." });
  }
  const floor = Math.log(least);
  const root = prefix(undefined, blank, scorer?.start, 0);
  root.blank = 0;
  let beam = [root];
  for (let t = 0; t < frames; t++) {
    const row = logProbabilities(scores, t, classes);
    const reached = new Set<Prefix>(beam);
    for (const from of beam) {
      const total = logAdd(from.blank, from.spoken);
      from.nextBlank = logAdd(from.nextBlank, total + (row[blank] as number));
      if (from.parent) from.nextSpoken = logAdd(from.nextSpoken, from.spoken + (row[from.label] as number));
      for (let label = 0; label < classes; label++) {
        const logp = row[label] as number;
        if (label === blank || logp < floor) continue;
        // A label that follows itself has a blank in between.
        const came = from.parent && label === from.label ? from.blank : total;
        if (came === never || logp === never) continue;
        const to = from.children.get(label) ?? extend(from, label, scorer);
        if (to.added === never) continue;
        to.nextSpoken = logAdd(to.nextSpoken, came + logp);
        reached.add(to);
      }
    }
    for (const node of reached) {
      [node.blank, node.spoken] = [node.nextBlank, node.nextSpoken];
      node.nextBlank = node.nextSpoken = never;
      node.rank = logAdd(node.blank, node.spoken) + node.added;
    }
    const ranked = [...reached].sort((a, b) => b.rank - a.rank);
    beam = ranked.slice(0, width);
    for (const node of ranked.slice(width)) forget(node);
  }
  const found = beam.map((node) => {
    const logProbability = logAdd(node.blank, node.spoken);
    const score = logProbability + node.added + (scorer ? scorer.finish(node.state as State) : 0);
    return { labels: labelsOf(node), logProbability, score };
  });
  // Where nothing that is allowed has been finished, nothing was said.
  const allowed = found.filter(({ score }) => score > never);
  if (allowed.length === 0) return [{ labels: [], logProbability: never, score: never }];
  return allowed.sort((a, b) => b.score - a.score);
}

function prefix(parent: Prefix | undefined, label: number, state: unknown, added: number): Prefix {
  const none = { blank: never, spoken: never, nextBlank: never, nextSpoken: never, rank: never };
  return { parent, label, children: new Map(), state, added, ...none };
}

function extend<State>(from: Prefix, label: number, scorer: LabelScorer<State> | undefined): Prefix {
  const said = scorer?.next(from.state as State, label);
  const to = prefix(from, label, said?.state, from.added + (said?.score ?? 0));
  from.children.set(label, to);
  return to;
}

/** A beginning that is not followed any longer; it stays in the tree while longer ones hang on it. */
function forget(node: Prefix): void {
  node.blank = node.spoken = never;
  if (node.children.size === 0) node.parent?.children.delete(node.label);
}

function labelsOf(node: Prefix): number[] {
  const labels: number[] = [];
  for (let at = node; at.parent; at = at.parent) labels.push(at.label);
  return labels.reverse();
}

/** log(e^a + e^b) */
function logAdd(a: number, b: number): number {
  const [high, low] = a > b ? [a, b] : [b, a];
  return low === never ? high : high + Math.log1p(Math.exp(low - high));
}

/** Logarithms of a frame's probabilities. */
function logProbabilities(scores: Float32Array, t: number, classes: number): Float64Array {
  const row = Float64Array.from(scores.subarray(t * classes, (t + 1) * classes));
  let peak = never;
  for (const x of row) peak = Math.max(peak, x);
  let total = 0;
  for (const x of row) total += Math.exp(x - peak);
  const norm = peak + Math.log(total);
  for (let v = 0; v < classes; v++) row[v] = (row[v] as number) - norm;
  if (!Number.isFinite(norm)) {
    throw new HeptagenError(
      "ctc/scores",
      `expected scores of frame ${t} to be numbers, got [${scores.subarray(t * classes, t * classes + Math.min(classes, 5))}, …]`,
    );
  }
  return row;
}

function checked(scores: Float32Array, { classes, blank = 0, frames = scores.length / classes }: CtcScores) {
  const whole = Number.isInteger(classes) && Number.isInteger(frames) && classes >= 1 && frames >= 0;
  if (!whole || frames * classes > scores.length || !(blank >= 0 && blank < classes)) {
    throw new HeptagenError(
      "ctc/scores",
      `expected rows of ${classes} scores with a blank among them, got ${scores.length} numbers, ${frames} frames and the blank ${blank}`,
      { facts: { classes, blank, frames, scores: scores.length }, next: "Give the scores of one sequence, [T, V]." },
    );
  }
  return { classes, blank, frames };
}

/** Logarithm of the probability that a token comes after others; undefined stands for the end. */
export type NextToken = (before: readonly string[], token: string | undefined) => number;

/** How much a language model counts. */
export interface ScorerOptions {
  /** Label → its text. */
  spell(label: number): string;
  /** Factor of the language model's logarithms; 1 unless told. */
  readonly weight?: number;
  /** Added for each token, since a language model likes fewer; 0 unless told. */
  readonly bonus?: number;
}

/** A language model over labels (characters): it is asked at every label. */
export function labelScorer(model: NextToken, { spell, weight = 1, bonus = 0 }: ScorerOptions): LabelScorer<readonly string[]> {
  return {
    start: [],
    next: (before, label) => {
      const token = spell(label);
      return { score: weight * model(before, token) + bonus, state: [...before, token] };
    },
    finish: (before) => weight * model(before, undefined),
  };
}

/** Words that are finished, and the beginning of the one that is not. */
interface Spoken {
  readonly words: readonly string[];
  readonly open: string;
}

/**
 * A language model over words: it is asked when a word is finished, by the label `space` or by the end.
 *
 * @param options with a `lexicon` nothing but its words is heard: what begins none of them is given up at once
 */
export function wordScorer(
  model: NextToken,
  {
    spell,
    weight = 1,
    bonus = 0,
    space,
    lexicon,
  }: ScorerOptions & { readonly space: number; readonly lexicon?: ReadonlySet<string> | undefined },
): LabelScorer<Spoken> {
  const beginnings =
    lexicon && new Set([...lexicon].flatMap((word) => [...word].map((_, i) => [...word].slice(0, i + 1).join(""))));
  const close = ({ words, open }: Spoken) => {
    if (open === "") return { score: 0, state: { words, open } };
    const score = lexicon && !lexicon.has(open) ? never : weight * model(words, open) + bonus;
    return { score, state: { words: [...words, open], open: "" } };
  };
  return {
    start: { words: [], open: "" },
    next(said, label) {
      if (label === space) return close(said);
      const open = said.open + spell(label);
      return { score: beginnings && !beginnings.has(open) ? never : 0, state: { words: said.words, open } };
    },
    finish: (said) => {
      const { score, state } = close(said);
      return score + weight * model(state.words, undefined);
    },
  };
}
