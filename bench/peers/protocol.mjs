/**
 * The line protocol of the JavaScript benchmark peers: one JSON request a line on standard input, one JSON answer on
 * standard output. See `torch_peer.py` for the commands.
 */
import { createInterface } from "node:readline";

/**
 * Serves until "quit" or the end of input.
 *
 * `cases` maps a name to an async function that builds the case and resolves to `{ run, facts }`; `run` is awaited for
 * every iteration; `facts` are an object or a function that returns one. `warmup` untimed iterations follow building. `describe` resolves to the answer to "check".
 */
export async function serve({ describe, cases, warmup }) {
  const built = new Map();

  async function run({ name, iterations = 1 }) {
    const build = cases[name];
    if (!build) throw new Error(`unknown case ${JSON.stringify(name)}; expected one of ${Object.keys(cases).join(", ")}`);
    if (!built.has(name)) {
      const made = await build();
      for (let i = 0; i < warmup; i++) await made.run();
      built.set(name, made);
    }
    const { run, facts } = built.get(name);
    const ms = [];
    for (let i = 0; i < iterations; i++) {
      const start = performance.now();
      await run();
      ms.push(performance.now() - start);
    }
    return { name, ms, ...(typeof facts === "function" ? facts() : facts) };
  }

  const commands = {
    check: describe,
    list: () => ({ cases: Object.keys(cases) }),
    run,
    drop: ({ name }) => ({ dropped: built.delete(name) ? name : null }),
  };
  for await (const line of createInterface({ input: process.stdin })) {
    if (!line.trim()) continue;
    let answer;
    try {
      const request = JSON.parse(line);
      if (request.cmd === "quit") break;
      const command = commands[request.cmd];
      if (!command)
        throw new Error(
          `unknown command ${JSON.stringify(request.cmd)}; expected one of ${Object.keys(commands).join(", ")}, quit`,
        );
      answer = await command(request);
    } catch (error) {
      answer = { error: String(error?.message ?? error) };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
  process.exit(0);
}

/** Installed version of a package next to `importer` (its `import.meta.url`). */
export async function versionOf(name, importer) {
  const { readFile } = await import("node:fs/promises");
  return JSON.parse(await readFile(new URL(`./node_modules/${name}/package.json`, importer), "utf8")).version;
}
