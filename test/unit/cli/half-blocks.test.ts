/** Pictures as characters. */
import { expect, it } from "vitest";
import { colourDepth, halfBlocks } from "../../../src/cli/half-blocks.ts";

const picture = {
  width: 2,
  height: 3,
  pixels: Uint8Array.of(255, 0, 0, 255, 0, 0, 0, 0, 255, 0, 0, 255, 8, 8, 8, 255, 255, 255),
};

it("puts two rows of pixels into a line, and repeats no colour", () => {
  expect(halfBlocks(picture, "true")).toEqual([
    "\u001b[38;2;255;0;0;48;2;0;0;255m▀▀\u001b[0m",
    "\u001b[38;2;8;8;8;49m▀\u001b[38;2;255;255;255;49m▀\u001b[0m",
  ]);
});
it("chooses the nearest of 256 colours", () => {
  expect(halfBlocks(picture, "256")).toEqual([
    "\u001b[38;5;196;48;5;21m▀▀\u001b[0m",
    "\u001b[38;5;232;49m▀\u001b[38;5;231;49m▀\u001b[0m",
  ]);
});
it("draws nothing without colours", () => {
  expect(halfBlocks(picture, "none")).toEqual([]);
});
it("knows what a terminal can show", () => {
  expect(colourDepth({ COLORTERM: "truecolor" }, true)).toBe("true");
  expect(colourDepth({ TERM: "xterm-256color" }, true)).toBe("256");
  expect(colourDepth({ COLORTERM: "truecolor", NO_COLOR: "1" }, true)).toBe("none");
  expect(colourDepth({ COLORTERM: "truecolor" }, false)).toBe("none");
  expect(colourDepth({ COLORTERM: "truecolor", FORCE_COLOR: "1" }, false)).toBe("true");
});
