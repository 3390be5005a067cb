/**
 * The benchmark: Heptagen and other frameworks do the same work in turns, in one sitting.
 *
 *     npm run bench                                     everything; saves bench/results/bench.{json,md}
 *     npm run bench -- --only nanogpt-cpu --rounds 5    cases whose name contains one of the given words; prints only
 *     npm run bench -- --install-peers                  first installs jax-js and TensorFlow.js beside their scripts
 *
 * Further options: --threads 2, --save <name> (also for a selection), --patience <seconds> (how long to wait for a quiet machine
 * before each turn), --without <peer>.
 *
 * Each framework is a process that lives through the benchmark (peers/README.md). In every round each does a few iterations of
 * a case, then waits; all iterations of all rounds give the median and the minimum. Cases about memory get fresh processes.
 */
import { execSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type BenchCase, cases, ownTargets, type PeerName } from "./cases.ts";
import { describeMachine, load, quiet } from "./machine.ts";
import { type Answer, Peer } from "./peer.ts";
import { heptagenCommand, installPeers, peerSpecs, startPeer } from "./peers.ts";
import { type CaseResult, type Check, judge, type Measurement, type Report, save, summarize, toMarkdown } from "./report.ts";

const { values: options } = parseArgs({
  options: {
    only: { type: "string", multiple: true, default: [] },
    without: { type: "string", multiple: true, default: [] },
    rounds: { type: "string", default: "7" },
    threads: { type: "string", default: "2" },
    patience: { type: "string", default: "20" },
    save: { type: "string" },
    "install-peers": { type: "boolean", default: false },
  },
});
const [rounds, threads, patience] = [Number(options.rounds), Number(options.threads), Number(options.patience)];
const results = fileURLToPath(new URL("./results", import.meta.url));
const chosen = cases.filter(({ name }) => options.only.length === 0 || options.only.some((word) => name.includes(word)));

type Process = { readonly name: PeerName | "heptagen"; readonly peer: Peer };

/** Lets the processes of one case take turns. */
async function measure(bench: BenchCase, processes: readonly Process[], turns: number): Promise<Map<string, Measurement>> {
  const times = new Map<string, number[]>();
  const facts = new Map<string, Answer>();
  for (let round = 0; round < turns; round++) {
    for (const { name, peer } of processes) {
      const own = caseName(bench, name) as string;
      const iterations = (name !== "heptagen" && bench.slow?.[name]) || bench.iterations;
      await quiet(patience);
      const answer = await peer.run(own, iterations);
      times.set(name, [...(times.get(name) ?? []), ...answer.ms]);
      facts.set(name, answer);
    }
  }
  for (const { name, peer } of processes) await peer.drop(caseName(bench, name) as string);
  return new Map(
    [...times].map(([name, ms]) => {
      const { flops, tokens, processPeakRss } = facts.get(name) as Answer;
      return [name, summarize(ms, { flops, tokens, peakRss: bench.fresh && processPeakRss })];
    }),
  );
}

function caseName({ heptagen, peers }: BenchCase, process: Process["name"]): string | undefined {
  return process === "heptagen" ? heptagen : peers[process];
}

async function runCase(bench: BenchCase, resident: readonly Process[]): Promise<CaseResult> {
  const taking = resident.filter(({ name }) => caseName(bench, name) !== undefined);
  let measured: Map<string, Measurement>;
  if (bench.fresh) {
    // One process at a time, so that each has the machine's memory to itself.
    measured = new Map();
    for (const { name } of taking) {
      const peer = new Peer(name === "heptagen" ? heptagenCommand(threads) : peerSpecs[name].command(threads));
      try {
        for (const [key, value] of await measure(bench, [{ name, peer }], 1)) measured.set(key, value);
      } finally {
        peer.close();
      }
    }
  } else measured = await measure(bench, taking, Math.min(rounds, bench.rounds ?? rounds));
  const peers = Object.fromEntries([...measured].filter(([name]) => name !== "heptagen")) as CaseResult["peers"];
  const heptagen = measured.get("heptagen") as Measurement;
  return { name: bench.name, title: bench.title, heptagen, peers, targets: judge(bench, heptagen, peers) };
}

/** What is judged across cases or from files. */
function crossChecks(done: readonly CaseResult[]): Check[] {
  const checks: Check[] = [];
  const rate = (name: string) => done.find((c) => c.name === name)?.heptagen.gflops;
  const [step, product] = [rate("nanogpt-cpu"), rate("matmul-1024")];
  if (step && product) {
    const share = step / product;
    checks.push({
      title: "nanogpt-cpu step, share of the matmul-1024 rate",
      value: share,
      target: "at least 0.6",
      met: share >= 0.6,
    });
  }
  for (const { title, cases: names, value, atLeast, atMost } of ownTargets) {
    const times = names.map((name) => done.find((c) => c.name === name)?.heptagen.minimum);
    if (times.some((ms) => ms === undefined)) continue;
    const got = value(...(times as number[]));
    const target = atLeast !== undefined ? `at least ${atLeast}` : `at most ${atMost}`;
    checks.push({ title, value: got, target, met: got >= (atLeast ?? 0) && got <= (atMost ?? Number.POSITIVE_INFINITY) });
  }
  const ours = meanValidationLoss("heptagen-nanogpt-cpu.jsonl");
  const theirs = meanValidationLoss("torch-nanogpt-cpu.jsonl");
  if (ours !== undefined && theirs !== undefined) {
    const title = `Moby Dick after 2,000 steps, validation loss ${ours.toFixed(4)} − PyTorch's ${theirs.toFixed(4)} (means over seeds)`;
    checks.push({ title, value: ours - theirs, target: "at most 0.02 nats", met: ours - theirs <= 0.02 });
  }
  return checks;
}

function meanValidationLoss(file: string): number | undefined {
  try {
    const lines = readFileSync(`${results}/${file}`, "utf8").trim().split("\n");
    const losses = lines.map((line) => (JSON.parse(line) as { validationLoss: number }).validationLoss);
    return losses.reduce((a, b) => a + b, 0) / losses.length;
  } catch {
    return undefined;
  }
}

if (options["install-peers"]) installPeers();
if (chosen.length === 0) {
  console.error(`no case's name contains ${options.only.join(" or ")}; there are: ${cases.map(({ name }) => name).join(", ")}`);
  process.exit(1);
}
const machine = describeMachine();
const loadBefore = load();
const resident: Process[] = [{ name: "heptagen", peer: new Peer(heptagenCommand(threads)) }];
const about: Record<string, unknown> = { heptagen: await (resident[0] as Process).peer.check() };
const skipped: Partial<Record<PeerName, string>> = {};
const wanted = (Object.keys(peerSpecs) as PeerName[]).filter((name) => chosen.some(({ peers }) => peers[name]));
for (const name of wanted.filter((peer) => !options.without.includes(peer))) {
  const started = await startPeer(name, threads);
  if ("skipped" in started) {
    skipped[name] = started.skipped;
    console.log(`${peerSpecs[name].title} is skipped: ${started.skipped}`);
  } else {
    resident.push({ name, peer: started.peer });
    about[name] = started.about;
  }
}
const done: CaseResult[] = [];
for (const bench of chosen) {
  const result = await runCase(bench, resident);
  done.push(result);
  const others = Object.entries(result.peers).map(([name, m]) => `${name} ${m.minimum.toFixed(2)} (${m.median.toFixed(2)})`);
  const { minimum, median } = result.heptagen;
  console.log(`${bench.name}: heptagen ${minimum.toFixed(2)} (${median.toFixed(2)}), ${others.join(", ")} ms`);
}
for (const { peer } of resident) peer.close();

const report: Report = {
  date: new Date().toISOString().slice(0, 16).replace("T", " "),
  command: ["npm run bench", ...(process.argv.length > 2 ? ["--", ...process.argv.slice(2)] : [])].join(" "),
  commit: execSync("git rev-parse --short HEAD", { encoding: "utf8" }).trim(),
  machine,
  load: [loadBefore, load()],
  threads,
  rounds,
  processes: about,
  skipped,
  cases: done,
  checks: crossChecks(done),
};
console.log(`\n${toMarkdown(report)}`);
const name = options.save ?? (options.only.length === 0 ? "bench" : undefined);
if (name) save(report, results, name);
