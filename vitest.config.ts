import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";

/**
 * One kind of test: a folder under test/, how long one test may take, on how many cores the operators of each of the two files
 * that run at once compute, whether its files share what they import, and what is made before the first of them.
 */
function kind(name: string, { seconds, threads = 1, shared = false, setup }: Kind) {
  return {
    extends: true,
    test: {
      name,
      include: [`test/${name}/**/*.test.ts`],
      testTimeout: seconds * 1000,
      hookTimeout: seconds * 1000,
      maxWorkers: 2,
      isolate: !shared,
      ...(setup && { globalSetup: setup }),
      env: { HEPTAGEN_THREADS: String(threads) },
    },
  } satisfies TestProjectInlineConfiguration;
}

interface Kind {
  readonly seconds: number;
  readonly threads?: number;
  readonly shared?: boolean;
  readonly setup?: string;
}

export default defineConfig({
  test: {
    pool: "forks",
    projects: [
      kind("unit", { seconds: 20, shared: true }),
      kind("faults", { seconds: 20 }), // they replace modules
      kind("golden", { seconds: 60, shared: true }),
      kind("runtime", { seconds: 60, shared: true }),
      // Processes as users start them: the built program, halves of a batch in two threads.
      kind("e2e", { seconds: 300, threads: 2, setup: "test/e2e/build.ts" }),
    ],
    coverage: { include: ["src/**/*.ts"], exclude: ["src/cli/**"], reporter: ["text-summary", "html"] },
  },
});
