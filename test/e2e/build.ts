/** Builds what is published, once, before the first of these tests: they run the program that users run. */
import { execute } from "./heptagen.ts";

export default async function build(): Promise<void> {
  const { code, stdout, stderr } = await execute("npm", ["run", "build"]);
  if (code !== 0) throw new Error(`npm run build failed:\n${stdout}${stderr}`);
}
