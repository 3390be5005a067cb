/** Running graphs with ONNX Runtime: devices, compiled functions, buffers. */
export {
  type CompileOptions,
  type Concrete,
  compile,
  type Executable,
  jit,
  type Leaf,
  type Traced,
} from "./compile.ts";
export { usableCores } from "./cores.ts";
export {
  type Device,
  type DeviceStatus,
  defaultDevice,
  deviceNames,
  listDevices,
  parseDevice,
  runsInThreads,
} from "./devices.ts";
export { SpareBuffers } from "./spare-buffers.ts";
