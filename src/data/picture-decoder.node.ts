/**
 * From picture files (through sharp) or raw pixels of any size to pixels of one size.
 *
 * Turned as their EXIF says; transparent parts become white; grey and other colour spaces become RGB, and grey again where that
 * is asked for.
 */
import sharp, { type Sharp } from "sharp";
import type { MediaSource } from "./media-table.node.ts";
import { resampler } from "./resample.ts";

/** A picture on its way in: the bytes of a file, or pixels. */
export interface PictureSource extends MediaSource {
  /** Set where `read` gives pixels, not a file: grey [height, width]. */
  readonly raw?: { readonly height: number; readonly width: number };
}

/** How a picture becomes a square: cut to its middle, put on black, or stretched. */
export type Fit = "crop" | "pad" | "stretch";

const fits = { crop: "cover", pad: "contain", stretch: "fill" } as const;

export interface DecodedPicture {
  readonly height: number;
  readonly width: number;
  /** [height, width, channels] */
  readonly pixels: Uint8Array;
}

/** The size that a picture is shown at, from its first bytes. */
export async function pictureSize(source: PictureSource): Promise<{ readonly height: number; readonly width: number }> {
  if (source.raw) return source.raw;
  const { autoOrient } = await sharp(await source.read()).metadata();
  return { height: autoOrient.height, width: autoOrient.width };
}

/** What pictures become; all of a set alike. */
export interface Decoding {
  readonly channels: 1 | 3;
  /** Height and width; as they are unless told. */
  readonly size: number | undefined;
  readonly fit?: Fit | undefined;
}

/** A function that decodes pictures and brings them to a square of `size` pixels if that is given. */
export function pictureDecoder({ channels, size, fit = "crop" }: Decoding): (source: PictureSource) => Promise<DecodedPicture> {
  const resamplers = new Map<string, (pixels: Uint8Array) => Uint8Array>();
  const fromRaw = (bytes: Uint8Array, { height, width }: { readonly height: number; readonly width: number }): DecodedPicture => {
    if (size === undefined || (height === size && width === size)) {
      return { height, width, pixels: withChannels(bytes, 1, channels) };
    }
    const shape = `${height}×${width}`;
    const resample = resamplers.get(shape) ?? resampler({ height, width }, size, fit);
    resamplers.set(shape, resample);
    return { height: size, width: size, pixels: withChannels(resample(bytes), 1, channels) };
  };
  return async (source) => {
    const bytes = await source.read();
    if (source.raw) return fromRaw(bytes, source.raw);
    let image: Sharp = sharp(bytes, { failOn: "error" }).autoOrient().flatten({ background: "#fff" });
    if (size !== undefined) image = image.resize(size, size, { fit: fits[fit], background: "#000" });
    image = channels === 1 ? image.toColourspace("b-w") : image.toColourspace("srgb");
    const { data, info } = await image.raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
    return { height: info.height, width: info.width, pixels: withChannels(data, info.channels, channels) };
  };
}

/** Grey repeated into RGB, or the first of several channels, where sharp gives another number than asked for. */
function withChannels(data: Uint8Array, from: number, to: number): Uint8Array {
  if (from === to) return data;
  const out = new Uint8Array((data.length / from) * to);
  for (let i = 0; i < out.length / to; i++)
    for (let c = 0; c < to; c++) out[i * to + c] = data[i * from + Math.min(c, from - 1)] as number;
  return out;
}
