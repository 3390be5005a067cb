/** How a convolution's kernel moves over its input; what the primitives of `conv.ts` and their lowerings share. */
import { type Shape, sizeOf } from "../util/ndarray.ts";

/** One entry per spatial axis. */
export interface Geometry {
  readonly strides: readonly number[];
  /** [before, after] per axis. */
  readonly pads: readonly (readonly [number, number])[];
  readonly dilations: readonly number[];
  readonly groups: number;
}

/** How far a kernel reaches along an axis. */
export const effective = (k: number, dilation: number): number => (k - 1) * dilation + 1;

/** Spatial dims of the result. */
export function outputDims(spatial: Shape, kernel: Shape, { strides, pads, dilations }: Geometry): number[] {
  return spatial.map((s, i) => {
    const [low, high] = pads[i] as readonly [number, number];
    return Math.floor((s + low + high - effective(kernel[i] as number, dilations[i] as number)) / (strides[i] as number)) + 1;
  });
}

/** The geometry as attributes of ONNX's Conv and ConvTranspose. */
export const onnxGeometry = ({ strides, pads, dilations, groups }: Geometry) => ({
  strides,
  dilations,
  group: groups,
  pads: [...pads.map((p) => p[0]), ...pads.map((p) => p[1])],
});

/** Every position in a kernel, last axis fastest. */
export function taps(kernel: Shape): number[][] {
  return kernel.reduce<number[][]>((all, k) => all.flatMap((tap) => Array.from({ length: k }, (_, i) => [...tap, i])), [[]]);
}

/** Elements between neighbours along each axis of a row-major array. */
export function pitches(dims: Shape): number[] {
  return dims.map((_, i) => sizeOf(dims.slice(i + 1)));
}
