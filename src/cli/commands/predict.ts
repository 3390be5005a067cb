/** `heptagen predict <run>`: answers inputs from files or standard input, one line of JSON each. */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import type { PredictInput } from "../../tasks/recipe.ts";
import { HeptagenError } from "../../util/errors.ts";
import { interruptible } from "../interrupt.ts";
import { exitCodes } from "../terminal.ts";
import { parseUse } from "./use.ts";

export async function predict(argv: readonly string[]): Promise<number> {
  const {
    options,
    flags,
    open: openModel,
  } = await parseUse(
    {
      name: "predict",
      description:
        "Answers inputs: a line of JSON in (a text, or an object with the fields of the task), a line of JSON out, in the same order.",
      schema: ({ abilities }) => abilities.predict,
      own: (command) =>
        command
          .option("--input <file...>", "files to read; standard input unless set")
          .option("--lines", "inputs are plain text, one a line")
          .option("--out <file>", "the file to write; standard output unless set"),
    },
    argv,
  );
  const model = await openModel();
  if (!model.predict) {
    throw new HeptagenError("usage/ability", `${model.recipe.name} answers no inputs`, {
      next: "It makes samples: heptagen sample <run>",
    });
  }
  const sources = (flags.input as readonly string[] | undefined) ?? ["-"];
  const answers = model.predict(readInputs(sources, flags.lines === true), options);
  const out = typeof flags.out === "string" ? await open(flags.out, "w") : undefined;
  let stopped = false;
  try {
    await interruptible(
      async (signal) => {
        for await (const answer of answers) {
          if (signal.aborted) break;
          const line = `${JSON.stringify(answer)}\n`;
          if (out) await out.write(line);
          else process.stdout.write(line); // with --json too: answers are lines of JSON in any case
        }
        stopped = signal.aborted;
      },
      () => undefined,
    );
  } finally {
    await out?.close();
  }
  return stopped ? exitCodes.interrupted : exitCodes.ok;
}

/** Lines of files ("-" is standard input), each with its place. Empty lines are skipped. */
async function* readInputs(sources: readonly string[], plain: boolean): AsyncGenerator<PredictInput> {
  for (const source of sources) {
    const name = source === "-" ? "standard input" : source;
    let number = 0;
    for await (const line of readLines(source === "-" ? process.stdin : createReadStream(source), name)) {
      number++;
      if (line.trim() === "") continue;
      const place = `${name}:${number}`;
      yield { value: plain ? line : parseLine(line, place), place };
    }
  }
}

/** Lines as they come, so that a program that waits for an answer before it asks again gets one. */
async function* readLines(stream: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let [rest, number] = ["", 1];
  const lines = function* (text: string): Generator<string> {
    const pieces = (rest + text).split("\n");
    rest = pieces.pop() as string;
    for (const piece of pieces) {
      number++;
      yield piece.endsWith("\r") ? piece.slice(0, -1) : piece;
    }
  };
  const decode = (bytes?: Uint8Array) => {
    try {
      return bytes ? decoder.decode(bytes, { stream: true }) : decoder.decode();
    } catch (cause) {
      throw new HeptagenError("data/not-text", `${name}: expected UTF-8 text, got other bytes in or after line ${number}`, {
        next: "Text in another encoding can be converted with: iconv -f ENCODING -t UTF-8",
        cause,
      });
    }
  };
  try {
    for await (const bytes of stream) yield* lines(decode(bytes));
  } catch (cause) {
    if (cause instanceof HeptagenError) throw cause;
    throw new HeptagenError("data/not-found", `${name} could not be read: ${(cause as Error).message}`, { cause });
  }
  yield* lines(decode());
  if (rest !== "") yield rest;
}

function parseLine(line: string, place: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new HeptagenError("data/json", `${place}: expected a line of JSON, got ${JSON.stringify(line.slice(0, 60))}`, {
      next: 'Write texts in quotes ("…"), or say that lines are plain text with --lines.',
      cause,
    });
  }
}
