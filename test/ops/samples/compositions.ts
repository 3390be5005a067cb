/** Samples of ops that are no primitives but written in others. */
import * as ops from "../../../src/ops/index.ts";
import { betweenHalves, distinct, exactly, nonzero, normal, type Sample, sample, uniform } from "./make.ts";

export const compositions: readonly Sample[] = [
  sample("square", [normal(2, 3)], ([x]) => ops.square(x)),
  sample("rsqrt", [uniform(0.2, 3, 4)], ([x]) => ops.rsqrt(x)),
  sample("tan", [uniform(-1.2, 1.2, 4)], ([x]) => ops.tan(x)),
  sample("ceil", [betweenHalves(4)], ([x]) => ops.ceil(x)),
  sample("clamp", [betweenHalves(2, 4)], ([x]) => ops.clamp(x, -1, 0.5)),
  sample("log1p", [uniform(-0.9, 3, 6)], ([x]) => ops.log1p(x)),
  sample("expm1", [uniform(-3, 3, 8)], ([x]) => ops.expm1(x)),
  sample("expm1 at the seams", [exactly("float32", [4], [-1, 1, 0, 20])], ([x]) => ops.expm1(x)),
  sample("log1p and expm1 of tiny numbers", [uniform(-1e-6, 1e-6, 6)], ([x]) => [
    ops.mul(ops.log1p(x), 1e6),
    ops.mul(ops.expm1(x), 1e6),
  ]),
  sample("softplus", [normal(4)], ([x]) => ops.softplus(x)),
  sample("softplus far out", [uniform(-60, 60, 8)], ([x]) => ops.softplus(x)),
  sample("silu", [normal(4)], ([x]) => ops.silu(x)),
  sample("gelu", [normal(6)], ([x]) => ops.gelu(x)),
  sample("gelu far out", [uniform(-40, 40, 8)], ([x]) => ops.gelu(x)),
  sample("geluTanh", [normal(6)], ([x]) => ops.geluTanh(x)),
  sample("geluTanh far out", [uniform(-40, 40, 8)], ([x]) => ops.geluTanh(x)),
  sample("silu far out", [uniform(-80, 80, 8)], ([x]) => ops.silu(x)),
  sample("leakyRelu", [nonzero(6)], ([x]) => ops.leakyRelu(x, 0.2)),
  sample("logsumexp", [normal(2, 3)], ([x]) => [ops.logsumexp(x), ops.logsumexp(x, 0), ops.logsumexp(x, -1, { keepDims: true })]),
  sample("logsumexp large", [uniform(60, 80, 2, 3)], ([x]) => ops.logsumexp(x, 1)),
  sample("variance", [normal(2, 3)], ([x]) => [
    ops.variance(x),
    ops.variance(x, 0),
    ops.variance(x, -1, { keepDims: true, correction: 1 }),
  ]),
  sample("einsum matrix product", [normal(2, 3), normal(3, 2)], ([x, y]) => ops.einsum("ij,jk->ki", x, y)),
  sample("einsum attention", [normal(2, 3, 2, 2), normal(2, 2, 2, 2)], ([q, k]) => ops.einsum("bqhd,bkhd->bhqk", q, k)),
  sample("einsum sums what is missing", [normal(2, 3)], ([x]) => [ops.einsum("ij->j", x), ops.einsum("ij->", x)]),
  sample("einsum of three", [normal(2, 3), normal(3, 2), normal(2)], ([x, y, z]) => ops.einsum("ij,jk,k->i", x, y, z)),
  sample("einsum outer product", [normal(2), normal(3)], ([x, y]) => ops.einsum("i,j->ji", x, y)),
  sample("einsum sum within an operand", [normal(2, 3), normal(2, 2)], ([x, y]) => ops.einsum("ij,ik->k", x, y)),
  sample("resize nearest", [normal(1, 2, 3, 2)], ([x]) => [ops.resize(x, [6, 2]), ops.resize(x, [2, 5])]),
  sample("resize linear", [normal(1, 2, 3, 2)], ([x]) => [
    ops.resize(x, [6, 4], { mode: "linear" }),
    ops.resize(x, [2, 5], { mode: "linear" }),
  ]),
  sample("resize linear 1-d and 3-d", [normal(1, 1, 4), normal(1, 1, 2, 2, 2)], ([x, y]) => [
    ops.resize(x, [3], { mode: "linear" }),
    ops.resize(y, [3, 2, 1], { mode: "linear" }),
  ]),
  sample("maximum of softmax and its logarithm", [distinct(2, 3)], ([x]) =>
    ops.maximum(ops.softmax(x), ops.neg(ops.logSoftmax(x))),
  ),
];
