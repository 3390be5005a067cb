/** The record of primitives holds every primitive there is, each under its own name. */
import { expect, test } from "vitest";
import * as builtin from "../../../src/core/builtin.ts";
import * as random from "../../../src/core/random.ts";
import * as loops from "../../../src/core/scan.ts";
import * as conv from "../../../src/ops/conv.ts";
import * as elementwise from "../../../src/ops/elementwise.ts";
import * as indexing from "../../../src/ops/indexing.ts";
import * as linear from "../../../src/ops/linear.ts";
import * as normalize from "../../../src/ops/normalize.ts";
import * as pool from "../../../src/ops/pool.ts";
import { primitives } from "../../../src/ops/primitives.ts";
import * as reduce from "../../../src/ops/reduce.ts";
import * as shape from "../../../src/ops/shape.ts";

const modules = [builtin, random, loops, conv, elementwise, indexing, linear, normalize, pool, reduce, shape];

test("every primitive that a file exports is in the record", () => {
  const exported = modules.flatMap((module) => Object.entries(module).filter(([name]) => name.endsWith("Primitive")));
  const known = new Set<unknown>(Object.values(primitives));
  expect(exported.filter(([, primitive]) => !known.has(primitive)).map(([name]) => name)).toEqual([]);
  expect(exported.length).toBe(known.size);
});

test("each stands under its own name", () => {
  for (const [name, primitive] of Object.entries(primitives)) expect(primitive.name).toBe(name);
});
