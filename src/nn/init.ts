/** Initial values of parameters: plain arrays, drawn from a key. */
import type { NdArray, Shape } from "../util/ndarray.ts";
import { sizeOf } from "../util/ndarray.ts";
import { fillNormal, fillUniform, type Key } from "../util/random.ts";

/** Numbers from a normal distribution around 0. */
export function normalInit(key: Key, shape: Shape, deviation: number): NdArray {
  const data = new Float32Array(sizeOf(shape));
  fillNormal(key, data);
  for (let i = 0; i < data.length; i++) data[i] = (data[i] as number) * deviation;
  return { dtype: "float32", shape, data };
}

/** Numbers spread evenly between -bound and bound. */
export function uniformInit(key: Key, shape: Shape, bound: number): NdArray {
  const data = new Float32Array(sizeOf(shape));
  fillUniform(key, data);
  for (let i = 0; i < data.length; i++) data[i] = (2 * (data[i] as number) - 1) * bound;
  return { dtype: "float32", shape, data };
}

/** One number everywhere. */
export function constantInit(shape: Shape, value: number): NdArray {
  return { dtype: "float32", shape, data: new Float32Array(sizeOf(shape)).fill(value) };
}
