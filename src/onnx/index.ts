/** ONNX: writing traced functions as models. */
export { buildModel, encodeModel, type GraphSpec, type ModelOptions } from "./builder.ts";
export { endMark, withEndMark } from "./end-mark.ts";
export { moveOut, storedBytes } from "./external-data.ts";
export { canShareBuffer } from "./in-place.ts";
export { buildOpen, type OpenDimension } from "./open-dimensions.ts";
