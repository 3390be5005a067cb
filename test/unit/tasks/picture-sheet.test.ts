/** Sheets of pictures. */
import sharp from "sharp";
import { expect, it } from "vitest";
import { sheetOf } from "../../../src/tasks/drawing/picture-sheet.node.ts";

const grey = (value: number) => ({ channels: 1, height: 2, width: 2, pixels: new Uint8Array(4).fill(value) });
const red = { channels: 3, height: 2, width: 2, pixels: Uint8Array.of(255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0) };

async function pixelsOf(png: Uint8Array) {
  const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
  return { ...info, at: (x: number, y: number) => [...data.subarray((y * info.width + x) * info.channels).subarray(0, 3)] };
}

it("sets pictures in rows, enlarged, with gaps between them", async () => {
  const sheet = await pixelsOf(await sheetOf([grey(0), red, grey(9)], { columns: 2, scale: 3, gap: 1 }));
  expect([sheet.width, sheet.height]).toEqual([1 + 2 * 7, 1 + 2 * 7]);
  expect([sheet.at(0, 0), sheet.at(1, 1), sheet.at(6, 6), sheet.at(7, 1)]).toEqual([
    [255, 255, 255],
    [0, 0, 0],
    [0, 0, 0],
    [255, 255, 255],
  ]);
  expect([sheet.at(8, 1), sheet.at(1, 8), sheet.at(8, 8)]).toEqual([
    [255, 0, 0],
    [9, 9, 9],
    [255, 255, 255],
  ]);
});
it("writes captions below, in room of their own", async () => {
  const plain = await pixelsOf(await sheetOf([grey(255)], { scale: 20 }));
  const captioned = await pixelsOf(await sheetOf([grey(255)], { scale: 20, captions: ["<a> & b"] }));
  expect(captioned.height - plain.height).toBe(14);
  const dark = (sheet: typeof plain) =>
    Array.from({ length: sheet.width * sheet.height }, (_, i) => sheet.at(i % sheet.width, Math.floor(i / sheet.width))).some(
      ([v]) => (v ?? 255) < 128,
    );
  expect([dark(plain), dark(captioned)]).toEqual([false, true]);
});
it("is an empty sheet without pictures", async () => {
  expect((await pixelsOf(await sheetOf([]))).width).toBeGreaterThan(0);
});
