/** ONNX Runtime's telemetry stays off: loading models sends nothing anywhere, unless somebody says otherwise. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const devices = new URL("../../src/runtime/devices.ts", import.meta.url).href;
const script = `const { listDevices } = await import(${JSON.stringify(devices)});
await listDevices();
console.log(process.pid, process.env.ORT_DISABLE_TELEMETRY);`;

/** Loads graphs in a process of its own; not as in CI, where ONNX Runtime stays silent by itself. */
async function load(given?: string): Promise<{ pid: string; setting: string }> {
  const { CI: _, ORT_DISABLE_TELEMETRY: __, ...env } = process.env;
  const { stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", "--input-type=module", "--eval", script], {
    env: { ...env, ...(given && { ORT_DISABLE_TELEMETRY: given }) },
  });
  const [pid = "", setting = ""] = stdout.trim().split(" ");
  return { pid, setting };
}

test("it is switched off before the runtime loads, and leaves no file behind", async () => {
  const { pid, setting } = await load();
  expect(setting).toBe("1");
  expect(existsSync(join(tmpdir(), `mat-debug-${pid}.log`))).toBe(false);
});

test("what the user's environment says stays", async () => {
  expect((await load("true")).setting).toBe("true");
});
