/**
 * Between trees of arrays and the flat maps that files hold.
 *
 * A file knows only dotted paths. The structure (empty arrays, nulls, tuples) is the program's, so restoring fills a template
 * of the same structure, and anything that does not fit is an error that names it.
 */
import { HeptagenError, nearest } from "../util/errors.ts";
import { type DType, isNdArray, type NdArray, type Shape, sameShape } from "../util/ndarray.ts";
import { flatten, type Mapped, mapTree, type Tree } from "../util/tree.ts";

/** What a template's leaf must tell: arrays and symbolic tensors both do. */
export interface ArraySpec {
  readonly dtype: DType;
  readonly shape: Shape;
}

/**
 * The leaves of a tree of arrays by their dotted paths, in visiting order.
 *
 * @throws HeptagenError `tree/leaf`, or `tree/structure` when two leaves have the same path
 * @example flattenParameters({ head: { bias } }) // Map { "head.bias" => bias }
 */
export function flattenParameters(tree: unknown): Map<string, NdArray> {
  const flat = new Map<string, NdArray>();
  for (const { path, leaf } of flatten(tree, isNdArray)) {
    if (flat.has(path))
      throw new HeptagenError("tree/structure", `expected one array at "${path}", got two: a key contains a dot`);
    flat.set(path, leaf);
  }
  return flat;
}

/** The template's structure with arrays as leaves: its own type when that is what it holds already. */
export type Restored<T> = [T] extends [Tree<NdArray>] ? T : Mapped<T, ArraySpec, NdArray>;

/**
 * Fills a template with the arrays of a flat map: the same structure, each leaf replaced by the array at its path.
 *
 * @param what name of the arrays, for messages
 * @throws HeptagenError `parameters/mismatch` naming every missing, extra or differently shaped array
 * @example const params = restoreTree(init(config, key), readSafetensors(bytes).tensors);
 */
export function restoreTree<T>(template: T, flat: ReadonlyMap<string, NdArray>, what = "parameters"): Restored<T> {
  const wanted = new Map(flatten(template, isArraySpec).map(({ path, leaf }) => [path, leaf]));
  const missing = [...wanted.keys()].filter((path) => !flat.has(path));
  const extra = [...flat.keys()].filter((path) => !wanted.has(path));
  const differing = [...wanted].flatMap(([path, spec]) => {
    const got = flat.get(path);
    return got && !(sameShape(got.shape, spec.shape) && got.dtype === spec.dtype)
      ? [`${path}: expected ${describe(spec)}, got ${describe(got)}`]
      : [];
  });
  if (missing.length + extra.length + differing.length > 0) {
    const near = (path: string) => {
      const found = nearest(path, extra);
      return found === undefined ? path : `${path} (there is ${found})`;
    };
    const lines = [
      `${what}: expected the ${wanted.size} arrays of the model, got ${flat.size} that do not fit`,
      ...list("missing", missing.map(near)),
      ...list("not expected", extra),
      ...list("different", differing),
    ];
    throw new HeptagenError("parameters/mismatch", lines.join("\n"), {
      facts: { missing, extra, differing },
      next: "Load it with the configuration it was saved with.",
    });
  }
  return mapTree(template, isArraySpec, (_spec, path) => flat.get(path) as NdArray) as Restored<T>;
}

/** At most five items of one kind, one a line. */
function list(kind: string, items: readonly string[]): string[] {
  const shown = items.slice(0, 5).map((item) => `  ${kind}: ${item}`);
  return items.length > 5 ? [...shown, `  ${kind}: and ${items.length - 5} more`] : shown;
}

function describe({ dtype, shape }: ArraySpec): string {
  return `${dtype} [${shape}]`;
}

function isArraySpec(value: unknown): value is ArraySpec {
  return typeof value === "object" && value !== null && "dtype" in value && "shape" in value && Array.isArray(value.shape);
}
