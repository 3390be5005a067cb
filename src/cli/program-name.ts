/** How the user can call the program again, for advice that works when it is typed as printed. */

/** `npm run heptagen --` in a checkout, `npx heptagen` where it is a dependency, `heptagen` where it is on the path. */
export function programName(script = process.argv[1] ?? ""): string {
  if (script.endsWith(".ts")) return "npm run heptagen --";
  return /[\\/]node_modules[\\/]/.test(script) ? "npx heptagen" : "heptagen";
}
