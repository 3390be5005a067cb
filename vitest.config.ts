import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";

/**
 * One kind of test: a folder under test/, how long one test may take, and on how many cores the operators of each of the
 * two files that run at once compute.
 */
function kind(name: string, { seconds, threads, setup }: { seconds: number; threads: number; setup?: string }) {
  return {
    extends: true,
    test: {
      name,
      include: [`test/${name}/**/*.test.ts`],
      testTimeout: seconds * 1000,
      hookTimeout: seconds * 1000,
      maxWorkers: 2,
      ...(setup && { globalSetup: setup }),
      env: { HEPTAGEN_THREADS: String(threads) },
    },
  } satisfies TestProjectInlineConfiguration;
}

export default defineConfig({
  test: {
    pool: "forks",
    projects: [
      kind("unit", { seconds: 20, threads: 1 }),
      kind("golden", { seconds: 60, threads: 1 }),
      kind("runtime", { seconds: 60, threads: 1 }),
      // Processes as users start them: the built program, halves of a batch in two threads.
      kind("e2e", { seconds: 300, threads: 2, setup: "test/e2e/build.ts" }),
    ],
    coverage: { include: ["src/**/*.ts"], exclude: ["src/cli/**"], reporter: ["text-summary", "html"] },
  },
});
