/**
 * Writes ONNX: the implementation of `Lowering`.
 *
 * A `GraphBuilder` collects nodes for one graph (the model's, or a loop body's); all graphs of a model share the names and
 * the constants, which live in the outermost graph. `buildModel` turns a traced function into a model's bytes.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  TensorProto_DataType as DataType,
  type GraphProto,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from "onnx-buf";
import { type Attribute, Known, type LoweredBody, type Lowering, lower, type Value } from "../core/lowering.ts";
import type { Operands } from "../core/primitive.ts";
import type { Tensor, TensorType } from "../core/tensor.ts";
import type { DType, NdArray, Shape } from "../util/ndarray.ts";
import { computeNumbers, dimensionName, type OpenDimension, type ShapeNumber, type Watch } from "./open-dimensions.ts";
import { renameOutputs } from "./rename-outputs.ts";
import { newest, oldestVersion } from "./versions.ts";

const dataTypes: Record<DType, DataType> = {
  float32: DataType.FLOAT,
  int32: DataType.INT32,
  int64: DataType.INT64,
  bool: DataType.BOOL,
};

/** What all graphs of one model share. */
class ModelParts {
  readonly initializers: TensorProto[] = [];
  /** Types of all nodes. */
  readonly operators = new Set<string>();
  /** Whether operators of the com.microsoft domain may be used. */
  readonly contrib: boolean;
  readonly lacks: readonly string[];
  readonly channelBlock: number;
  readonly open: readonly OpenDimension[];
  readonly watch: Watch | undefined;
  /** The outermost graph. */
  readonly root: GraphBuilder;
  readonly #constants = new Map<string, Value>();
  #names = 0;

  constructor({ contrib = true, lacks = [], channelBlock = 0, open = [], watch }: ModelOptions) {
    this.contrib = contrib;
    this.lacks = lacks;
    this.channelBlock = channelBlock;
    this.open = open;
    this.watch = watch;
    this.root = new GraphBuilder(this);
  }

  /** A name no other value has. */
  name(stem: string): Value {
    return `${stem}_${this.#names++}`;
  }

  constant(array: NdArray): Value {
    const { dtype, shape, data } = array;
    const key = data.byteLength <= 4096 ? `${dtype} ${shape} ${bytesOf(array).join()}` : undefined;
    const known = key === undefined ? undefined : this.#constants.get(key);
    if (known !== undefined) return known;
    const name = this.name("const");
    this.store(name, array);
    if (key !== undefined) this.#constants.set(key, name);
    return name;
  }

  /** Stores an array under a name of its own. */
  store(name: Value, array: NdArray): void {
    this.initializers.push(tensorProto(name, array, bytesOf(array)));
  }
}

function bytesOf({ data }: NdArray): Uint8Array<ArrayBuffer> {
  return new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
}

function tensorProto(name: string, { dtype, shape }: TensorType, bytes: Uint8Array<ArrayBuffer>): TensorProto {
  return create(TensorProtoSchema, { name, dims: shape.map(BigInt), dataType: dataTypes[dtype], rawData: bytes });
}

class GraphBuilder implements Lowering {
  readonly nodesBuilt: NodeProto[] = [];
  readonly known: Known;
  readonly #parts: ModelParts;
  readonly #outer: GraphBuilder | undefined;
  readonly #own: Set<Value>;

  constructor(parts: ModelParts, outer?: GraphBuilder, inputs: readonly Value[] = []) {
    this.#parts = parts;
    this.#outer = outer;
    this.#own = new Set(inputs);
    this.known = new Known(outer?.known);
  }

  node(op: string, inputs: readonly Value[], attributes: Readonly<Record<string, Attribute>> = {}, domain = ""): Value {
    return this.nodes(op, inputs, attributes, 1, { domain })[0];
  }

  nodes(
    op: string,
    inputs: readonly Value[],
    attributes: Readonly<Record<string, Attribute>>,
    count: number,
    { domain = "", used }: { readonly domain?: string; readonly used?: readonly boolean[] } = {},
  ): Operands<Value> {
    // The first output of most operators is not optional.
    this.#parts.operators.add(op);
    this.#parts.watch?.part(() => `${op} ${JSON.stringify(attributes, (_, value) => (value?.body ? "body" : value))}`);
    const output = Array.from({ length: count }, (_, i) => (i > 0 && used?.[i] === false ? "" : this.#parts.name(op)));
    for (const name of output) this.#own.add(name);
    const name = output.find((o) => o !== "") ?? this.#parts.name(op);
    const attribute = Object.entries(attributes).map(([key, value]) => attributeProto(key, value));
    this.nodesBuilt.push(create(NodeProtoSchema, { opType: op, domain, name, input: [...inputs], output, attribute }));
    return output as readonly Value[] as Operands<Value>;
  }

  constant(array: NdArray): Value {
    const { dtype, shape, data } = array;
    this.#parts.watch?.part(() => `the constant ${dtype} [${shape}] of ${data.length <= 1024 ? data.join() : "many numbers"}`);
    return this.#parts.constant(array);
  }

  int64(values: readonly number[]): Value {
    const { root, open } = this.#parts;
    const numbers = this.#numbers(values);
    if (numbers.some((number) => typeof number !== "number")) return computeNumbers(root, numbers, open);
    return this.#parts.constant({ dtype: "int64", shape: [values.length], data: BigInt64Array.from(values, BigInt) });
  }

  int64Scalar(value: number): Value {
    const { root, open } = this.#parts;
    const numbers = this.#numbers([value]);
    if (typeof numbers[0] !== "number") return root.node("Squeeze", [computeNumbers(root, numbers, open)]);
    return this.#parts.constant({ dtype: "int64", shape: [], data: BigInt64Array.of(BigInt(value)) });
  }

  #numbers(values: readonly number[]): readonly ShapeNumber[] {
    const { watch } = this.#parts;
    return watch ? values.map((value) => watch.number(value)) : values;
  }

  filled(shape: Shape, value: number, dtype: "float32" | "int32" | "bool" = "float32"): Value {
    const data = { float32: Float32Array, int32: Int32Array, bool: Uint8Array }[dtype].of(value);
    if (shape.length === 0) return this.constant({ dtype, shape, data });
    this.#parts.watch?.part(() => `a tensor full of ${value}`);
    const one = tensorProto("", { dtype, shape: [1] }, new Uint8Array(data.buffer as ArrayBuffer));
    const output = this.node("ConstantOfShape", [this.int64(shape)]);
    const attribute = create(AttributeProtoSchema, { name: "value", type: AttributeType.TENSOR, t: one });
    this.nodesBuilt.at(-1)?.attribute.push(attribute);
    return output;
  }

  supports(op: string): boolean {
    return op === "FusedMatMul" ? this.#parts.contrib : !this.#parts.lacks.includes(op);
  }

  get channelBlock(): number {
    return this.#parts.channelBlock;
  }

  isOuter(value: Value): boolean {
    return !this.#own.has(value);
  }

  outermost(values: readonly Value[]): Lowering {
    return this.#outer && values.every((value) => this.isOuter(value)) ? this.#outer.outermost(values) : this;
  }

  body(
    inputs: readonly (TensorType & { readonly name: string })[],
    build: (inner: Lowering, inputs: readonly Value[]) => readonly (TensorType & { readonly value: Value })[],
  ): LoweredBody {
    const names = inputs.map(({ name }) => this.#parts.name(name));
    const inner = new GraphBuilder(this.#parts, this, names);
    const outputs = build(inner, names);
    const body = create(GraphProtoSchema, {
      name: this.#parts.name("body"),
      node: inner.nodesBuilt,
      input: inputs.map((type, i) => this.valueInfo(names[i] as Value, type)),
      output: outputs.map((type) => this.valueInfo(type.value, type)),
    });
    return { body };
  }

  /** Describes an input or output of a graph. */
  valueInfo(name: Value, { dtype, shape }: TensorType, docString = ""): ValueInfoProto {
    const dim = this.#numbers(shape).map((size) => {
      const value =
        typeof size === "number"
          ? { case: "dimValue" as const, value: BigInt(size) }
          : { case: "dimParam" as const, value: dimensionName(size, this.#parts.open) };
      return create(TensorShapeProto_DimensionSchema, { value });
    });
    const value = create(TypeProto_TensorSchema, { elemType: dataTypes[dtype], shape: create(TensorShapeProtoSchema, { dim }) });
    const type = create(TypeProtoSchema, { value: { case: "tensorType", value } });
    return create(ValueInfoProtoSchema, { name, type, docString });
  }
}

function attributeProto(name: string, value: Attribute): AttributeProto {
  if (typeof value === "number") return create(AttributeProtoSchema, { name, type: AttributeType.INT, i: BigInt(value) });
  if (typeof value === "string") {
    return create(AttributeProtoSchema, { name, type: AttributeType.STRING, s: new TextEncoder().encode(value) });
  }
  if (Array.isArray(value)) return create(AttributeProtoSchema, { name, type: AttributeType.INTS, ints: value.map(BigInt) });
  if ("float" in value) return create(AttributeProtoSchema, { name, type: AttributeType.FLOAT, f: value.float });
  // The only other attribute is a body this builder made itself.
  return create(AttributeProtoSchema, { name, type: AttributeType.GRAPH, g: (value as { body: GraphProto }).body });
}

/** A graph to build: named symbolic inputs and outputs. Several inputs of one name are one. */
export interface GraphSpec {
  readonly inputs: readonly (readonly [name: string, tensor: Tensor])[];
  readonly outputs: readonly (readonly [name: string, tensor: Tensor])[];
  /** Tensors whose numbers are stored in the model, under these names. */
  readonly stored?: readonly (readonly [name: string, tensor: Tensor, array: NdArray])[];
  /** What inputs and outputs mean, by name. */
  readonly docs?: Readonly<Record<string, string>>;
}

export interface ModelOptions {
  /**
   * Whether operators outside the ONNX standard that every ONNX Runtime has (com.microsoft) may be used; true unless told.
   * Without them a model is meant for other runtimes too, and is written in an older version of the standard if it can be.
   */
  readonly contrib?: boolean;
  /** Forms of standard operators that the target lacks (see `Lowering.supports`); none unless told. */
  readonly lacks?: readonly string[];
  /** See `Lowering.channelBlock`; 0 unless told. */
  readonly channelBlock?: number;
  /** Free text by name, which runtimes hand out with the model. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Open dimensions, and what tells numbers that depend on them; see `buildOpen`. */
  readonly open?: readonly OpenDimension[];
  readonly watch?: Watch;
}

/**
 * Builds an ONNX model from a traced function; `encodeModel` makes a file of it.
 */
export function buildModel({ inputs, outputs, stored = [], docs = {} }: GraphSpec, options: ModelOptions = {}): ModelProto {
  const parts = new ModelParts(options);
  const builder = parts.root;
  for (const [name, , array] of stored) parts.store(name, array);
  const env = new Map([...inputs, ...stored].map(([name, tensor]) => [tensor, name]));
  const values = lower(
    builder,
    outputs.map(([, tensor]) => tensor),
    env,
  );
  renameOutputs(
    builder.nodesBuilt,
    values,
    outputs.map(([name]) => name),
  );
  const graph = create(GraphProtoSchema, {
    name: "heptagen",
    node: builder.nodesBuilt,
    initializer: parts.initializers,
    input: [...new Map(inputs)].map(([name, tensor]) => builder.valueInfo(name, tensor, docs[name])),
    output: outputs.map(([name, tensor]) => builder.valueInfo(name, tensor, docs[name])),
  });
  const { opset, irVersion } = parts.contrib ? newest : oldestVersion(parts.operators);
  const domains = [
    ["", opset] as const,
    ...(parts.contrib ? [["com.microsoft", 1] as const] : []),
    ...(parts.channelBlock > 0 ? [["com.microsoft.nchwc", 1] as const] : []),
  ];
  return create(ModelProtoSchema, {
    irVersion: BigInt(irVersion),
    producerName: "heptagen",
    opsetImport: domains.map(([domain, version]) => create(OperatorSetIdProtoSchema, { domain, version: BigInt(version) })),
    metadataProps: Object.entries(options.metadata ?? {}).map(([key, value]) =>
      create(StringStringEntryProtoSchema, { key, value }),
    ),
    graph,
  });
}

/** A model's bytes (protobuf), for ONNX Runtime or a `.onnx` file. */
export function encodeModel(model: ModelProto): Uint8Array {
  return toBinary(ModelProtoSchema, model);
}
