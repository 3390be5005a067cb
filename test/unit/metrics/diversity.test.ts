import { expect, test } from "vitest";
import { distinctN } from "../../../src/metrics/index.ts";

test("distinct-n counts runs of words over all texts together", () => {
  expect(distinctN(["I am", "I am here"], 1)).toBe(3 / 5);
  expect(distinctN(["I am", "I am here"], 2)).toBe(2 / 3); // "i am" twice, "am here"; none across texts
  expect(distinctN(["Don’t go, don’t GO!"], 1)).toBe(2 / 4);
  expect(distinctN(["one", ""], 2)).toBe(0);
});
