/** Lines of `predict`: what is asked, and the series that answer it. */
import {
  type DataRecord,
  formatTime,
  parseTime,
  readSeries,
  seriesOf,
  stepOf,
  type TimeSeries,
  timeFormats,
} from "../../data/index.ts";
import { HeptagenError } from "../../util/errors.ts";
import { encodeSeries, type Question, type RawSeries, type SeriesExample, type SeriesFacts, unknownSeries } from "./data.ts";
import type { TrainingOptions } from "./options.ts";
import type { Origin } from "./windows.ts";

/**
 * A line of `predict` as a question.
 *
 * @param value `{ series?, origin?, history?, future? }`, or the name of a series
 * @throws HeptagenError `data/json`, `series/time`
 */
export function questionOf(value: unknown, place: string): RawSeries {
  const blank: TimeSeries = {
    id: "",
    grid: { frequency: "day", start: 0 },
    values: new Float64Array(1),
    known: [],
    past: [],
    place,
    gaps: 0,
  };
  if (typeof value === "string")
    return { series: blank, from: 0, question: { place, future: [], ...(value.trim() && { series: value.trim() }) } };
  const fail = (expected: string, got: unknown): never => {
    throw new HeptagenError("data/json", `${place}: expected ${expected}, got ${JSON.stringify(got)?.slice(0, 60)}`, {
      next: 'Write {"series": "name"}, or {"history": [{"time": "2024-01-01", "value": 3}, …]}, a line each.',
    });
  };
  if (typeof value !== "object" || value === null || Array.isArray(value)) return fail("an object", value);
  const { series, origin, history, future, ...others } = value as Record<string, unknown>;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) fail("series, origin, history or future", unknown);
  if (series !== undefined && typeof series !== "string") fail('a name in "series"', series);
  const rows = (given: unknown, name: string): DataRecord[] => {
    if (!Array.isArray(given)) return fail(`a list of rows in "${name}"`, given);
    return given.map((row, i) => {
      if (typeof row !== "object" || row === null || Array.isArray(row)) return fail(`objects in "${name}"`, row);
      return { values: row as Record<string, unknown>, place: `${place}: ${name} ${i + 1}` };
    });
  };
  let from: number | undefined;
  if (origin !== undefined) {
    from = typeof origin === "string" ? parseTime(origin) : undefined;
    if (from === undefined)
      throw new HeptagenError("series/time", `${place}: expected a time in "origin", got ${JSON.stringify(origin)}`, {
        next: `Write it as ${timeFormats}.`,
      });
  }
  const question: Question = {
    place,
    ...(series !== undefined && { series: series as string }),
    ...(from !== undefined && { origin: from }),
    ...(history !== undefined && { history: rows(history, "history") }),
    future: future === undefined ? [] : rows(future, "future"),
  };
  return { series: blank, from: 0, question };
}

interface Answering {
  readonly facts: SeriesFacts;
  readonly options: TrainingOptions;
  /** Where questions without a history find theirs. */
  readonly data: string | readonly string[] | undefined;
}

/**
 * What to forecast for each question.
 *
 * @throws HeptagenError `series/…` naming the line
 */
export async function answerable(examples: readonly SeriesExample[], { facts, options, data }: Answering): Promise<Origin[]> {
  let own: TimeSeries[] | undefined;
  const origins: Origin[] = [];
  for (const { raw } of examples) {
    const question = raw.question as Question;
    if (!question.history) own ??= await readSeries(data ?? (options.data as string | string[]), options);
    const series = question.history ? given(question, facts, options) : named(question, own as TimeSeries[]);
    const origin = originOf(series, question);
    const ready = extended(series, origin + options.horizon);
    checkKnown(ready, origin, question, options);
    origins.push({ example: encodeSeries({ series: ready, from: origin }, { facts }, options), origin });
  }
  return origins;
}

function named({ series: id, place }: Question, own: readonly TimeSeries[]): TimeSeries {
  const found = id === undefined && own.length === 1 ? own[0] : own.find((one) => one.id === id);
  if (found) return found;
  const ids = own.map((one) => one.id);
  if (id !== undefined) throw unknownSeries(id, ids, place);
  throw new HeptagenError("series/unknown", `${place}: expected the name of one of ${ids.length} series in "series", got none`, {
    facts: { known: ids },
    next: `There are ${ids.slice(0, 12).join(", ")}${ids.length > 12 ? ", …" : ""}.`,
  });
}

/** The history and the future of a question as a series. */
function given({ series: id, history = [], future, place }: Question, facts: SeriesFacts, options: TrainingOptions): TimeSeries {
  if (history.length === 0) throw new HeptagenError("series/empty", `${place}: expected rows in "history", got none`);
  const blanks = Object.fromEntries(options.pastCovariates.map((name) => [name, null]));
  const later = future.map(({ values, place: at }) => ({ values: { ...blanks, ...values, value: null }, place: at }));
  const [found] = seriesOf([...history, ...later], {
    timeColumn: "time",
    targets: ["value"],
    valueColumn: "value",
    knownCovariates: options.knownCovariates,
    pastCovariates: options.pastCovariates,
    frequency: facts.grid.frequency,
    gaps: options.gaps,
  }) as [TimeSeries];
  return { ...found, id: id ?? (facts.ids.length === 1 ? (facts.ids[0] as string) : "") };
}

function originOf({ values, grid }: TimeSeries, { origin, place }: Question): number {
  let last = values.length - 1;
  while (last > 0 && Number.isNaN(values[last])) last--;
  if (origin === undefined) return last + 1;
  const step = stepOf(origin, grid);
  if (step !== undefined && step >= 1 && step <= last + 1) return step;
  throw new HeptagenError(
    "series/origin",
    `${place}: expected an origin that is one of the series' steps (${grid.frequency}), its second at the earliest and after its last value (${formatTime(grid.start, grid)}, ${last + 1} steps) at the latest, got ${formatTime(origin, grid)}`,
    { next: "Leave it out to forecast what comes after the last value." },
  );
}

/** With steps of nothing known at the end, so many that there are `length`. */
function extended(series: TimeSeries, length: number): TimeSeries {
  if (series.values.length >= length) return series;
  const longer = (x: Float64Array) => {
    const y = new Float64Array(length).fill(Number.NaN);
    y.set(x);
    return y;
  };
  return { ...series, values: longer(series.values), known: series.known.map(longer), past: series.past.map(longer) };
}

function checkKnown(
  series: TimeSeries,
  origin: number,
  { place }: Question,
  { knownCovariates, horizon }: TrainingOptions,
): void {
  series.known.forEach((values, i) => {
    if (!values.subarray(origin, origin + horizon).some(Number.isNaN)) return;
    throw new HeptagenError(
      "series/future",
      `${place}: expected "${knownCovariates[i]}" to be known for the ${horizon} steps to forecast, got fewer`,
      { next: 'Give rows of it in "future", or rows without values at the end of the data.' },
    );
  });
}
