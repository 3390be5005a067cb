import { defineConfig } from "tsdown";

/** One file out for each file in: stack traces and relative asset paths are the same from src/ and from dist/. */
export default defineConfig({
  entry: ["src/index.ts", "src/*/index.ts", "src/models/*.ts", "src/cli/main.ts", "src/runtime/graph-thread-main.node.ts"],
  platform: "neutral",
  target: "es2023",
  unbundle: true,
  dts: true,
  sourcemap: true,
});
