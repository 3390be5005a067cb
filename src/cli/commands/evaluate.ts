/** `heptagen eval <run>`: measures a trained model on data, and keeps the result with the run. */
import pc from "picocolors";
import { evaluateRun } from "../../tasks/compare/evaluate-run.ts";
import type { EvaluateEvent, Measure } from "../../tasks/recipe.ts";
import { HeptagenError } from "../../util/errors.ts";
import { interruptible } from "../interrupt.ts";
import { exitCodes, type Terminal, table } from "../terminal.ts";
import { parseUse } from "./use.ts";

export async function evaluate(argv: readonly string[]): Promise<number> {
  const { folder, options, terminal, open } = await parseUse(
    {
      name: "eval",
      description: "Measures a trained model, on its own validation data or on any other, and keeps the result with the run.",
      schema: ({ abilities }) => abilities.evaluate,
    },
    argv,
  );
  const model = await open();
  return stoppable(terminal, async (signal, onEvent) => {
    const { measures } = await evaluateRun(model, folder, options, { signal, onEvent });
    terminal.event({ kind: "evaluation", measures: Object.fromEntries(measures.map(({ key, value }) => [key, value])) });
    const rows = measures.map(({ name, value }) => [name, shownNumber(value)]);
    terminal.say(table(rows, ["measure", "value"]));
  });
}

/** A measure's value, for people. */
function shownNumber(value: Measure["value"]): string {
  return Number.isInteger(value) ? value.toLocaleString("en") : value.toPrecision(5);
}

/** Runs something that evaluates: shows what happens, and ends in order on Ctrl-C. */
export async function stoppable(
  terminal: Terminal,
  work: (signal: AbortSignal, onEvent: (event: EvaluateEvent) => void) => Promise<void>,
): Promise<number> {
  const view = openView(terminal);
  try {
    await interruptible(
      (signal) => work(signal, view.show),
      () => undefined,
    );
    return exitCodes.ok;
  } catch (error) {
    if (!(error instanceof HeptagenError && error.code === "evaluate/interrupted")) throw error;
    view.clear();
    terminal.event({ kind: "interrupted" });
    terminal.say(error.message);
    return exitCodes.interrupted;
  } finally {
    view.clear();
  }
}

/** Seconds between two plain lines of progress. */
const plainEvery = 10;

/** One line that is written over on a terminal; a plain line now and then elsewhere, and an event for programs. */
function openView(terminal: Terminal): { show(event: EvaluateEvent): void; clear(): void } {
  let painted = false;
  let last = performance.now();
  const clear = () => {
    if (painted) terminal.write(`\r${" ".repeat(Math.max(0, terminal.columns - 1))}\r`);
    painted = false;
  };
  return {
    clear,
    show(event) {
      if (event.kind === "note") {
        clear();
        terminal.event(event);
        terminal.say(pc.dim(event.message));
        return;
      }
      const line = `${event.what}: ${Math.floor(100 * event.done)} %`;
      const now = performance.now();
      if (terminal.interactive) {
        clear();
        if (event.done < 1) terminal.write(`\r${pc.dim(line.slice(0, terminal.columns - 1))}`);
        painted = event.done < 1;
      } else if (now - last > 1000 * plainEvery) {
        last = now;
        terminal.event(event);
        terminal.say(line);
      }
    },
  };
}
