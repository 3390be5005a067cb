/** `heptagen sample <run>`: lets a trained model make something: text on the terminal, pictures and sounds as files. */
import pc from "picocolors";
import type { SampleEvent } from "../../tasks/recipe.ts";
import { interruptible } from "../interrupt.ts";
import { preview } from "../preview.ts";
import { exitCodes, shownPath, type Terminal } from "../terminal.ts";
import { parseUse } from "./use.ts";

export async function sample(argv: readonly string[]): Promise<number> {
  const { options, flags, terminal, open } = await parseUse(
    {
      name: "sample",
      description: "Lets a trained model write text, or make pictures or sounds as files.",
      schema: ({ abilities }) => abilities.sample,
      own: (command) =>
        command
          .option("--stream", "print text as it is written (on a terminal unless --no-stream)")
          .option("--no-stream", "print text when it is complete"),
    },
    argv,
  );
  const model = await open();
  const several = Number(options.numSamples ?? 1) > 1;
  const stream = !several && options.logProbabilities !== true && (flags.stream ?? terminal.interactive) === true;
  let stopped = false;
  await interruptible(
    async (signal) => {
      const printer = stream
        ? streaming(terminal, String(options.prompt ?? ""))
        : whole(terminal, String(options.prompt ?? ""), several);
      for await (const event of model.sample(options)) {
        if (signal.aborted) break;
        terminal.event(event);
        if (event.kind === "file") {
          terminal.say(`${shownPath(event.file)}  ${pc.dim(event.caption)}`);
          await preview(terminal, event.file);
        } else if (event.kind === "progress") showProgress(terminal, event.done);
        else printer(event);
      }
      stopped = signal.aborted;
    },
    () => undefined,
  );
  if (stopped) terminal.say();
  return stopped ? exitCodes.interrupted : exitCodes.ok;
}

/** A piece of text or its end. */
type TextEvent = Extract<SampleEvent, { kind: "text" | "end" }>;
type Printer = (event: TextEvent) => void;

/** One line that is written over; nothing where nobody watches. */
function showProgress(terminal: Terminal, done: number): void {
  if (!terminal.interactive) return;
  terminal.write(done < 1 ? `\r${pc.dim(`${Math.floor(100 * done)} %`)}` : "\r     \r");
}

function streaming(terminal: Terminal, prompt: string): Printer {
  terminal.write(pc.bold(prompt));
  return (event) => {
    terminal.write(event.kind === "text" ? event.text : "\n");
  };
}

/** Prints each sample when it is complete, in order. */
function whole(terminal: Terminal, prompt: string, numbered: boolean): Printer {
  const texts = new Map<number, string>();
  const scores = new Map<number, string[]>();
  const ended = new Set<number>();
  let next = 0;
  return (event) => {
    if (event.kind === "text") {
      texts.set(event.sample, (texts.get(event.sample) ?? "") + event.text);
      const rows = (event.logProbabilities ?? []).map(
        ({ token, logProbability }) => `${logProbability.toFixed(3).padStart(8)}  ${JSON.stringify(token)}`,
      );
      scores.set(event.sample, [...(scores.get(event.sample) ?? []), ...rows]);
      return;
    }
    ended.add(event.sample);
    for (; ended.has(next); next++) {
      if (numbered) terminal.say(pc.dim(`── ${next + 1} ${"─".repeat(40)}`));
      terminal.say(pc.bold(prompt) + (texts.get(next) ?? ""));
      const rows = scores.get(next) ?? [];
      if (rows.length > 0) terminal.say(`\n${pc.dim("nats      token")}\n${rows.join("\n")}`);
    }
  };
}
