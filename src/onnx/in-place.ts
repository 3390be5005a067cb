/**
 * Which outputs may be written over which inputs.
 *
 * Training holds its state (parameters, optimizer moments) in buffers that a step reads and replaces. An output may share
 * the buffer of the input it replaces when whatever reads that input has certainly run before the output is written, and
 * when the node that writes it works element by element. Otherwise the state needs two buffers, swapped at every step.
 */
import type { ModelProto, NodeProto } from "onnx-buf";

/** Operators that read element i of each operand only to write element i of the result. */
const elementwise = new Set([
  "Add",
  "Sub",
  "Mul",
  "Div",
  "Neg",
  "Sqrt",
  "Identity",
  "Where",
  "Sign",
  "Abs",
  "Max",
  "Min",
  "Cast",
]);

/** Operators whose result may be the operand's own memory under another shape, or be read straight from it after a fusion. */
const views = new Set(["Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Transpose"]);

/**
 * Tells for each pair of input and output names (of equal shape and type) whether the output may overwrite the input.
 *
 * It may when the output's node is elementwise, so are the nodes it reads from (lest a fusion pull the input into a matrix
 * product), and every other reader of the input, or of a view of it, comes before it on a path of data dependencies.
 */
export function canShareBuffer(model: ModelProto, pairs: readonly (readonly [input: string, output: string])[]): boolean[] {
  const nodes = model.graph?.node ?? [];
  const maker = new Map<string, NodeProto>();
  const readers = new Map<string, NodeProto[]>();
  for (const node of nodes) {
    for (const output of node.output) if (output) maker.set(output, node);
    for (const input of reads(node)) {
      const list = readers.get(input);
      if (list) list.push(node);
      else readers.set(input, [node]);
    }
  }
  const readersOf = (name: string): NodeProto[] =>
    (readers.get(name) ?? []).flatMap((node) => [node, ...(views.has(node.opType) ? node.output.flatMap(readersOf) : [])]);
  return pairs.map(([input, output]) => {
    const writer = maker.get(output);
    if (!writer || !elementwise.has(writer.opType)) return false;
    const sources = writer.input.map((name) => maker.get(name));
    if (sources.some((node) => node && !elementwise.has(node.opType))) return false;
    const before = ancestors(writer, maker);
    return readersOf(input).every((reader) => reader === writer || before.has(reader));
  });
}

/** Everything a node's result depends on. */
function ancestors(node: NodeProto, maker: ReadonlyMap<string, NodeProto>): Set<NodeProto> {
  const found = new Set<NodeProto>();
  const stack = [node];
  for (let next = stack.pop(); next; next = stack.pop()) {
    for (const input of reads(next)) {
      const source = maker.get(input);
      if (source && !found.has(source)) {
        found.add(source);
        stack.push(source);
      }
    }
  }
  return found;
}

/** Names a node reads, its bodies included. */
function reads(node: NodeProto): string[] {
  const inner = node.attribute.flatMap(({ g }) => (g ? [...g.node.flatMap(reads), ...g.output.map((o) => o.name)] : []));
  return [...node.input, ...inner];
}
