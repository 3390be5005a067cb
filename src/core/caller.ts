/** Finds the line of the caller's own source in a stack trace, skipping the engine's frames. */

/** Folders of the engine, seen from this file: `<root>/core/caller.ts`. Models and tasks count as callers. */
const root = new URL("../", import.meta.url).href;
const engine = ["util/", "core/", "ops/", "onnx/", "runtime/"];

/** `file:line:column` of the first frame outside the engine, or undefined when there is none. */
export function callerLine(stack: string | undefined): string | undefined {
  for (const line of stack?.split("\n").slice(1) ?? []) {
    const place = /\(?((?:file:\/\/|https?:\/\/|\/|[A-Za-z]:\\)[^()]*:\d+:\d+)\)?$/.exec(line)?.[1];
    if (!place || place.includes("node:internal")) continue;
    const url = place.startsWith("/") ? `file://${place}` : place;
    const inside = url.startsWith(root) ? url.slice(root.length) : undefined;
    if (inside !== undefined && engine.some((folder) => inside.startsWith(folder))) continue;
    return place.replace(/^file:\/\//, "");
  }
  return undefined;
}
