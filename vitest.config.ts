import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";

/**
 * One kind of test: a folder under test/, how long one test may take, and how many files may run at once. Side by side, each file's
 * operators use one core.
 */
function kind(name: string, { seconds, workers, order }: { seconds: number; workers: number; order: number }) {
  return {
    extends: true,
    test: {
      name,
      include: [`test/${name}/**/*.test.ts`],
      testTimeout: seconds * 1000,
      hookTimeout: seconds * 1000,
      maxWorkers: workers,
      sequence: { groupOrder: order },
      env: workers > 1 ? { HEPTAGEN_THREADS: "1" } : {},
    },
  } satisfies TestProjectInlineConfiguration;
}

export default defineConfig({
  test: {
    pool: "forks",
    projects: [
      kind("unit", { seconds: 20, workers: 2, order: 0 }),
      kind("golden", { seconds: 60, workers: 2, order: 0 }),
      kind("runtime", { seconds: 60, workers: 2, order: 0 }),
      kind("e2e", { seconds: 300, workers: 1, order: 1 }), // alone: they start processes and measure time
    ],
    coverage: { include: ["src/**/*.ts"], exclude: ["src/cli/**"], reporter: ["text-summary", "html"] },
  },
});
