/** In a browser: the same engine, model and sampler train and write inside a page, on WebAssembly and, where there is an adapter, WebGPU. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, chromium } from "playwright-core";
import { build } from "tsdown";
import { afterAll, beforeAll, expect, it } from "vitest";

const browserPath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
const ortFolder = fileURLToPath(new URL("../../node_modules/onnxruntime-web/dist/", import.meta.url));
const types: Record<string, string> = {
  ".mjs": "text/javascript",
  ".js": "text/javascript",
  ".wasm": "application/wasm",
  ".html": "text/html",
};
const page = `<!doctype html><title>Heptagen</title>
<script type="importmap">{"imports": {"onnxruntime-web": "/ort/ort.bundle.min.mjs"}}</script>
<script type="module">import { trainInPage } from "/app/browser-page.js"; window.trainInPage = trainInPage;</script>`;

let folder: string;
let server: Server;
let browser: Browser | undefined;

beforeAll(async () => {
  if (!browserPath) return;
  folder = mkdtempSync(join(tmpdir(), "heptagen-browser-"));
  await build({
    config: false,
    entry: [fileURLToPath(new URL("./browser-page.ts", import.meta.url))],
    outDir: folder,
    format: "esm",
    platform: "browser",
    dts: false,
    logLevel: "silent",
    external: ["onnxruntime-web", "onnxruntime-node"],
    noExternal: [/./],
  });
  server = createServer(({ url = "/" }, response) => {
    const file = url.startsWith("/ort/")
      ? join(ortFolder, url.slice(5))
      : url.startsWith("/app/")
        ? join(folder, url.slice(5))
        : "";
    const known = file !== "" && existsSync(file);
    response.writeHead(known || file === "" ? 200 : 404, {
      "Content-Type": types[extname(file) || ".html"] ?? "text/plain",
      // Threads in WebAssembly need shared memory, which browsers only give to isolated pages.
      "Cross-Origin-Opener-Policy": "same-origin",
      "Cross-Origin-Embedder-Policy": "require-corp",
    });
    response.end(known ? readFileSync(file) : file === "" ? page : "");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  browser = await chromium.launch({
    executablePath: browserPath,
    args: ["--no-sandbox", "--disable-background-networking", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"],
  });
});

afterAll(async () => {
  await browser?.close();
  server?.close();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

it.each([
  ["wasm", 60],
  ["webgpu", 12],
] as const)("trains and writes in a page on %s", async (device, steps) => {
  if (!browser) return console.log("skipped: no Chromium here (on Debian: apt-get install chromium)");
  const tab = await browser.newPage();
  const problems: string[] = [];
  tab.on("pageerror", (error) => problems.push(error.message));
  await tab.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  await tab.waitForFunction("window.trainInPage", undefined, { timeout: 20_000 }).catch(() => undefined);
  expect(problems).toEqual([]);
  if (device === "webgpu" && !(await tab.evaluate("navigator.gpu?.requestAdapter().then(Boolean)"))) {
    return console.log("skipped: this Chromium has no WebGPU adapter");
  }
  const { losses, text } = (await tab.evaluate(`trainInPage("${device}", ${steps})`)) as { losses: number[]; text: string };
  expect(losses).toHaveLength(steps);
  expect(losses[0]).toBeGreaterThan(2.5);
  expect(losses.at(-1)).toBeLessThan(0.75 * (losses[0] as number));
  expect(text).toHaveLength(12);
  if (device === "wasm") expect(text).toBe("Ishmael. Som");
  await tab.close();
});
