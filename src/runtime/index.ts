/** Running graphs with ONNX Runtime: devices, compiled functions, buffers. */
export {
  type CompileOptions,
  type Concrete,
  compile,
  type Executable,
  jit,
  type Leaf,
  type SpareBuffers,
  type Traced,
} from "./compile.ts";
export { type Device, type DeviceStatus, defaultDevice, deviceNames, listDevices, parseDevice } from "./devices.ts";
