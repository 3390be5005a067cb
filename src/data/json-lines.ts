import { HeptagenError } from "../util/errors.ts";

/**
 * What each line of JSON holds, and where it is (`file:line`); empty lines are left out.
 *
 * @throws HeptagenError `data/json` with file and line
 */
export function parseJsonLines(text: string, file: string): { readonly value: unknown; readonly place: string }[] {
  return text.split("\n").flatMap((line, i) => {
    if (line.trim() === "") return [];
    const place = `${file}:${i + 1}`;
    try {
      return [{ value: JSON.parse(line) as unknown, place }];
    } catch (cause) {
      throw new HeptagenError("data/json", `${place}: expected a JSON object, got ${JSON.stringify(line.slice(0, 60))}`, {
        cause,
      });
    }
  });
}
