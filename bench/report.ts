/** What was measured, as JSON and as a Markdown table. */
import { mkdirSync, writeFileSync } from "node:fs";
import type { BenchCase, PeerName, Target } from "./cases.ts";
import type { Machine } from "./machine.ts";
import { peerSpecs } from "./peers.ts";

/** Times of one process in one case: milliseconds per iteration, over all rounds. */
export interface Measurement {
  readonly minimum: number;
  readonly median: number;
  readonly iterations: number;
  /** Peak resident memory of the process, in bytes. */
  readonly peakRss?: number;
  readonly gflops?: number;
  readonly tokensPerSecond?: number;
}

export interface CaseResult {
  readonly name: string;
  readonly title: string;
  readonly heptagen: Measurement;
  readonly peers: Partial<Record<PeerName, Measurement>>;
  readonly targets: readonly (Target & { readonly ratio: number; readonly met: boolean })[];
}

export interface Check {
  readonly title: string;
  readonly value: number;
  readonly target: string;
  readonly met: boolean;
}

export interface Report {
  readonly date: string;
  readonly command: string;
  readonly commit: string;
  readonly machine: Machine;
  /** One-minute load average before and after. */
  readonly load: readonly [number, number];
  readonly threads: number;
  readonly rounds: number;
  /** What each process says about itself, or why it was skipped. */
  readonly processes: Record<string, unknown>;
  readonly skipped: Partial<Record<PeerName, string>>;
  readonly cases: readonly CaseResult[];
  readonly checks: readonly Check[];
}

/** Sums up the times of a process. */
export function summarize(
  ms: readonly number[],
  {
    flops,
    tokens,
    peakRss,
  }: { readonly flops?: number | undefined; readonly tokens?: number | undefined; readonly peakRss?: number | undefined },
): Measurement {
  const sorted = [...ms].sort((a, b) => a - b);
  const minimum = sorted[0] as number;
  return {
    minimum,
    median: sorted[sorted.length >> 1] as number,
    iterations: ms.length,
    ...(flops && { gflops: flops / minimum / 1e6 }),
    ...(tokens && { tokensPerSecond: (tokens / minimum) * 1000 }),
    ...(peakRss && { peakRss }),
  };
}

/** Judges a case's targets against the peers that took part. */
export function judge(
  { targets }: BenchCase,
  heptagen: Measurement,
  peers: Partial<Record<PeerName, Measurement>>,
): CaseResult["targets"] {
  return targets.flatMap((target) => {
    const other = peers[target.peer];
    if (!other) return [];
    const value = (m: Measurement) => (target.measure === "time" ? m.minimum : (m.peakRss ?? Number.NaN));
    const ratio = value(heptagen) / value(other);
    return [{ ...target, ratio, met: ratio <= target.atMost }];
  });
}

const number = (x: number) => (x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x.toPrecision(3));
const gibibytes = (bytes: number) => `${(bytes / 2 ** 30).toFixed(2)} GiB`;

function cell(m: Measurement): string {
  const extras = [m.gflops && `${m.gflops.toFixed(0)} GFLOPS`, m.peakRss && gibibytes(m.peakRss)].filter(Boolean);
  return `${number(m.minimum)} (${number(m.median)})${extras.length > 0 ? `, ${extras.join(", ")}` : ""}`;
}

/** The report as Markdown: one row per case, peers in columns. */
export function toMarkdown(report: Report): string {
  const { machine } = report;
  const present = (Object.keys(peerSpecs) as PeerName[]).filter((name) => report.cases.some((c) => c.peers[name]));
  const verdict = ({ measure, ratio, atMost, met }: CaseResult["targets"][number]) =>
    `${ratio.toFixed(2)}×${measure === "memory" ? " memory" : ""} (at most ${atMost.toFixed(2)}) ${met ? "✓" : "✗"}`;
  const rows = report.cases.map((c) => [
    c.title,
    cell(c.heptagen),
    ...present.map((name) => (c.peers[name] ? cell(c.peers[name]) : "")),
    c.targets.map(verdict).join("; "),
  ]);
  const header = ["case", "Heptagen", ...present.map((name) => peerSpecs[name].title), "Heptagen's share of the peer's"];
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const lines = [
    "# Benchmark",
    "",
    `${report.date}, commit ${report.commit}, \`${report.command}\``,
    "",
    `${machine.processor}, ${machine.cores} cores, ${machine.vectors}, ${machine.memoryGiB} GiB, ${machine.system}, Node ${machine.node}; ` +
      `load average ${report.load.map((l) => l.toFixed(2)).join(" before and ")} after. ${report.threads} threads, ${report.rounds} rounds in turns.`,
    "",
    "Milliseconds per iteration: the fastest, and the median in parentheses. Shares compare the fastest.",
    "",
    line(header),
    line(header.map(() => "---")),
    ...rows.map(line),
    "",
    ...report.checks.map(({ title, value, target, met }) => `- ${title}: ${number(value)} (${target}) ${met ? "✓" : "✗"}`),
    ...Object.entries(report.skipped).map(([name, reason]) => `- ${peerSpecs[name as PeerName].title} was skipped: ${reason}`),
    "",
    "Processes:",
    "",
    "```json",
    ...Object.entries(report.processes).map(([name, about]) => `${name}: ${JSON.stringify(about)}`),
    "```",
    "",
  ];
  return lines.join("\n");
}

/** Writes `<name>.json` and `<name>.md` into a folder. */
export function save(report: Report, folder: string, name: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/${name}.json`, `${JSON.stringify(report, null, 1)}\n`);
  writeFileSync(`${folder}/${name}.md`, toMarkdown(report));
}
