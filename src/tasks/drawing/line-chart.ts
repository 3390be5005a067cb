/** Curves as an SVG picture: text that any browser draws, in the colours of the page around it. */

export interface ChartLine {
  readonly name: string;
  /** Which of the page's colours: 0, 1, 2, … */
  readonly colour: number;
  readonly points: readonly { readonly step: number; readonly value: number }[];
}

const size = { width: 520, height: 240 };
const margin = { left: 62, right: 26, top: 10, bottom: 34 };
/** More points than this on a line are averaged. */
const mostPoints = 300;

/**
 * Draws lines over steps. Outliers at the start of training (above the 98th percentile of all values) are cut off at the top edge.
 *
 * @returns an `<svg>` element, or "" when there is nothing to draw
 */
export function lineChart(lines: readonly ChartLine[]): string {
  const drawn = lines.map((line) => ({ ...line, points: thinned(line.points.filter(({ value }) => Number.isFinite(value))) }));
  const all = drawn.flatMap(({ points }) => points);
  if (all.length < 2) return "";
  const values = all.map(({ value }) => value).sort((a, b) => a - b);
  const [low, cut] = [values[0] as number, values[Math.ceil(0.98 * (values.length - 1))] as number];
  const high = cut > low ? cut : low + Math.max(1e-9, Math.abs(low) * 0.1);
  const last = Math.max(...all.map(({ step }) => step));
  const first = Math.min(...all.map(({ step }) => step));
  const ticksY = ticks(low, high);
  const [bottom, top] = [Math.min(low, ticksY[0] ?? low), Math.max(high, ticksY.at(-1) ?? high)];
  const x = (step: number) =>
    margin.left + ((step - first) / Math.max(1, last - first)) * (size.width - margin.left - margin.right);
  const y = (value: number) =>
    size.height - margin.bottom - ((Math.min(top, value) - bottom) / (top - bottom)) * (size.height - margin.top - margin.bottom);
  const at = (value: number) => value.toFixed(1);
  const grid = ticksY.map(
    (value) =>
      `<line class="grid" x1="${margin.left}" x2="${size.width - margin.right}" y1="${at(y(value))}" y2="${at(y(value))}"/>` +
      `<text x="${margin.left - 6}" y="${at(y(value) + 5)}" text-anchor="end">${shortNumber(value)}</text>`,
  );
  const steps = ticks(first, last).map(
    (step) => `<text x="${at(x(step))}" y="${size.height - 10}" text-anchor="middle">${step.toLocaleString("en")}</text>`,
  );
  const paths = drawn.map(({ name, colour, points }) => {
    const label = `<title>${escapeText(name)}</title>`;
    if (points.length === 1) {
      const [point] = points as [ChartLine["points"][number]];
      return `<circle class="dot c${colour}" cx="${at(x(point.step))}" cy="${at(y(point.value))}" r="3">${label}</circle>`;
    }
    const path = points.map(({ step, value }, i) => `${i === 0 ? "M" : "L"}${at(x(step))} ${at(y(value))}`).join("");
    return `<path class="line c${colour}" d="${path}">${label}</path>`;
  });
  const axis = `<line class="axis" x1="${margin.left}" x2="${size.width - margin.right}" y1="${at(y(bottom))}" y2="${at(y(bottom))}"/>`;
  return `<svg viewBox="0 0 ${size.width} ${size.height}" role="img">${[...grid, axis, ...steps, ...paths].join("")}</svg>`;
}

/** Round numbers, about five, from the first inside the range to the last. */
export function ticks(low: number, high: number): number[] {
  const rough = (high - low) / 4;
  if (!(rough > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const from = Math.ceil(low / step - 1e-9);
  const to = Math.floor(high / step + 1e-9);
  return Array.from({ length: to - from + 1 }, (_, i) => Number(((from + i) * step).toPrecision(12)));
}

function thinned(points: ChartLine["points"]): ChartLine["points"] {
  if (points.length <= mostPoints) return points;
  return Array.from({ length: mostPoints }, (_, i) => {
    const part = points.slice(Math.floor((i * points.length) / mostPoints), Math.floor(((i + 1) * points.length) / mostPoints));
    const value = part.reduce((sum, point) => sum + point.value, 0) / part.length;
    return { step: (part.at(-1) as ChartLine["points"][number]).step, value };
  });
}

/** A number in few letters: `0.00032`, `1.5k`. */
export function shortNumber(value: number): string {
  if (value === 0) return "0";
  const size10 = Math.abs(value);
  if (size10 >= 1e6 || size10 < 1e-4) return value.toExponential(1).replace("e+", "e");
  if (size10 >= 1e4) return `${Number((value / 1000).toPrecision(3))}k`;
  return String(Number(value.toPrecision(4)));
}

/** Text for HTML and SVG. */
export function escapeText(text: string): string {
  return text.replace(/[<>&"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
}
