/** The names of a graph's outputs: whoever reads a model knows them by these. */
import { create } from "@bufbuild/protobuf";
import { type NodeProto, NodeProtoSchema } from "onnx-buf";
import type { Value } from "../core/lowering.ts";

/**
 * Gives graph outputs the names asked for: the node that makes a value is told to make it under the new name, and so are its
 * readers. An output that is an input, a constant or a value already given away is copied instead.
 */
export function renameOutputs(nodes: NodeProto[], values: readonly Value[], names: readonly string[]): void {
  const made = new Set(nodes.flatMap((node) => node.output));
  const renamed = new Map<Value, string>();
  const copies: NodeProto[] = [];
  values.forEach((value, i) => {
    const name = names[i] as string;
    if (made.has(value) && !renamed.has(value)) renamed.set(value, name);
    else copies.push(create(NodeProtoSchema, { opType: "Identity", name: `copy_${name}`, input: [value], output: [name] }));
  });
  const rename = (node: NodeProto): void => {
    node.input = node.input.map((v) => renamed.get(v) ?? v);
    node.output = node.output.map((v) => renamed.get(v) ?? v);
    for (const { g } of node.attribute) {
      if (!g) continue;
      for (const inner of g.node) rename(inner);
      for (const output of g.output) output.name = renamed.get(output.name) ?? output.name;
    }
  };
  for (const node of nodes) rename(node);
  for (const copy of copies) copy.input = copy.input.map((v) => renamed.get(v) ?? v);
  nodes.push(...copies);
}
