/** Convolutions to time lowerings on: those of the benchmark against PyTorch, and others that models here have. */
import type { ConvOptions } from "../../src/ops/index.ts";
import { convShapes } from "../cases.ts";

export interface ConvCase {
  readonly name: string;
  /** [B, C, ...S] */
  readonly x: readonly number[];
  /** [O, C/G, ...K] */
  readonly w: readonly number[];
  readonly options: ConvOptions;
}

const padded = { padding: 1 };

export const convCases: readonly ConvCase[] = [
  ...convShapes.map(([B, C, H, W, O]) => ({
    name: `3x3 ${B}x${C}x${H}x${W} to ${O}`,
    x: [B, C, H, W],
    w: [O, C, 3, 3],
    options: padded,
  })),
  { name: "3x3 last layer 16x64x32x32 to 3", x: [16, 64, 32, 32], w: [3, 64, 3, 3], options: padded },
  { name: "3x3 few results 16x64x32x32 to 8", x: [16, 64, 32, 32], w: [8, 64, 3, 3], options: padded },
  { name: "3x3 few results 16x32x32x32 to 8", x: [16, 32, 32, 32], w: [8, 32, 3, 3], options: padded },
  { name: "3x3 few results 16x64x32x32 to 12", x: [16, 64, 32, 32], w: [12, 64, 3, 3], options: padded },
  { name: "3x3 first layer 16x3x32x32 to 64", x: [16, 3, 32, 32], w: [64, 3, 3, 3], options: padded },
  { name: "3x3 tiny images 64x128x4x4 to 128", x: [64, 128, 4, 4], w: [128, 128, 3, 3], options: padded },
  { name: "U-Net 3x3 64x32x32x32 to 32", x: [64, 32, 32, 32], w: [32, 32, 3, 3], options: padded },
  { name: "U-Net 3x3 64x64x32x32 to 32", x: [64, 64, 32, 32], w: [32, 64, 3, 3], options: padded },
  { name: "U-Net 3x3 64x64x16x16 to 64", x: [64, 64, 16, 16], w: [64, 64, 3, 3], options: padded },
  { name: "U-Net 3x3 64x128x16x16 to 64", x: [64, 128, 16, 16], w: [64, 128, 3, 3], options: padded },
  { name: "U-Net 3x3 64x64x8x8 to 64", x: [64, 64, 8, 8], w: [64, 64, 3, 3], options: padded },
  { name: "U-Net 1x1 64x64x8x8 to 192", x: [64, 64, 8, 8], w: [192, 64, 1, 1], options: {} },
  { name: "U-Net 4x4 up 64x64x32x32 from 64", x: [64, 64, 32, 32], w: [64, 64, 4, 4], options: { stride: 2, padding: 1 } },
  {
    name: "masked 64x32x28x28 to 32",
    x: [64, 32, 28, 28],
    w: [32, 32, 2, 3],
    options: {
      padding: [
        [1, 0],
        [1, 1],
      ],
    },
  },
  { name: "5x5 16x32x32x32 to 32", x: [16, 32, 32, 32], w: [32, 32, 5, 5], options: { padding: 2 } },
  { name: "1x1 16x64x32x32 to 64", x: [16, 64, 32, 32], w: [64, 64, 1, 1], options: {} },
  { name: "1x1 8x256x8x8 to 256", x: [8, 256, 8, 8], w: [256, 256, 1, 1], options: {} },
  { name: "stride 2 3x3 16x64x32x32 to 128", x: [16, 64, 32, 32], w: [128, 64, 3, 3], options: { stride: 2, padding: 1 } },
  { name: "stride 2 4x4 16x64x32x32 to 128", x: [16, 64, 32, 32], w: [128, 64, 4, 4], options: { stride: 2, padding: 1 } },
  { name: "stride 2 4x4 64x64x16x16 to 128", x: [64, 64, 16, 16], w: [128, 64, 4, 4], options: { stride: 2, padding: 1 } },
  { name: "stride 2 4x4 64x128x8x8 to 256", x: [64, 128, 8, 8], w: [256, 128, 4, 4], options: { stride: 2, padding: 1 } },
  { name: "stride 2 4x4 128x32x14x14 to 64", x: [128, 32, 14, 14], w: [64, 32, 4, 4], options: { stride: 2, padding: 1 } },
  { name: "causal 1-d dilation 1, 4x32x4097 to 64", x: [4, 32, 4097], w: [64, 32, 2], options: { dilation: 1 } },
  { name: "causal 1-d dilation 512, 4x32x4608 to 64", x: [4, 32, 4608], w: [64, 32, 2], options: { dilation: 512 } },
  { name: "depthwise 3x3 16x64x32x32", x: [16, 64, 32, 32], w: [64, 1, 3, 3], options: { padding: 1, groups: 64 } },
  { name: "4 groups 3x3 16x64x32x32", x: [16, 64, 32, 32], w: [64, 16, 3, 3], options: { padding: 1, groups: 4 } },
  { name: "3-d 3x3x3 2x32x8x16x16 to 32", x: [2, 32, 8, 16, 16], w: [32, 32, 3, 3, 3], options: padded },
];
