/**
 * Shows a training while it runs: one repainted line with a bar on a terminal, a plain line every few seconds elsewhere (a
 * log file, a CI job), one JSON event a line for programs.
 */
import { type Options as BarOptions, type Params, SingleBar } from "cli-progress";
import pc from "picocolors";
import type { Measure, TrainEvent } from "../tasks/recipe.ts";
import { formatDuration, formatRate } from "../train/index.ts";
import { shownPath, type Terminal } from "./terminal.ts";

/** Seconds between two plain lines. */
const plainEvery = 10;
const barWidth = 24;

type StepEvent = Extract<TrainEvent, { kind: "step" }>;

export interface ProgressView {
  show(event: TrainEvent): void;
  /** Removes the bar for good, so that others can print. */
  end(): void;
}

/** Opens a view of a training. */
export function openProgress(terminal: Terminal): ProgressView {
  return terminal.interactive ? barView(terminal) : plainView(terminal);
}

function plainView(terminal: Terminal): ProgressView {
  let last = Number.NEGATIVE_INFINITY;
  let steps = 0;
  return {
    show(event) {
      terminal.event(event);
      if (event.kind === "start") steps = event.steps;
      if (event.kind === "step") {
        const now = performance.now() / 1000;
        if (now - last < plainEvery && event.step < steps) return;
        last = now;
        terminal.say(`step ${event.step}/${steps}  ${figures(event)}`);
      } else announce(terminal, event);
    },
    end: () => undefined,
  };
}

function barView(terminal: Terminal): ProgressView {
  let bar: SingleBar | undefined;
  let steps = 0;
  let latest: StepEvent | undefined;
  let ended = false;
  const draw = (_options: BarOptions, { progress }: Params): string => {
    const full = Math.round(progress * barWidth);
    const drawn = pc.cyan("━".repeat(full)) + pc.dim("━".repeat(barWidth - full));
    const counter = `${latest?.step ?? 0}/${steps}`;
    return latest ? joined([drawn, counter, ...figureList(latest)], terminal.columns) : `${drawn} ${counter}`;
  };
  const hide = () => {
    bar?.stop();
    bar = undefined;
  };
  const paint = () => {
    if (bar) bar.update(latest?.step ?? 0);
    else {
      bar = new SingleBar({
        format: draw,
        clearOnComplete: true,
        hideCursor: true,
        linewrap: false,
        fps: 10,
        gracefulExit: false,
      });
      bar.start(steps, latest?.step ?? 0);
    }
  };
  return {
    show(event) {
      if (event.kind === "step") {
        latest = event;
        if (!ended) paint();
        return;
      }
      if (event.kind === "start") steps = event.steps;
      if (event.kind === "checkpoint") return;
      hide();
      announce(terminal, event);
    },
    end() {
      ended = true;
      hide();
    },
  };
}

/** Joins as many parts as fit on a line; colours take no room. */
function joined(parts: readonly string[], columns: number): string {
  const width = (text: string) => text.replace(new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, "g"), "").length;
  let line = "";
  for (const part of parts) {
    const longer = line ? `${line}  ${part}` : part;
    if (width(longer) >= columns) break;
    line = longer;
  }
  return line;
}

function figures(event: StepEvent): string {
  return figureList(event).join("  ");
}

function figureList({ loss, throughput, unit, secondsLeft }: StepEvent): string[] {
  return [`loss ${pc.bold(loss.toFixed(3))}`, formatRate(throughput, unit), `${formatDuration(secondsLeft)} left`];
}

/** Prints what happens between steps. */
function announce(terminal: Terminal, event: TrainEvent): void {
  switch (event.kind) {
    case "start": {
      const width = Math.max(...Object.keys(event.facts).map((name) => name.length));
      for (const [name, value] of Object.entries(event.facts)) terminal.say(`${pc.dim(name.padEnd(width))}  ${value}`);
      terminal.say();
      break;
    }
    case "evaluation":
      terminal.say(
        `${pc.dim(`step ${event.step}`)}  ${measureLine(event.measures)}${event.best ? pc.green("  best so far") : ""}`,
      );
      break;
    case "sample":
      if (event.text !== undefined) terminal.say(`\n${indent(event.text)}\n`);
      else terminal.say(`${pc.dim(`step ${event.step}`)}  ${shownPath(event.file)}`);
      break;
    case "note":
      terminal.say(pc.dim(event.message));
      break;
    case "warning":
      terminal.warn(event.message);
      break;
  }
}

/** `validation loss 1.857, perplexity 6.41` */
export function measureLine(measures: readonly Measure[]): string {
  return measures.map(({ name, value }) => `${name} ${pc.bold(value.toPrecision(4))}`).join(", ");
}

function indent(text: string): string {
  return text
    .trim()
    .split("\n")
    .map((line) => `  ${pc.dim("│")} ${line}`)
    .join("\n");
}
