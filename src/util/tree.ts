/**
 * Trees: plain objects and arrays whose leaves are tensors (or anything else).
 *
 * Parameters, optimizer states and batches are trees. A leaf's path joins keys and indices with dots
 * (`blocks.0.attn.qkv.weight`), the same names safetensors and PyTorch use. Object keys are visited in insertion order.
 */
import { HeptagenError } from "./errors.ts";

/** A leaf, or an array or plain object of trees. */
export type Tree<Leaf> = Leaf | readonly Tree<Leaf>[] | { readonly [key: string]: Tree<Leaf> };

/** The same structure with every leaf of type `From` replaced by `To`. */
export type Mapped<T, From, To> = [Tree<From>] extends [T]
  ? Tree<To>
  : T extends From
    ? To
    : { [K in keyof T]: Mapped<T[K], From, To> };

/** Decides what a leaf is. */
export type IsLeaf<Leaf> = (value: unknown) => value is Leaf;

/** All leaves with their dotted paths, in visiting order. `null` and `undefined` are empty trees. */
export function flatten<Leaf>(tree: unknown, isLeaf: IsLeaf<Leaf>, path = ""): { path: string; leaf: Leaf }[] {
  if (isLeaf(tree)) return [{ path, leaf: tree }];
  if (tree === null || tree === undefined) return [];
  if (!isContainer(tree)) {
    throw new HeptagenError("tree/leaf", `expected a tensor at "${path || "(root)"}", got ${describe(tree)}`, {
      next: "A tree holds only plain objects, arrays and tensors; close over other values instead of passing them.",
    });
  }
  return Object.entries(tree).flatMap(([key, child]) => flatten(child, isLeaf, path ? `${path}.${key}` : key));
}

/** Rebuilds the tree with `map(leaf, path)` in place of each leaf. */
export function mapTree<T, Leaf, Out>(
  tree: T,
  isLeaf: IsLeaf<Leaf>,
  map: (leaf: Leaf, path: string) => Out,
  path = "",
): Mapped<T, Leaf, Out> {
  // The mapped type follows the value's own structure, which TypeScript cannot see through recursion.
  return mapUnknown(tree, isLeaf, map, path) as Mapped<T, Leaf, Out>;
}

function mapUnknown<Leaf, Out>(
  tree: unknown,
  isLeaf: IsLeaf<Leaf>,
  map: (leaf: Leaf, path: string) => Out,
  path: string,
): unknown {
  if (isLeaf(tree)) return map(tree, path);
  if (tree === null || tree === undefined) return tree;
  if (!isContainer(tree)) flatten(tree, isLeaf, path);
  const at = (key: string) => (path ? `${path}.${key}` : key);
  if (Array.isArray(tree)) return tree.map((child, i) => mapUnknown(child, isLeaf, map, at(String(i))));
  return Object.fromEntries(Object.entries(tree as object).map(([key, child]) => [key, mapUnknown(child, isLeaf, map, at(key))]));
}

/**
 * Combines trees of equal structure leaf by leaf.
 *
 * @throws HeptagenError `tree/structure` naming the first path that one has and another lacks.
 */
export function zipTrees<T, Leaf, Out>(
  trees: readonly [T, ...unknown[]],
  isLeaf: IsLeaf<Leaf>,
  map: (leaves: Leaf[], path: string) => Out,
): Mapped<T, Leaf, Out> {
  const [first, ...rest] = trees;
  const others = rest.map((tree) => new Map(flatten(tree, isLeaf).map(({ path, leaf }) => [path, leaf])));
  const mapped = mapTree(first, isLeaf, (leaf: Leaf, path) => {
    const leaves = others.map((other) => {
      const found = other.get(path);
      if (found === undefined) throw new HeptagenError("tree/structure", `trees differ: "${path}" is missing from one of them`);
      return found;
    });
    return map([leaf, ...leaves], path);
  });
  const size = flatten(first, isLeaf).length;
  for (const other of others) {
    if (other.size !== size) {
      const known = new Set(flatten(first, isLeaf).map(({ path }) => path));
      const extra = [...other.keys()].find((path) => !known.has(path));
      throw new HeptagenError("tree/structure", `trees differ: "${extra}" is missing from the first of them`);
    }
  }
  return mapped;
}

/** Builds nested objects and arrays from dotted paths; a level whose keys are 0, 1, 2, … becomes an array. */
export function unflatten<Leaf>(leaves: Iterable<readonly [path: string, leaf: Leaf]>): Tree<Leaf> {
  type Level = Map<string, Level | { leaf: Leaf }>;
  const root: Level = new Map();
  for (const [path, leaf] of leaves) {
    let level = root;
    const keys = path.split(".");
    for (const key of keys.slice(0, -1)) {
      const next = level.get(key) ?? new Map();
      if (!(next instanceof Map)) throw new HeptagenError("tree/structure", `"${path}" runs through a leaf at "${key}"`);
      level.set(key, next);
      level = next;
    }
    level.set(keys.at(-1) ?? path, { leaf });
  }
  const build = (level: Level | { leaf: Leaf }): Tree<Leaf> => {
    if (!(level instanceof Map)) return level.leaf;
    const keys = [...level.keys()];
    const isArray = keys.length > 0 && keys.every((_, i) => level.has(String(i)));
    const children = [...level].map(([key, child]) => [key, build(child)] as const);
    return isArray
      ? children.sort((a, b) => Number(a[0]) - Number(b[0])).map(([, child]) => child)
      : Object.fromEntries(children);
  };
  return build(root);
}

function isContainer(value: unknown): value is object {
  if (Array.isArray(value)) return true;
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function describe(value: unknown): string {
  return typeof value === "object" && value !== null
    ? `a ${value.constructor?.name ?? "object"}`
    : `${typeof value} ${String(value)}`;
}
