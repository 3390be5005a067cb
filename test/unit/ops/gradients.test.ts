/** Every vjp against central differences in float64 through the reference semantics: first and second order. */
import { describe, expect, test } from "vitest";
import { reachable } from "../../../src/core/tensor.ts";
import { type PrimitiveName, primitives } from "../../../src/ops/primitives.ts";
import { compare, dependsOnOthers, explain, isDifferentiable } from "../../ops/differences.ts";
import { compositions, layers, type Sample, samples, trace } from "../../ops/samples.ts";

const names = Object.keys(primitives) as PrimitiveName[];

/** Has no gradient on purpose. */
const withoutGradient: readonly PrimitiveName[] = ["whileLoop"];

/** One line per sample and order that disagrees, then the difference per tensor. */
function report(list: readonly Sample[]): string {
  const lines = list.flatMap((sample) => {
    if (sample.kink !== undefined || !isDifferentiable(sample)) return [];
    const wrong = compare(sample).filter(({ agree }) => !agree);
    const mixed = dependsOnOthers(sample).map(
      (i) => `  ${sample.name}: input ${i} gets another gradient when it alone is asked for`,
    );
    if (wrong.length === 0) return mixed;
    const orders = wrong.map(
      (c) => `  ${sample.name}, order ${c.order}: gradient gives ${c.gradient}, differences ${c.differences}`,
    );
    return [...orders, explain(sample), ...mixed];
  });
  return lines.join("\n");
}

describe("gradient and its gradient agree with differences", () => {
  test.each(names.filter((name) => !withoutGradient.includes(name)))("%s", (name) => {
    expect(report(samples[name])).toBe("");
  });

  test("compositions", () => {
    expect(report(compositions)).toBe("");
  });

  test("layers and losses", () => {
    expect(report(layers)).toBe("");
  });
});

describe("samples", () => {
  test.each(names)("%s: every sample uses the primitive or is built from it", (name) => {
    const users = samples[name].filter((sample) =>
      reachable(trace(sample).outputs).some((node) => node.primitive === primitives[name]),
    );
    expect(users.length).toBeGreaterThan(0);
  });

  test("names are unique", () => {
    const all = [...Object.values(samples).flat(), ...compositions, ...layers].map(({ name }) => name);
    expect(all.filter((name, i) => all.indexOf(name) !== i)).toEqual([]);
  });
});
