/**
 * Series over time out of tables.
 *
 *   wide   a column a series:     date, temp_max, temp_min, rain
 *   long   a row a value:         date, station, value, rain
 *
 * Either may have columns of covariates: known beforehand (a calendar of games, a planned price) or only of the past (weather). Steps
 * are equal: an hour, a day, a business day, a week, a month. Rows are in order of time; empty cells are values that are missing.
 */
import { HeptagenError } from "../util/errors.ts";
import { columnError } from "./column-error.ts";
import { type DataRecord, readRecords, textIn } from "./records.node.ts";
import { type Frequency, formatTime, inferFrequency, parseTime, stepOf, type TimeGrid, timeFormats } from "./time-steps.ts";

export interface SeriesOptions {
  readonly timeColumn: string;
  /** Wide tables: the columns to forecast; all that are neither the time nor covariates unless told. */
  readonly targets?: readonly string[] | undefined;
  /** Long tables: which column names the series. */
  readonly seriesColumn?: string | undefined;
  /** Long tables: which column holds the values. */
  readonly valueColumn: string;
  /** Columns that are known for the future, too. */
  readonly knownCovariates: readonly string[];
  /** Columns that are known up to the present only. */
  readonly pastCovariates: readonly string[];
  /** As the times have it unless told. */
  readonly frequency?: Frequency | undefined;
  /** What a step without a row is. */
  readonly gaps: "error" | "missing";
}

/** One series. All series of a table share its grid and its length; NaN is a missing value. */
export interface TimeSeries {
  readonly id: string;
  readonly grid: TimeGrid;
  readonly values: Float64Array;
  /** Each [T], in the order of `SeriesOptions.knownCovariates`. */
  readonly known: readonly Float64Array[];
  /** Each [T], in the order of `SeriesOptions.pastCovariates`. */
  readonly past: readonly Float64Array[];
  /** File and row of its first value, for errors. */
  readonly place: string;
  /** Steps between its first and last row that had no row. */
  readonly gaps: number;
}

interface Row {
  readonly record: DataRecord;
  readonly time: number;
}

/**
 * Reads series.
 *
 * @param sources files, folders or names of data sets, as `readRecords` takes them
 * @throws HeptagenError with file and row: `series/time` for a time that cannot be read, `series/order`, `series/duplicate`,
 *   `series/gap`, `series/frequency`, `series/number`, `series/empty`; `data/column`, `data/…`
 * @example const series = await readSeries("weather.csv", { timeColumn: "date", targets: ["temp_max"], … });
 */
export async function readSeries(sources: string | readonly string[], options: SeriesOptions): Promise<TimeSeries[]> {
  return seriesOf(await readRecords(sources), options);
}

/** Series out of records that were read already; see `readSeries`. */
export function seriesOf(records: readonly DataRecord[], options: SeriesOptions): TimeSeries[] {
  const rows = records.map((record) => ({ record, time: timeIn(record, options.timeColumn) }));
  const groups = new Map<string | undefined, Row[]>();
  for (const row of rows) {
    const id = options.seriesColumn === undefined ? undefined : textIn(row.record, options.seriesColumn, "--series-column");
    const group = groups.get(id);
    if (group) group.push(row);
    else groups.set(id, [row]);
  }
  for (const [id, group] of groups) checkOrder(group, id);
  const times = [...new Set(rows.map(({ time }) => time))].sort((a, b) => a - b);
  const start = times[0] as number;
  const frequency = options.frequency ?? inferFrequency(times);
  if (!frequency) {
    throw new HeptagenError(
      "series/frequency",
      `${(rows[0] as Row).record.place}: expected times an hour, a day, a business day, a week or a month apart, got ${times.length} times that fit none`,
      {
        facts: { first: times.slice(0, 5).map((time) => new Date(time).toISOString()) },
        next: "Name the frequency with --frequency, so that the row that does not fit can be told; bring other steps to one of these first.",
      },
    );
  }
  const grid: TimeGrid = { frequency, start };
  const placed = rows.map((row) => stepIn(row, grid));
  const length = Math.max(...placed) + 1;
  const stepOfRow = new Map(rows.map((row, i) => [row, placed[i] as number]));
  return [...groups].flatMap(([id, group]) => {
    const gaps = checkGaps(group, stepOfRow, grid, options.gaps, id);
    const column = (name: string, flag: string) => {
      const values = new Float64Array(length).fill(Number.NaN);
      for (const row of group) values[stepOfRow.get(row) as number] = numberIn(row.record, name, flag);
      return values;
    };
    const first = (group[0] as Row).record;
    const known = options.knownCovariates.map((name) => column(name, "--known-covariates"));
    const past = options.pastCovariates.map((name) => column(name, "--past-covariates"));
    const series = (name: string, values: Float64Array): TimeSeries => {
      if (!values.some((value) => !Number.isNaN(value)))
        throw new HeptagenError("series/empty", `${first.place}: expected values in series "${name}", got none`, {
          next: "Leave the series out, or fill in its values.",
        });
      return { id: name, grid, values, known, past, place: first.place, gaps };
    };
    if (id !== undefined) return [series(id, column(options.valueColumn, "--value-column"))];
    return targetsOf(first, options).map((name) => series(name, column(name, "--targets")));
  });
}

function targetsOf(
  first: DataRecord,
  { targets, timeColumn, knownCovariates, pastCovariates }: SeriesOptions,
): readonly string[] {
  if (targets !== undefined) return targets;
  const others = new Set([timeColumn, ...knownCovariates, ...pastCovariates]);
  const rest = Object.keys(first.values).filter((name) => !others.has(name));
  if (rest.length > 0) return rest;
  throw new HeptagenError(
    "series/empty",
    `${first.place}: expected a column to forecast beside ${[...others].join(", ")}, got none`,
    {
      next: "Name what to forecast with --targets.",
    },
  );
}

function timeIn(record: DataRecord, column: string): number {
  const text = textIn(record, column, "--time-column").trim();
  const time = parseTime(text);
  if (time !== undefined) return time;
  throw new HeptagenError("series/time", `${record.place}: expected a time in "${column}", got "${text}"`, {
    facts: { column, value: text },
    next: `Write it as ${timeFormats}.`,
  });
}

/** A number, or NaN for an empty cell. */
function numberIn({ values, place }: DataRecord, column: string, flag: string): number {
  const value = values[column];
  if (value === "" || value === null) return Number.NaN;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  if (typeof value === "boolean") return Number(value);
  if (value === undefined) throw columnError(place, column, Object.keys(values), value, flag);
  const text = String(value).trim();
  if (text === "") return Number.NaN;
  if (/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) && Number.isFinite(Number(text))) return Number(text);
  throw new HeptagenError("series/number", `${place}: expected a number in "${column}", got "${text}"`, {
    facts: { column, value: text },
    next: `Leave the cell empty where a value is missing; if the column is none to forecast, name those that are with --targets.`,
  });
}

const ofSeries = (id: string | undefined): string => (id === undefined ? "" : ` of series "${id}"`);

function checkOrder(rows: readonly Row[], id: string | undefined): void {
  const seen = new Map<number, string>();
  let before: Row | undefined;
  for (const row of rows) {
    const { time, record } = row;
    const iso = new Date(time).toISOString();
    const other = seen.get(time);
    if (other !== undefined) {
      throw new HeptagenError("series/duplicate", `${record.place}: expected one row a time${ofSeries(id)}, got ${iso} again`, {
        facts: { time: iso, first: other },
        next: `It is in ${other} already: keep one of them${id === undefined ? ", or name the column of the series with --series-column" : ""}.`,
      });
    }
    seen.set(time, record.place);
    if (before && time < before.time) {
      throw new HeptagenError(
        "series/order",
        `${record.place}: expected rows in order of time${ofSeries(id)}, got ${iso} after ${new Date(before.time).toISOString()}`,
        { facts: { time: iso, before: before.record.place }, next: "Sort the rows by time." },
      );
    }
    before = row;
  }
}

function stepIn({ record, time }: Row, grid: TimeGrid): number {
  const step = stepOf(time, grid);
  if (step !== undefined) return step;
  throw new HeptagenError(
    "series/frequency",
    `${record.place}: expected a time that is a whole number of steps (${grid.frequency}) after ${formatTime(grid.start, grid)}, got ${new Date(time).toISOString()}`,
    { facts: { frequency: grid.frequency }, next: "Correct the time, or name another frequency with --frequency." },
  );
}

function checkGaps(
  rows: readonly Row[],
  steps: ReadonlyMap<Row, number>,
  grid: TimeGrid,
  gaps: SeriesOptions["gaps"],
  id: string | undefined,
): number {
  let missing = 0;
  for (const [i, row] of rows.entries()) {
    const before = rows[i - 1];
    if (!before) continue;
    const skipped = (steps.get(row) as number) - (steps.get(before) as number) - 1;
    missing += skipped;
    if (skipped === 0 || gaps === "missing") continue;
    throw new HeptagenError(
      "series/gap",
      `${row.record.place}: expected the next step (${grid.frequency})${ofSeries(id)} after ${formatTime(before.time, grid)}, got ${formatTime(row.time, grid)}: ${skipped} missing`,
      {
        facts: { skipped, before: before.record.place },
        next: "Add the rows, empty where nothing was measured, or take them as missing values with --gaps missing.",
      },
    );
  }
  return missing;
}
