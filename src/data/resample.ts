/**
 * Resizing many small grey pictures of one size: bilinear, and with an average over what an output pixel covers when it makes them
 * smaller (as Pillow's and PyTorch's antialiased bilinear filter). The weights are computed once for all pictures of a size, which
 * a call into an image library for each picture cannot do.
 */

/** What of the input goes where in the output, along one axis, in pixels. */
interface Span {
  readonly from: number;
  readonly length: number;
  readonly to: number;
  readonly size: number;
}

/** How to weigh input pixels: for each output pixel the first input pixel and the weights from there; none for what stays black. */
type Weights = readonly { readonly first: number; readonly weights: readonly number[] }[];

/** Height and width in pixels. */
interface Sides {
  readonly height: number;
  readonly width: number;
}

/**
 * A function that brings pictures [height, width] to [size, size].
 *
 * @param fit "crop" cuts the middle square out, "pad" puts the whole on black, "stretch" distorts
 */
export function resampler(from: Sides, size: number, fit: "crop" | "pad" | "stretch"): (pixels: Uint8Array) => Uint8Array {
  const resample = weigher(from, size, fit);
  return (pixels) => resample(pixels, new Uint8Array(size * size), 0.5);
}

/** As `resampler`, but what comes out is not rounded. */
export function exactResampler(from: Sides, size: number, fit: "crop" | "pad" | "stretch"): (pixels: Uint8Array) => Float32Array {
  const resample = weigher(from, size, fit);
  return (pixels) => resample(pixels, new Float32Array(size * size), 0);
}

/** A function that fills `out` with weighted sums; `bias` is added to each, for what rounds down. */
function weigher({ height, width }: Sides, size: number, fit: "crop" | "pad" | "stretch") {
  const side = fit === "crop" ? Math.min(height, width) : Math.max(height, width);
  const axis = (length: number) => (fit === "stretch" ? whole(length, size) : square(length, side, size));
  const [down, across] = [weightsOf(axis(height), size), weightsOf(axis(width), size)];
  return <Out extends Uint8Array | Float32Array>(pixels: Uint8Array, out: Out, bias: number): Out => {
    const wide = new Float32Array(height * size);
    for (let y = 0; y < height; y++)
      across.forEach(({ first, weights }, x) => {
        let sum = 0;
        for (let i = 0; i < weights.length; i++) sum += (weights[i] as number) * (pixels[y * width + first + i] as number);
        wide[y * size + x] = sum;
      });
    down.forEach(({ first, weights }, y) => {
      for (let x = 0; x < size; x++) {
        let sum = bias;
        for (let i = 0; i < weights.length; i++) sum += (weights[i] as number) * (wide[(first + i) * size + x] as number);
        out[y * size + x] = sum;
      }
    });
    return out;
  };
}

const whole = (length: number, size: number): Span => ({ from: 0, length, to: 0, size });

/** A square of the given side, laid over the middle of an axis: the part of the axis inside it and where that comes to lie. */
function square(length: number, side: number, size: number): Span {
  if (length >= side) return { from: (length - side) / 2, length: side, to: 0, size };
  const shown = Math.max(1, Math.round((length * size) / side));
  return { from: 0, length, to: Math.floor((size - shown) / 2), size: shown };
}

/** A triangle filter, as wide as an output pixel where that is wider than one of the input. */
function weightsOf({ from, length, to, size }: Span, total: number): Weights {
  const step = length / size;
  const reach = Math.max(1, step);
  const [low, high] = [Math.ceil(from), Math.floor(from + length) - 1];
  return Array.from({ length: total }, (_, i) => {
    if (i < to || i >= to + size) return { first: 0, weights: [] };
    const centre = from + (i - to + 0.5) * step - 0.5;
    const first = Math.max(low, Math.ceil(centre - reach));
    const last = Math.min(high, Math.floor(centre + reach));
    const raw = Array.from({ length: last - first + 1 }, (_, j) => Math.max(0, 1 - Math.abs(first + j - centre) / reach));
    const sum = raw.reduce((a, b) => a + b, 0);
    return { first, weights: raw.map((weight) => weight / sum) };
  });
}
