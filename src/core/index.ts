/** The engine: symbolic tensors, gradients, loops. */
export { constant, constantValue, stopGradient, type TensorLike } from "./builtin.ts";
export { customVjp, type GradOptions, grad, valueAndGrad, vjp } from "./grad.ts";
export { definePrimitive, type Primitive, type PrimitiveRules } from "./primitive.ts";
export { bernoulli, normal, randint, TracedKey, uniform } from "./random.ts";
export { remat } from "./remat.ts";
export { type ScanOptions, scan, whileLoop } from "./scan.ts";
export { isTensor, ShapeError, Tensor, type TensorType, typeName } from "./tensor.ts";
