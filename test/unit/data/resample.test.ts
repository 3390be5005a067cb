/** Resizing raw pictures. */
import { describe, expect, it } from "vitest";
import { resampler } from "../../../src/data/resample.ts";

const resize = (pixels: number[], height: number, size: number, fit: "crop" | "pad" | "stretch" = "crop") => [
  ...resampler({ height, width: pixels.length / height }, size, fit)(Uint8Array.from(pixels)),
];

describe("resampler", () => {
  it("keeps a picture of the right size, and even areas at every size", () => {
    expect(resize([1, 2, 3, 4], 2, 2)).toEqual([1, 2, 3, 4]);
    for (const size of [1, 3, 5, 13]) expect(resize(new Array(49).fill(200), 7, size)).toEqual(new Array(size * size).fill(200));
  });
  it("gives PyTorch's numbers: F.interpolate(…, mode='bilinear', antialias=True), enlarged and reduced", () => {
    expect(resize([0, 100, 200, 40], 2, 3)).toEqual([0, 50, 100, 100, 85, 70, 200, 120, 40]);
    const ramp = Array.from({ length: 16 }, (_, i) => i * 16);
    expect(resize(ramp, 4, 2)).toEqual([57, 82, 158, 183]);
  });
  it("cuts, pads and stretches what is not square", () => {
    const wide = [10, 20, 30, 40, 10, 20, 30, 40];
    expect(resize(wide, 2, 2, "crop")).toEqual([20, 30, 20, 30]);
    expect(resize(wide, 2, 4, "pad")).toEqual([0, 0, 0, 0, 10, 20, 30, 40, 10, 20, 30, 40, 0, 0, 0, 0]);
    expect(resize(wide, 2, 2, "stretch")).toEqual([17, 33, 17, 33]);
  });
});
