/**
 * A comparison as one HTML file that needs nothing else: figures, samples and curves of runs side by side, pictures and sounds
 * embedded, curves drawn as SVG, light or dark as the reader's system is. The facts themselves are in it as JSON too.
 */
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { readAudioFile } from "../../data/index.ts";
import { formatDuration } from "../../train/index.ts";
import { lineChart, escapeText as safe, shortNumber } from "../drawing/line-chart.ts";
import { drawSpectrograms } from "../generate-audio/audio-pictures.node.ts";
import type { Measure } from "../recipe.ts";
import type { ComparedGroup, ComparedRun, ComparedSample, Comparison } from "./compare.ts";

/** Colours that differ also for the colour-blind (Okabe and Ito 2008), each in a light and a dark page. */
const palette = [
  ["#0072b2", "#56b4e9"],
  ["#d55e00", "#ff8c42"],
  ["#009e73", "#2ecc9b"],
  ["#b8559a", "#e58fc8"],
  ["#9a7400", "#e6b325"],
  ["#555555", "#bbbbbb"],
] as const;

/** Longest text shown of a sample. */
const shownText = 1200;

/**
 * Writes the report.
 *
 * @throws HeptagenError `storage/unreadable` when a sample cannot be read
 * @example await writeFile("comparison.html", await comparisonReport(await compareRuns(["runs/a", "runs/b"])));
 */
export async function comparisonReport(comparison: Comparison): Promise<string> {
  const groups: string[] = [];
  for (const group of comparison.groups) groups.push(await groupSection(group, comparison.groups.length > 1));
  const names = comparison.groups.flatMap(({ runs }) => runs.map(({ name }) => name));
  const facts = JSON.stringify(comparison, plain).replace(/</g, "\\u003c");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${safe(names.join(", "))} · Heptagen</title>
<style>${style()}</style>
</head>
<body>
<header><h1>${safe(names.length > 4 ? `${names.length} runs` : names.join(" · "))}</h1><p>compared by Heptagen</p></header>
${groups.join("\n")}
<script type="application/json" id="facts">${facts}</script>
</body>
</html>
`;
}

/** JSON has no NaN and no infinity. */
const plain = (_key: string, value: unknown): unknown =>
  typeof value === "number" && !Number.isFinite(value) ? String(value) : value;

async function groupSection(group: ComparedGroup, titled: boolean): Promise<string> {
  const samples: string[] = [];
  for (const [i, run] of group.runs.entries()) samples.push(await sampleColumn(run, i));
  const heading = titled ? `<h2>${safe(group.task)}</h2>` : "";
  const cautions = group.cautions.map((text) => `<li>${safe(text)}</li>`).join("");
  return `<section>
${heading}
${cautions ? `<ul class="cautions">${cautions}</ul>` : ""}
<div class="wide"><table>${tableOf(group.runs)}</table></div>
<h3>Samples</h3>
<div class="samples">${samples.join("\n")}</div>
${curvesOf(group.runs)}
</section>`;
}

/** A row: what it is called and a cell a run; the best cells are marked. */
interface Row {
  readonly name: string;
  readonly cells: readonly string[];
  readonly best?: readonly boolean[];
}

function tableOf(runs: readonly ComparedRun[]): string {
  const heads = runs
    .map(({ name }, i) => `<th scope="col"><i class="key c${i % palette.length}"></i>${safe(name)}</th>`)
    .join("");
  const parts = factRows(runs).map(
    ({ title, rows }) =>
      `<tbody><tr class="part"><th colspan="${runs.length + 1}">${title}</th></tr>${rows
        .map(
          ({ name, cells, best }) =>
            `<tr><th scope="row">${safe(name)}</th>${cells
              .map((cell, i) => `<td${best?.[i] ? ' class="best"' : ""}>${safe(cell)}</td>`)
              .join("")}</tr>`,
        )
        .join("")}</tbody>`,
  );
  return `<thead><tr><td></td>${heads}</tr></thead>${parts.join("")}`;
}

/** The table's rows in parts: what runs are, what they were measured at, options in which they differ. */
export function factRows(runs: readonly ComparedRun[]): { readonly title: string; readonly rows: readonly Row[] }[] {
  const row = (name: string, cell: (run: ComparedRun) => string): Row => ({ name, cells: runs.map(cell) });
  const whole = (value: number) => value.toLocaleString("en");
  const facts = [
    row("recipe", ({ recipe }) => recipe),
    row("data", ({ data }) => data),
    row("parameters", ({ parameters }) => whole(parameters)),
    row("steps", ({ steps, step }) => (step === steps ? whole(steps) : `${whole(steps)} (best: ${whole(step)})`)),
    row("training time", ({ minutes }) => (minutes === undefined ? "–" : formatDuration(minutes * 60))),
  ];
  const parts = [
    { title: "Run", rows: facts },
    { title: "Evaluation", rows: measureRows(runs.map(({ evaluation }) => evaluation?.measures ?? [])) },
    { title: "Validation while training", rows: measureRows(runs.map(({ validation }) => validation)) },
    { title: "Options that differ", rows: runs.length > 1 ? optionRows(runs) : [] },
  ];
  return parts.filter(({ rows }) => rows.length > 0);
}

function measureRows(all: readonly (readonly Measure[])[]): Row[] {
  const known = new Map(all.flat().map((measure) => [measure.key, measure]));
  return [...known.values()].map(({ key, name, better }) => {
    const values = all.map((measures) => measures.find((measure) => measure.key === key)?.value);
    const numbers = values.filter((value): value is number => value !== undefined && Number.isFinite(value));
    const best = better === "lower" ? Math.min(...numbers) : Math.max(...numbers);
    const arrow = better === undefined ? "" : better === "lower" ? " ↓" : " ↑";
    return {
      name: name + arrow,
      cells: values.map((value) => (value === undefined ? "–" : shownMeasure(value))),
      ...(better && numbers.length > 1 && { best: values.map((value) => value === best) }),
    };
  });
}

const shownMeasure = (value: number): string => (Number.isInteger(value) ? value.toLocaleString("en") : shortNumber(value));

/** Options of which not all runs have the same value. */
function optionRows(runs: readonly ComparedRun[]): Row[] {
  const keys = [...new Set(runs.flatMap(({ options }) => Object.keys(options)))];
  const shown = (value: unknown) => (value === undefined ? "–" : typeof value === "string" ? value : JSON.stringify(value));
  const rows = keys.map((key) => ({ name: key, cells: runs.map(({ options }) => shown(options[key])) }));
  return rows.filter(({ cells }) => new Set(cells).size > 1);
}

async function sampleColumn(run: ComparedRun, i: number): Promise<string> {
  const parts: string[] = [];
  for (const sample of run.samples) parts.push(await embedded(sample));
  const content = parts.join("") || '<p class="none">none yet</p>';
  return `<figure><figcaption><i class="key c${i % palette.length}"></i>${safe(run.name)}</figcaption>${content}</figure>`;
}

async function embedded({ kind, file }: ComparedSample): Promise<string> {
  const bytes = await readFile(file);
  const name = safe(basename(file));
  if (kind === "picture") return image(bytes, name);
  if (kind === "text") {
    const text = bytes.toString("utf8").trim();
    return `<pre>${safe(text.length > shownText ? `${text.slice(0, shownText)}…` : text)}</pre>`;
  }
  const rate = bytes.readUInt32LE(24); // of a WAV file, as `encodeWav` writes it
  const spectrogram = await drawSpectrograms([{ title: basename(file), samples: await readAudioFile(file, rate) }], rate);
  const sound = `<audio controls src="data:audio/wav;base64,${bytes.toString("base64")}"></audio>`;
  return `${sound}${image(spectrogram, `spectrogram of ${name}`)}`;
}

const image = (bytes: Uint8Array, name: string): string =>
  `<img alt="${name}" src="data:image/png;base64,${Buffer.from(bytes).toString("base64")}">`;

/** Every measurement over training, all runs in one picture; the less telling ones folded away. */
function curvesOf(runs: readonly ComparedRun[]): string {
  const names = [...new Set(runs.flatMap(({ curves }) => curves.map(({ name }) => name)))];
  const charts = names.flatMap((name) => {
    const lines = runs.flatMap((run, i) => {
      const curve = run.curves.find((one) => one.name === name);
      return curve ? [{ name: run.name, colour: i % palette.length, points: curve.points }] : [];
    });
    const chart = lines.some(({ points }) => points.length > 1) ? lineChart(lines) : "";
    return chart ? [{ name, html: `<figure><figcaption>${safe(name)}</figcaption>${chart}</figure>` }] : [];
  });
  const main = charts.filter(({ name }) => /^validation\/|(^|\/)loss$/.test(name));
  const rest = charts.filter((chart) => !main.includes(chart));
  const drawn = (some: typeof charts) => `<div class="curves">${some.map(({ html }) => html).join("\n")}</div>`;
  if (charts.length === 0) return "";
  const legend = runs.map(({ name }, i) => `<span><i class="key c${i % palette.length}"></i>${safe(name)}</span>`).join("");
  const more = rest.length > 0 ? `<details><summary>${rest.length} more</summary>${drawn(rest)}</details>` : "";
  return `<h3>Curves over training steps</h3><p class="legend">${legend}</p>${drawn(main)}${more}`;
}

function style(): string {
  const colours = (shade: 0 | 1) => palette.map((pair, i) => `--c${i}:${pair[shade]};`).join("");
  const classes = palette
    .map((_, i) => `.key.c${i}{background:var(--c${i})}.line.c${i}{stroke:var(--c${i})}.dot.c${i}{fill:var(--c${i})}`)
    .join("\n");
  return `
:root{color-scheme:light dark;--page:#fff;--text:#1c1e21;--faint:#687078;--rule:#e2e5e9;--card:#f6f7f9;--mark:#e4f3ec;${colours(0)}}
@media (prefers-color-scheme:dark){:root{--page:#15181c;--text:#e6e8eb;--faint:#98a1ab;--rule:#2d333b;--card:#1d2127;--mark:#173a2b;${colours(1)}}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1200px;padding:24px;background:var(--page);color:var(--text);font:15px/1.5 system-ui,sans-serif}
header{display:flex;flex-wrap:wrap;gap:4px 16px;align-items:baseline;margin-bottom:16px}
h1{font-size:24px;margin:0}h2{font-size:20px;margin:40px 0 12px}h3{font-size:16px;margin:28px 0 10px}
header p,.none,figcaption{color:var(--faint);margin:0}
.cautions{margin:0 0 16px;padding:10px 14px 10px 32px;background:var(--card);border-left:3px solid var(--c1)}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:5px 14px;text-align:right;border-bottom:1px solid var(--rule);white-space:nowrap}
th[scope=row]{text-align:left;font-weight:400;color:var(--faint);padding-left:0}
.part th{text-align:left;padding:16px 0 5px;font-size:13px;letter-spacing:.03em}
td.best{font-weight:700;background:var(--mark)}
.key{display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:7px}
.legend span{margin-right:18px}
.samples,.curves{display:grid;gap:16px;grid-template-columns:repeat(auto-fill,minmax(min(100%,340px),1fr))}
figure{margin:0;padding:12px;background:var(--card);border-radius:8px;min-width:0}
figcaption{margin-bottom:8px}
img{display:block;max-width:100%;height:auto;border-radius:4px;margin-bottom:8px}
audio{display:block;width:100%;margin-bottom:8px}
pre{margin:0;white-space:pre-wrap;overflow-wrap:anywhere;font:13px/1.5 ui-monospace,monospace}
svg{display:block;width:100%;height:auto}
svg text{font:14px system-ui,sans-serif;fill:var(--faint)}
.grid{stroke:var(--rule)}.axis{stroke:var(--faint)}
.line{fill:none;stroke-width:1.8;stroke-linejoin:round}
summary{cursor:pointer;color:var(--faint);margin:16px 0}
${classes}`;
}
