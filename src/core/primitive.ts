/**
 * Primitives: the engine's vocabulary.
 *
 * A primitive is one block: how its output types follow from its inputs (`infer`), its gradient (`vjp`) and how it becomes
 * ONNX (`lower`). Shared code never asks for a primitive by name; what passes need to know, a primitive declares.
 */
import type { Lowering, Value } from "./lowering.ts";
import { Node, type Tensor, type TensorType } from "./tensor.ts";

/** A list a rule may take apart without checks: the op's public function has made sure of what its rules read. */
export type Operands<T> = readonly [T, T, T, ...T[]];

/** Types of a node's operands and results, for lowering rules, and which results anyone reads. */
export interface Signature {
  readonly inputs: Operands<TensorType>;
  readonly outputs: Operands<TensorType>;
  readonly used: readonly boolean[];
}

/** What a primitive declares besides its three rules. */
interface Traits<Params> {
  readonly name: string;
  /** Text that equals when two nodes with equal inputs compute the same; null when they must stay apart. Default: JSON. */
  key?(params: Params): string | null;
  /** An extra leading axis on operands and results maps over it, as in NumPy broadcasting: lets a scan's gradient batch it over time. */
  readonly mapsLeadingAxis?: boolean;
  /** Whether no gradient flows through: what follows then counts as independent of what comes before. */
  stopsGradient?(params: Params): boolean;
  /** Yields fresh randomness: must not be drawn inside a loop body, where it would be the same in every iteration. */
  readonly random?: boolean;
}

export interface PrimitiveRules<Params> extends Traits<Params> {
  /** Output types; throws `ShapeError` when the operands do not fit. */
  infer(inputs: Operands<TensorType>, params: Params): readonly TensorType[];
  /**
   * Vector-Jacobian product: from one cotangent per output (null where none arrives) to one per input (null where none
   * leaves). Written in ops, so that gradients have gradients. `needs` tells which inputs lead to something asked for.
   */
  vjp?(
    cotangents: Operands<Tensor | null>,
    inputs: Operands<Tensor>,
    outputs: Operands<Tensor>,
    params: Params,
    needs: readonly boolean[],
  ): readonly (Tensor | null)[];
  /** Emits ONNX nodes and returns one value per output. */
  lower(b: Lowering, inputs: Operands<Value>, params: Params, signature: Signature): Value | readonly Value[];
}

export interface Primitive<Params = unknown> extends Traits<Params> {
  infer(inputs: readonly TensorType[], params: Params): readonly TensorType[];
  vjp?(
    cotangents: readonly (Tensor | null)[],
    inputs: readonly Tensor[],
    outputs: readonly Tensor[],
    params: Params,
    needs: readonly boolean[],
  ): readonly (Tensor | null)[];
  lower(b: Lowering, inputs: readonly Value[], params: Params, signature: Signature): Value | readonly Value[];
  /** Appends a node and returns its outputs. */
  bind(inputs: readonly Tensor[], params: Params): Operands<Tensor>;
}

/**
 * Declares a primitive.
 *
 * @example
 * const negPrimitive = definePrimitive<Record<string, never>>({
 *   name: "neg",
 *   infer: ([x]) => [x],
 *   vjp: ([ct]) => [ct && neg(ct)],
 *   lower: (b, [x]) => b.node("Neg", [x]),
 * });
 */
export function definePrimitive<Params>(rules: PrimitiveRules<Params>): Primitive<Params> {
  // Rules see lists as long as they like (Operands); callers pass plain lists. This is the one place where they meet.
  const primitive = {
    ...rules,
    bind(inputs: readonly Tensor[], params: Params): Operands<Tensor> {
      const types = rules.infer(inputs as Operands<Tensor>, params);
      return new Node(primitive as Primitive, inputs, params, types).outputs as readonly Tensor[] as Operands<Tensor>;
    },
  } as Primitive<Params>;
  return primitive;
}
