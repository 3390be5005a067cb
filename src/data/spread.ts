/**
 * At most `most` of the items, at even distances and in their order, so that sorted classes all remain.
 *
 * @example spread(["a", "a", "b", "b"], 2) // ["a", "b"]
 */
export function spread<T>(items: readonly T[], most: number = items.length): readonly T[] {
  if (items.length <= most) return items;
  return Array.from({ length: most }, (_, i) => items[Math.floor((i * items.length) / most)] as T);
}
