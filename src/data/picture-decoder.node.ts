/**
 * From picture files (or raw pixels) of any size to pixels of one size, through sharp.
 *
 * Turned as their EXIF says; transparent parts become white; grey and other colour spaces become RGB, and grey again where that
 * is asked for.
 */
import sharp, { type Sharp } from "sharp";

/** A picture on its way in: the bytes of a file, or pixels. */
export interface PictureSource {
  /** For errors: path, place in an archive, row of a table. */
  readonly file: string;
  /** The name of its class. */
  readonly label: string | undefined;
  read(): Promise<Uint8Array>;
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

/** Decodes a picture and brings it to a square of `size` pixels if that is given. */
export async function decodePicture(
  source: PictureSource,
  {
    channels,
    size,
    fit = "crop",
  }: { readonly channels: 1 | 3; readonly size: number | undefined; readonly fit?: Fit | undefined },
): Promise<DecodedPicture> {
  const bytes = await source.read();
  const raw = source.raw && { ...source.raw, channels: 1 as const };
  if (raw && (size === undefined || (raw.height === size && raw.width === size))) {
    return { height: raw.height, width: raw.width, pixels: withChannels(bytes, 1, channels) };
  }
  let image: Sharp = (raw ? sharp(bytes, { raw }) : sharp(bytes, { failOn: "error" }).autoOrient()).flatten({
    background: "#fff",
  });
  if (size !== undefined) image = image.resize(size, size, { fit: fits[fit], background: "#000" });
  image = channels === 1 ? image.toColourspace("b-w") : image.toColourspace("srgb");
  const { data, info } = await image.raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
  return { height: info.height, width: info.width, pixels: withChannels(data, info.channels, channels) };
}

/** Grey repeated into RGB, or the first of several channels, where sharp gives another number than asked for. */
function withChannels(data: Uint8Array, from: number, to: number): Uint8Array {
  if (from === to) return data;
  const out = new Uint8Array((data.length / from) * to);
  for (let i = 0; i < out.length / to; i++)
    for (let c = 0; c < to; c++) out[i * to + c] = data[i * from + Math.min(c, from - 1)] as number;
  return out;
}
