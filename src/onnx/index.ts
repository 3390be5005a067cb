/** ONNX: writing traced functions as models. */
export { buildModel, encodeModel, type GraphSpec, type ModelOptions } from "./builder.ts";
export { canShareBuffer } from "./in-place.ts";
