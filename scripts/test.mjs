/**
 * `npm test`: every check in order, the quickest to fail first; stops at the first failure. The tests come last, so that
 * their summary ends the output.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

process.chdir(dirname(dirname(fileURLToPath(import.meta.url))));

if (process.versions.node.localeCompare("20.19", "en", { numeric: true }) < 0) {
  console.error(
    `expected Node 20.19 or newer for the development tools, got ${process.versions.node}\n  → Install a current Node LTS.`,
  );
  process.exit(1);
}

for (const check of ["typecheck", "lint", "layers", "unused"]) {
  const status = step(check, `npm run --silent ${check}`);
  if (status !== 0) {
    console.error(`\n${check} failed\n  → Repeat it alone with: npm run ${check}`);
    process.exit(status);
  }
}

const folder = mkdtempSync(join(tmpdir(), "heptagen-test-"));
const report = join(folder, "results.json");
const status = step("tests", `npm run --silent test:all -- --reporter=default --reporter=json --outputFile="${report}"`);
const counts = countsOf(report);
rmSync(folder, { recursive: true, force: true });
console.log(counts ? `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped` : "vitest left no results");
process.exit(status);

/** Runs one command under a heading, says how long it took and returns its exit code. */
function step(name, command) {
  console.log(`\n── ${name} ${"─".repeat(Math.max(0, 60 - name.length))}`);
  const start = performance.now();
  const { status } = spawnSync(command, { shell: true, stdio: "inherit" });
  console.log(`${name}: ${status === 0 ? "ok" : "failed"} after ${((performance.now() - start) / 1000).toFixed(1)} s`);
  return status ?? 1;
}

/** Counts out of vitest's JSON report; a file that failed before its first test counts as one failure. */
function countsOf(path) {
  try {
    const results = JSON.parse(readFileSync(path, "utf8"));
    const broken = results.testResults.filter((file) => file.status === "failed" && file.assertionResults.length === 0).length;
    return {
      passed: results.numPassedTests,
      failed: results.numFailedTests + broken,
      skipped: results.numPendingTests + results.numTodoTests,
    };
  } catch {
    return undefined;
  }
}
