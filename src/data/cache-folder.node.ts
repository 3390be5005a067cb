/** Where fetched data is kept between runs. */
import { homedir } from "node:os";
import { join } from "node:path";

/** HEPTAGEN_CACHE if set; else `heptagen` in the user's cache folder (XDG_CACHE_HOME, `~/.cache`). */
function cacheFolder(environment: Readonly<Record<string, string | undefined>> = process.env): string {
  if (environment.HEPTAGEN_CACHE) return environment.HEPTAGEN_CACHE;
  return join(environment.XDG_CACHE_HOME || join(homedir(), ".cache"), "heptagen");
}

/** The folder of one fetched data set. */
export const dataFolder = (name: string): string => join(cacheFolder(), "data", name);

/** The folder of classifiers that Heptagen has trained to compare pictures by. */
export const classifierFolder = (): string => join(cacheFolder(), "classifiers");
