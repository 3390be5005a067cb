import { fromBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema } from "onnx-buf";
import { expect, test } from "vitest";
import { accumulate, input } from "../../../src/core/builtin.ts";
import { buildModel, encodeModel, endMark, withEndMark } from "../../../src/onnx/index.ts";

test("the mark comes before the other outputs and changes nothing else", () => {
  const x = input({ shape: [2], dtype: "float32" });
  const plain = buildModel({ inputs: [["x", x]], outputs: [["y", accumulate([x, x])]] });
  const marked = fromBinary(ModelProtoSchema, withEndMark(encodeModel(plain)));
  expect(marked.graph?.output.map(({ name }) => name)).toEqual([endMark, "y"]);
  expect(marked.graph?.node.map(({ opType }) => opType)).toEqual(["SequenceEmpty", "Add"]);
  expect(marked.opsetImport).toEqual(plain.opsetImport);
});
