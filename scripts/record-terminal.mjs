/**
 * Records a command in a terminal and draws it as an animated SVG: what it printed, when, in its colours.
 *
 *   node scripts/record-terminal.mjs docs/images/quickstart.svg -- npm start
 *
 * `script` (util-linux) gives the command a terminal. What it prints is replayed on a small screen that knows what progress
 * bars use (carriage return, cursor up and to a column, erase, colours), and the screen is drawn at even times. The last frame
 * stays for viewers that do not animate. `--title` is the command to show, `--seconds 20` sets how long the animation takes, `--rows 34` how many lines show.
 */
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

const { output, command, title, seconds, rows, columns, frames } = readArguments(process.argv.slice(2));
const chunks = await record(command);
mkdirSync(dirname(output), { recursive: true });
writeFileSync(output, draw(replay(chunks)));
console.log(`${output}: ${frames} frames of ${((chunks.at(-1)?.at ?? 0) / 1000).toFixed(0)} s`);

function readArguments(argv) {
  const split = argv.indexOf("--");
  if (split < 1) {
    console.error(
      "usage: node scripts/record-terminal.mjs <file.svg> [--title text] [--seconds n] [--rows n] [--columns n] [--frames n] -- command",
    );
    process.exit(2);
  }
  const flag = (name, otherwise) => (argv.includes(`--${name}`) ? Number(argv[argv.indexOf(`--${name}`) + 1]) : otherwise);
  return {
    output: argv[0],
    command: argv.slice(split + 1).join(" "),
    title: `$ ${argv.includes("--title") ? argv[argv.indexOf("--title") + 1] : argv.slice(split + 1).join(" ")}`,
    seconds: flag("seconds", 24),
    rows: flag("rows", 34),
    columns: flag("columns", 100),
    frames: flag("frames", 60),
  };
}

/** Runs the command in a terminal: what it printed, and when in milliseconds. */
async function record(line) {
  const parts = [{ at: 0, text: `${title}\r\n\r\n` }];
  const start = performance.now();
  const child = spawn("script", ["-qfec", `stty cols ${columns} rows 60; ${line}`, "/dev/null"], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, TERM: "xterm-256color", FORCE_COLOR: "1", COLUMNS: String(columns) },
  });
  child.stdout.setEncoding("utf8");
  child.stdout.on("data", (text) => {
    process.stdout.write(text);
    parts.push({ at: performance.now() - start, text });
  });
  const code = await new Promise((done) => child.on("close", done));
  if (code !== 0) console.error(`the command ended with exit code ${code}`);
  return parts;
}

/** Plays the output on a screen and photographs it at even times: lists of lines, each a list of { letter, style }. */
function replay(parts) {
  const screen = [[]];
  let [row, column, style] = [0, 0, ""];
  const put = (letter) => {
    const line = screen[row];
    while (line.length < column) line.push({ letter: " ", style: "" });
    line[column++] = { letter, style };
  };
  const down = () => {
    row++;
    screen[row] ??= [];
  };
  const control = (parameters, final) => {
    const n = Number(parameters.split(";")[0]) || 0;
    if (final === "m") style = restyle(style, parameters);
    else if (final === "G") column = Math.max(0, n - 1);
    else if (final === "A") row = Math.max(0, row - Math.max(1, n));
    else if (final === "K") screen[row].length = n === 2 || n === 1 ? 0 : Math.min(screen[row].length, column);
    else if (final === "J") screen.length = row + 1;
  };
  const shots = [];
  const end = parts.at(-1)?.at ?? 0;
  const esc = String.fromCharCode(27);
  const pattern = new RegExp(`${esc}\\[([0-9;?]*)([A-Za-z])|${esc}[=>78]|[\\s\\S]`, "gu");
  for (const { at, text } of parts) {
    while (shots.length < frames - 1 && at >= ((shots.length + 1) * end) / frames) shots.push(photograph(screen));
    for (const [token, parameters, final] of text.matchAll(pattern)) {
      if (final) control(parameters, final);
      else if (token === "\n") down();
      else if (token === "\r") column = 0;
      else if (token >= " ") put(token);
    }
  }
  while (shots.length < frames) shots.push(photograph(screen));
  return shots;
}

function photograph(screen) {
  const last = screen.findLastIndex((line) => line.length > 0);
  return screen.slice(Math.max(0, last + 1 - rows), last + 1).map((line) => [...line]);
}

/** CSS classes after a colour code. */
function restyle(style, parameters) {
  const names = { 1: "b", 2: "d", 31: "red", 32: "green", 33: "yellow", 34: "blue", 35: "magenta", 36: "cyan", 90: "d" };
  let classes = new Set(style.split(" ").filter(Boolean));
  for (const code of parameters.split(";").map(Number)) {
    if (code === 0) classes = new Set();
    else if (code === 22) for (const name of ["b", "d"]) classes.delete(name);
    else if (code === 39) classes = new Set([...classes].filter((name) => name === "b" || name === "d"));
    else if (names[code]) classes.add(names[code]);
  }
  return [...classes].join(" ");
}

/** Frames as one SVG; equal neighbours are drawn once and shown for longer. */
function draw(shots) {
  const [letterWidth, lineHeight, edge] = [8.43, 19, 16];
  const width = Math.ceil(columns * letterWidth + 2 * edge);
  const height = rows * lineHeight + 2 * edge + 24;
  const drawn = shots.map((lines) => lines.map((line, i) => drawLine(line, edge, edge + 36 + i * lineHeight)).join(""));
  const hold = 0.25; // of the time, for the last frame
  const groups = [];
  for (let from = 0; from < drawn.length; ) {
    let to = from + 1;
    while (to < drawn.length && drawn[to] === drawn[from]) to++;
    const time = (i) => (i / drawn.length) * (1 - hold);
    const last = to === drawn.length;
    const [begin, end] = [time(from), last ? 1 : time(to)];
    const values = begin === 0 ? "visible;hidden" : last ? "hidden;visible" : "hidden;visible;hidden";
    const times = (begin === 0 ? [0, end] : last ? [0, begin] : [0, begin, end]).map((t) => t.toFixed(4)).join(";");
    const still = last && begin === 0;
    const animate = still
      ? ""
      : `<animate attributeName="visibility" values="${values}" keyTimes="${times}" dur="${seconds}s" calcMode="discrete" repeatCount="indefinite"/>`;
    groups.push(`<g visibility="${last ? "visible" : "hidden"}">${animate}${drawn[from]}</g>`);
    from = to;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"><title>${title}</title>
<style>text{font:14px ui-monospace,SFMono-Regular,Menlo,"DejaVu Sans Mono",monospace;fill:#d8dee9;white-space:pre}.b{font-weight:700;fill:#fff}.d{fill:#7b8496}.red{fill:#ff6b6b}.green{fill:#7ee787}.yellow{fill:#f2cc60}.blue{fill:#79c0ff}.magenta{fill:#d2a8ff}.cyan{fill:#56d4dd}</style>
<rect width="${width}" height="${height}" rx="8" fill="#12161f"/>
<circle cx="20" cy="18" r="5" fill="#ff5f57"/><circle cx="38" cy="18" r="5" fill="#febc2e"/><circle cx="56" cy="18" r="5" fill="#28c840"/>
${groups.join("\n")}
</svg>
`;
}

/** One line of text, a span per style. */
function drawLine(line, x, y) {
  if (line.length === 0) return "";
  const spans = [];
  for (const { letter, style } of line) {
    const last = spans.at(-1);
    if (last && last.style === style) last.text += letter;
    else spans.push({ style, text: letter });
  }
  const safe = (text) => text.replace(/[<>&]/g, (letter) => `&#${letter.charCodeAt(0)};`);
  const drawn = spans.map(({ style, text }) => (style ? `<tspan class="${style}">${safe(text)}</tspan>` : safe(text)));
  return `<text x="${x}" y="${y}" xml:space="preserve">${drawn.join("")}</text>`;
}
