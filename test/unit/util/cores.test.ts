import { expect, test } from "vitest";
import { countCores, threadsOf } from "../../../src/runtime/cores.ts";

const processor = (id: number, socket: number, core: number) =>
  `processor\t: ${id}\nmodel name\t: Some\nphysical id\t: ${socket}\nsiblings\t: 2\ncore id\t\t: ${core}\n`;

test("two threads of a core count once, equal cores of two sockets count twice", () => {
  const list = [processor(0, 0, 0), processor(1, 0, 0), processor(2, 0, 1), processor(3, 1, 0)].join("\n");
  expect(countCores(list, 4)).toBe(3);
});

test("no more than the process may use", () => {
  expect(countCores([processor(0, 0, 0), processor(1, 0, 1), processor(2, 0, 2)].join("\n"), 2)).toBe(2);
});

test("a list without cores leaves the choice to the runtime", () => {
  expect(countCores("processor\t: 0\nBogoMIPS\t: 48.00\n", 4)).toBeUndefined();
});

test("a number of threads that is set counts, anything else that is set is refused", () => {
  expect(threadsOf({})).toBeUndefined();
  expect(threadsOf({ HEPTAGEN_THREADS: "3" })).toBe(3);
  for (const wrong of ["0", "1.5", "many"]) expect(() => threadsOf({ HEPTAGEN_THREADS: wrong })).toThrow(/whole number from 1/);
});
