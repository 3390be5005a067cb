/**
 * Makes the checkout ready to run: checks Node's version, then installs the dependencies that package-lock.json pins
 * unless they are already there. `npm start` and `npm test` call it first. Plain Node, because nothing is installed yet.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
process.chdir(root);

if (process.versions.node.localeCompare("20.9", "en", { numeric: true }) < 0) {
  stop(`expected Node 20.9 or newer, got ${process.versions.node}`, "Install a current Node LTS and run the command again.");
}

const reason = whyInstall();
if (reason) {
  console.log(`setup: ${reason}, running npm ci`);
  const { status } = spawnSync("npm ci", { shell: true, stdio: "inherit" });
  if (status !== 0)
    stop(`npm ci failed with exit code ${status}`, "Check that the npm registry can be reached, then run `npm ci` yourself.");
}

/**
 * Why the dependencies must be installed, or undefined when they match the lock. npm records what it installed in
 * node_modules/.package-lock.json, written last, so a half-finished install counts as none.
 */
function whyInstall() {
  const wanted = packagesOf("package-lock.json");
  const installed = packagesOf("node_modules/.package-lock.json");
  if (!wanted) stop("package-lock.json is missing or unreadable", "Restore it with `git checkout package-lock.json`.");
  if (!installed) return "dependencies are not installed";
  for (const [path, { version, optional, devOptional }] of Object.entries(wanted)) {
    if (path === "") continue; // the project itself
    const found = installed[path];
    if (!found && (optional || devOptional)) continue; // made for another platform
    if (found?.version !== version)
      return `${path.replace(/^.*node_modules\//, "")} is ${found?.version ?? "missing"}, the lock says ${version}`;
  }
}

/** The `packages` table of a lock file, or undefined when there is no readable one. */
function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8")).packages;
  } catch {
    return undefined;
  }
}

function stop(message, next) {
  console.error(`setup: ${message}\n  → ${next}`);
  process.exit(1);
}
