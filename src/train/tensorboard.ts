/**
 * TensorBoard event files: the bytes of one record each for scalars, text and images.
 *
 * A file is a sequence of records
 *
 *   8 bytes   length of the data, little-endian
 *   4 bytes   masked CRC-32C of these 8 bytes
 *   data      an Event, as protobuf
 *   4 bytes   masked CRC-32C of the data
 *
 * of which the first says the version, "brain.Event:2". The messages used, with their field numbers:
 *
 *   Event            wall_time 1 (double, seconds), step 2 (int64), file_version 3, summary 5, session_log 7
 *   SessionLog       status 1 (START = 1)
 *   Summary          value 1 (repeated)
 *   Summary.Value    tag 1, simple_value 2 (float), image 4, tensor 8, metadata 9
 *   Image            height 1, width 2, colorspace 3 (channels), encoded_image_string 4
 *   TensorProto      dtype 1 (DT_STRING = 7), tensor_shape 2, string_val 8
 *   SummaryMetadata  plugin_data 1 { plugin_name 1 }
 *
 * Source: tensorflow/core/util/event.proto, framework/summary.proto and lib/io/record_writer in TensorFlow.
 */
import { crc32c } from "@aws-crypto/crc32c";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { HeptagenError } from "../util/errors.ts";

/** When something was measured. */
export interface EventTime {
  readonly step: number;
  /** Seconds since 1970. */
  readonly wallTime: number;
}

/** One thing to show under a tag, such as `loss/train`. Text is Markdown, an image the bytes of a PNG. */
export type SummaryValue = { readonly tag: string } & (
  | { readonly scalar: number }
  | { readonly text: string }
  | { readonly png: Uint8Array }
);

/** The record every file begins with. */
export function fileVersionRecord(wallTime: number): Uint8Array {
  return record(event({ wallTime, step: 0 }).tag(3, WireType.LengthDelimited).string("brain.Event:2"));
}

/** Tells TensorBoard that training goes on from `step`: what earlier files of the folder hold from there on is not shown. */
export function restartRecord(time: EventTime): Uint8Array {
  return record(event(time).tag(7, WireType.LengthDelimited).fork().tag(1, WireType.Varint).int32(1).join());
}

/**
 * A record with values of one step.
 *
 * @throws HeptagenError `tensorboard/png` when an image is not a PNG
 * @example summaryRecord({ step: 10, wallTime: Date.now() / 1000 }, [{ tag: "loss/train", scalar: 2.3 }])
 */
export function summaryRecord(time: EventTime, values: readonly SummaryValue[]): Uint8Array {
  const writer = event(time).tag(5, WireType.LengthDelimited).fork();
  for (const value of values) {
    writer.tag(1, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).string(value.tag);
    if ("scalar" in value) writer.tag(2, WireType.Bit32).float(Math.fround(value.scalar));
    else if ("text" in value) writeText(writer, value.text);
    else writeImage(writer, value);
    writer.join();
  }
  return record(writer.join());
}

function event({ step, wallTime }: EventTime): BinaryWriter {
  return new BinaryWriter().tag(1, WireType.Bit64).double(wallTime).tag(2, WireType.Varint).int64(step);
}

function writeText(writer: BinaryWriter, text: string): void {
  writer.tag(8, WireType.LengthDelimited).fork(); // tensor: one string, shape [1]
  writer.tag(1, WireType.Varint).int32(7);
  writer.tag(2, WireType.LengthDelimited).fork().tag(2, WireType.LengthDelimited).fork(); // tensor_shape { dim { size 1 } }
  writer.tag(1, WireType.Varint).int64(1).join().join();
  writer.tag(8, WireType.LengthDelimited).bytes(new TextEncoder().encode(text)).join();
  writer.tag(9, WireType.LengthDelimited).fork().tag(1, WireType.LengthDelimited).fork(); // metadata { plugin_data { … } }
  writer.tag(1, WireType.LengthDelimited).string("text").join().join();
}

const pngSignature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** Channels of each PNG colour type; a palette shows as RGB. */
const pngChannels: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 3, 4: 2, 6: 4 };

function writeImage(writer: BinaryWriter, { tag, png }: { tag: string; png: Uint8Array }): void {
  const channels = pngChannels[png[25] ?? -1];
  if (!pngSignature.every((byte, i) => png[i] === byte) || channels === undefined) {
    throw new HeptagenError("tensorboard/png", `"${tag}": expected the bytes of a PNG image, got ${png.length} other bytes`);
  }
  const header = new DataView(png.buffer, png.byteOffset); // IHDR: width at byte 16, height at 20, colour type at 25
  writer.tag(4, WireType.LengthDelimited).fork();
  writer.tag(1, WireType.Varint).int32(header.getUint32(20));
  writer.tag(2, WireType.Varint).int32(header.getUint32(16));
  writer.tag(3, WireType.Varint).int32(channels);
  writer.tag(4, WireType.LengthDelimited).bytes(png).join();
}

/** Frames an event: length, data and their checksums. */
function record(writer: BinaryWriter): Uint8Array {
  const data = writer.finish();
  const bytes = new Uint8Array(12 + data.length + 4);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc(bytes.subarray(0, 8)), true);
  bytes.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc(data), true);
  return bytes;
}

/** A CRC of data that may itself contain CRCs: rotated right by 15 bits, plus a constant. */
function maskedCrc(data: Uint8Array): number {
  const crc = crc32c(data);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
