/**
 * Shows data being fetched: one repainted line with a bar, speed and time left on a terminal, a plain line every few seconds
 * elsewhere, one JSON event a line for programs.
 */
import { type Options as BarOptions, type Params, SingleBar } from "cli-progress";
import pc from "picocolors";
import type { GetEvent } from "../data/index.ts";
import { formatBytes, formatDuration } from "../train/index.ts";
import type { Terminal } from "./terminal.ts";

/** Seconds between two plain lines. */
const plainEvery = 5;
const barWidth = 24;

type ProgressEvent = Extract<GetEvent, { kind: "progress" }>;

export interface GetView {
  show(event: GetEvent): void;
  /** Removes the bar, so that others can print. */
  end(): void;
}

/** Opens a view of fetching. */
export function openGetView(terminal: Terminal): GetView {
  let bar: SingleBar | undefined;
  let latest: ProgressEvent | undefined;
  /** When the file that is being fetched began to arrive, with how much of it there was. */
  let began: { readonly file: string; readonly at: number; readonly from: number } | undefined;
  let told = 0;
  const figures = ({ file, done, total, unit }: ProgressEvent): string[] => {
    const seconds = began ? (performance.now() - began.at) / 1000 : 0;
    const speed = began && seconds > 0.3 && done > began.from ? (done - began.from) / seconds : undefined;
    const much = (count: number) => (unit === undefined ? formatBytes(count) : `${count}`);
    const of = `${total === undefined ? much(done) : `${much(done)} of ${much(total)}`}${unit === undefined ? "" : ` ${unit}`}`;
    const rate = speed === undefined || unit !== undefined ? [] : [`${formatBytes(speed)}/s`];
    const left = speed && total !== undefined && total > done ? [`${formatDuration((total - done) / speed)} left`] : [];
    return [file, of, ...rate, ...left];
  };
  const draw = (_options: BarOptions, { progress }: Params): string => {
    const full = Math.round(progress * barWidth);
    const drawn = pc.cyan("━".repeat(full)) + pc.dim("━".repeat(barWidth - full));
    const [name = "", ...rest] = latest ? figures(latest) : [];
    const room = Math.max(8, terminal.columns - barWidth - rest.join("  ").length - 6);
    const shown = name.length <= room ? name : `${name.slice(0, room - 1)}…`;
    return [drawn, shown, ...rest].join("  ");
  };
  const hide = () => {
    bar?.stop();
    bar = undefined;
  };
  const onProgress = (event: ProgressEvent) => {
    if (began?.file !== event.file) began = { file: event.file, at: performance.now(), from: event.done };
    latest = event;
    const { done, total } = event;
    if (terminal.interactive) {
      if (!bar) {
        bar = new SingleBar({
          format: draw,
          clearOnComplete: true,
          hideCursor: true,
          linewrap: false,
          fps: 10,
          gracefulExit: false,
        });
        bar.start(total ?? Math.max(1, done), done);
      } else {
        bar.setTotal(total ?? Math.max(1, done));
        bar.update(done);
      }
      return;
    }
    const now = performance.now() / 1000;
    if (now - told < plainEvery) return;
    told = now;
    terminal.say(figures(event).join("  "));
  };
  return {
    show(event) {
      if (event.kind === "warning") terminal.warn(event.message);
      else terminal.event(event);
      if (event.kind === "progress") return onProgress(event);
      hide();
      announce(terminal, event);
    },
    end: hide,
  };
}

function announce(terminal: Terminal, event: GetEvent): void {
  switch (event.kind) {
    case "licence":
      terminal.say(`${pc.bold(event.name)} from ${event.source}`);
      terminal.say(`${pc.dim("licence")}  ${event.licence}`);
      if (event.note !== undefined) terminal.say(`         ${event.note}`);
      if (event.bytes !== undefined) terminal.say(`${pc.dim("size")}     ${formatBytes(event.bytes)} to fetch`);
      break;
    case "waiting":
      terminal.say(`Another process is fetching ${event.name}; waiting for it.`);
      break;
    case "verified":
      terminal.say(`${pc.green("✓")} ${event.file}  ${formatBytes(event.bytes)}  SHA-256 ${event.sha256.slice(0, 16)}…`);
      break;
    case "preparing":
      terminal.say(pc.dim("Unpacking and arranging …"));
      break;
  }
}
