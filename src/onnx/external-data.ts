/**
 * Large models: numbers in a file beside the model, since a model's own file can hold at most 2 GB.
 *
 * Source: https://github.com/onnx/onnx/blob/main/docs/ExternalData.md
 */
import { create } from "@bufbuild/protobuf";
import { type ModelProto, StringStringEntryProtoSchema, TensorProto_DataLocation } from "onnx-buf";

/** Arrays below this many bytes stay in the model. */
const smallest = 1024;
/** Arrays begin at multiples of it, so that runtimes can map the file into memory. */
const page = 4096;

/** Bytes of the numbers that a model stores. */
export function storedBytes({ graph }: ModelProto): number {
  return graph?.initializer.reduce((sum, { rawData }) => sum + rawData.length, 0) ?? 0;
}

/**
 * Moves a model's stored numbers out of it.
 *
 * @param location name of the file beside the model that will hold them
 * @returns the file's bytes, in pieces
 */
export function moveOut({ graph }: ModelProto, location: string): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let offset = 0;
  for (const tensor of graph?.initializer ?? []) {
    const { rawData } = tensor;
    if (rawData.length < smallest) continue;
    const gap = (page - (offset % page)) % page;
    if (gap > 0) pieces.push(new Uint8Array(gap));
    offset += gap;
    const entries = { location, offset: String(offset), length: String(rawData.length) };
    tensor.dataLocation = TensorProto_DataLocation.EXTERNAL;
    tensor.externalData = Object.entries(entries).map(([key, value]) => create(StringStringEntryProtoSchema, { key, value }));
    tensor.rawData = new Uint8Array();
    pieces.push(rawData);
    offset += rawData.length;
  }
  return pieces;
}
