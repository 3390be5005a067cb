/**
 * A first output that holds nothing: an empty sequence.
 *
 * onnxruntime-node copies every output into a new array, even one that was written into an array it was given: for a
 * training step, a copy of all parameters and moments. It goes through the outputs in order and stops at the first that is
 * no tensor, which it cannot hand to JavaScript; the graph has run by then. See `Session.run`.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import {
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorProto_DataType,
  TypeProto_SequenceSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from "onnx-buf";

/** The mark's name among the outputs. */
export const endMark = "end_mark";

/** A model with the mark before its other outputs. */
export function withEndMark(model: Uint8Array): Uint8Array {
  const element = create(TypeProto_TensorSchema, { elemType: TensorProto_DataType.FLOAT });
  const elemType = create(TypeProtoSchema, { value: { case: "tensorType", value: element } });
  const sequence = create(TypeProto_SequenceSchema, { elemType });
  const type = create(TypeProtoSchema, { value: { case: "sequenceType", value: sequence } });
  const node = [create(NodeProtoSchema, { opType: "SequenceEmpty", name: endMark, output: [endMark] })];
  const graph = create(GraphProtoSchema, { node, output: [create(ValueInfoProtoSchema, { name: endMark, type })] });
  const mark = toBinary(ModelProtoSchema, create(ModelProtoSchema, { graph }));
  // Two encoded messages in a row decode as one whose lists are joined.
  const both = new Uint8Array(mark.length + model.length);
  both.set(mark);
  both.set(model, mark.length);
  return both;
}
