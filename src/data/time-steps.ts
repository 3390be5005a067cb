/**
 * Times of series: read strictly, set on a grid of equal steps, and described by sines and cosines of the calendar.
 *
 * Times are milliseconds since 1970 in UTC. A time without an offset is taken as UTC, so that local times of an hourly series
 * should be given in a zone without summer time.
 */

export const frequencies = ["hour", "day", "business-day", "week", "month"] as const;
/** How far one step is from the next; business days are Monday to Friday. */
export type Frequency = (typeof frequencies)[number];

/** Equal steps from a first one. */
export interface TimeGrid {
  readonly frequency: Frequency;
  /** The first step's time. */
  readonly start: number;
}

/** Steps after which a series of a frequency usually repeats: for MASE and the seasonal naive forecast. */
export const usualSeason: Readonly<Record<Frequency, number>> = {
  hour: 24,
  day: 7,
  "business-day": 5,
  week: 52,
  month: 12,
};

const hour = 3_600_000;
const day = 24 * hour;
const week = 7 * day;

/** What a time may look like, for messages. */
export const timeFormats = "2024-03-31, 2024-03, 2024-03-31T13:00, 2024-03-31 13:00:00, with Z or +02:00 at the end";

const pattern = /^(\d{4})-(\d{2})(?:-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(Z|[+-]\d{2}:?\d{2})?)?)?$/;

/**
 * The time that a text says, in ISO 8601 (see `timeFormats`); undefined for anything else, and for dates there never were.
 *
 * @example parseTime("2024-02-30") // undefined
 */
export function parseTime(text: string): number | undefined {
  const found = pattern.exec(text);
  if (!found) return undefined;
  const [year, month, date = 1, hours = 0, minutes = 0, seconds = 0] = found
    .slice(1, 7)
    .map((part) => (part ? Number(part) : undefined));
  const local = Date.UTC(year as number, (month as number) - 1, date, hours, minutes, seconds);
  const back = new Date(local);
  const right =
    back.getUTCMonth() + 1 === month &&
    back.getUTCDate() === date &&
    hours < 24 &&
    minutes < 60 &&
    seconds < 60 &&
    (year as number) > 0;
  if (!right) return undefined;
  const fraction = found[7] ? Math.round(Number(`0.${found[7]}`) * 1000) : 0;
  const zone = found[8];
  if (zone === undefined || zone === "Z") return local + fraction;
  const [zoneHours, zoneMinutes] = [Number(zone.slice(1, 3)), Number(zone.slice(-2))];
  if (zoneHours > 14 || zoneMinutes > 59) return undefined;
  return local + fraction - (zone.startsWith("-") ? -1 : 1) * (zoneHours * hour + zoneMinutes * 60_000);
}

/** A time as text: a date, or for hours a date and a time. */
export function formatTime(time: number, { frequency, start }: TimeGrid): string {
  const text = new Date(time).toISOString();
  return frequency === "hour" || start % day !== 0 ? `${text.slice(0, 16)}Z` : text.slice(0, 10);
}

/** The how-manieth step of a grid a time is, from 0; undefined for a time between steps. */
export function stepOf(time: number, { frequency, start }: TimeGrid): number | undefined {
  const steps = distance(time, frequency, start);
  return Number.isInteger(steps) ? steps : undefined;
}

function distance(time: number, frequency: Frequency, start: number): number {
  switch (frequency) {
    case "hour":
      return (time - start) / hour;
    case "day":
      return (time - start) / day;
    case "week":
      return (time - start) / week;
    case "business-day":
      return (time - start) % day === 0 ? businessDay(time) - businessDay(start) : Number.NaN;
    case "month": {
      const [a, b] = [new Date(start), new Date(time)];
      const wanted = isMonthEnd(a) ? 31 : a.getUTCDate();
      const right = (time - start) % day === 0 && b.getUTCDate() === Math.min(wanted, daysOfMonth(b));
      return right ? (b.getUTCFullYear() - a.getUTCFullYear()) * 12 + b.getUTCMonth() - a.getUTCMonth() : Number.NaN;
    }
  }
}

/** The time of a step. */
export function timeOf(step: number, { frequency, start }: TimeGrid): number {
  switch (frequency) {
    case "hour":
      return start + step * hour;
    case "day":
      return start + step * day;
    case "week":
      return start + step * week;
    case "business-day": {
      const wanted = businessDay(start) + step;
      const days = Math.floor(wanted / 5) * 7 + (((wanted % 5) + 5) % 5) - mondayShift;
      return days * day + (((start % day) + day) % day);
    }
    case "month": {
      const a = new Date(start);
      const first = new Date(start);
      first.setUTCDate(1);
      first.setUTCMonth(a.getUTCMonth() + step);
      first.setUTCDate(Math.min(isMonthEnd(a) ? 31 : a.getUTCDate(), daysOfMonth(first)));
      return first.getTime();
    }
  }
}

/** 1970-01-01 was a Thursday: days since, shifted by this, are 0 on Mondays. */
const mondayShift = 3;
/** 0 for Monday. */
const weekday = (time: number): number => (((Math.floor(time / day) + mondayShift) % 7) + 7) % 7;

/** Monday to Friday counted through; NaN on a weekend. */
function businessDay(time: number): number {
  const place = weekday(time);
  return place > 4 ? Number.NaN : Math.floor((Math.floor(time / day) + mondayShift) / 7) * 5 + place;
}

const daysOfMonth = (date: Date): number => new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
const isMonthEnd = (date: Date): boolean => date.getUTCDate() === daysOfMonth(date);

/**
 * The coarsest frequency on whose grid all times lie, two of them next to each other; undefined when there is none. Business days need
 * a Friday with the Monday after it: a few days of one week are days.
 *
 * @param times ascending
 */
export function inferFrequency(times: readonly number[]): Frequency | undefined {
  const start = times[0] as number;
  return [...frequencies].reverse().find((frequency) => {
    const steps = times.map((time) => stepOf(time, { frequency, start }));
    const least = frequency === "business-day" ? 3 * day : 0;
    const near = (i: number) =>
      i > 0 && steps[i] === (steps[i - 1] as number) + 1 && (times[i] as number) - (times[i - 1] as number) >= least;
    return !steps.includes(undefined) && steps.some((_, i) => near(i));
  });
}

/** Periods of the calendar that a step of a frequency tells apart, with how many harmonics. */
function periodsOf(frequency: Frequency): readonly { readonly place: (time: number) => number; readonly harmonics: number }[] {
  const ofDay = { place: (time: number) => (time % day) / day, harmonics: 3 };
  const ofWeek = { place: (time: number) => weekday(time) / 7, harmonics: 3 };
  const ofYear = {
    place(time: number) {
      const year = new Date(time).getUTCFullYear();
      return (time - Date.UTC(year, 0, 1)) / (Date.UTC(year + 1, 0, 1) - Date.UTC(year, 0, 1));
    },
    harmonics: 2,
  };
  if (frequency === "hour") return [ofDay, ofWeek, ofYear];
  return frequency === "week" || frequency === "month" ? [ofYear] : [ofWeek, ofYear];
}

/** How many calendar features a frequency has. */
export const calendarWidth = (frequency: Frequency): number =>
  periodsOf(frequency).reduce((sum, { harmonics }) => sum + 2 * harmonics, 0);

/**
 * Sines and cosines of where in the day, the week and the year a time lies: three harmonics of the week tell all its days apart,
 * two of the year its seasons.
 */
export function calendarFeatures(time: number, frequency: Frequency): number[] {
  return periodsOf(frequency).flatMap(({ place, harmonics }) => {
    const turn = 2 * Math.PI * place(time);
    return Array.from({ length: harmonics }, (_, i) => [Math.sin((i + 1) * turn), Math.cos((i + 1) * turn)]).flat();
  });
}
