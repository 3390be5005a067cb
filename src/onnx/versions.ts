/**
 * Versions of the ONNX standard that graphs are written in: of the operator set, and of the file format.
 *
 * Source: https://github.com/onnx/onnx/blob/main/docs/Versioning.md and Operators.md (operators by version).
 */

export interface OnnxVersion {
  readonly opset: number;
  readonly irVersion: number;
}

/** What this package's own runtime reads. */
export const newest: OnnxVersion = { opset: 21, irVersion: 10 };

/** Of 2022: the first with LayerNormalization. ONNX Runtime reads it since 1.12. */
const old: OnnxVersion = { opset: 17, irVersion: 8 };

/** Operators that mean the same in the old version and the newest, in the forms that primitives lower to. */
const unchanged = new Set(
  (
    "Abs Add And Cast Concat ConstantOfShape Conv ConvTranspose Cos CumSum Div Equal Erf Exp Expand Floor Gather " +
    "GatherElements Gemm Greater GreaterOrEqual HardSigmoid Identity LayerNormalization Less LessOrEqual Log LogSoftmax Loop " +
    "MatMul Max Min Mod Mul Neg Not Or Pow Range ReduceSum Relu Reshape Round Scan ScatterElements Shape Sigmoid Sign Sin " +
    "Slice Softmax Split Sqrt Squeeze Sub Tanh TopK Transpose Where"
  ).split(" "),
);

/** The oldest version that has these operators. */
export function oldestVersion(operators: Iterable<string>): OnnxVersion {
  for (const operator of operators) if (!unchanged.has(operator)) return newest;
  return old;
}
