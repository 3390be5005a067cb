import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type ScheduleConfig, schedule } from "../../../src/optim/index.ts";

const base: ScheduleConfig = { schedule: "cosine", learningRate: 0.1, finalLearningRate: 0.01, warmup: 4, steps: 20 };

describe("schedules", () => {
  test("the cosine is the one PyTorch's fixtures were trained with", () => {
    const file = new URL("../../golden/fixtures/transformer-nanogpt.json", import.meta.url);
    const { schedule: made, steps } = JSON.parse(readFileSync(file, "utf8")) as {
      schedule: { peak: number; final: number; warmup: number; steps: number };
      steps: readonly { step: number; lr: number }[];
    };
    const { peak: learningRate, final: finalLearningRate, warmup, steps: total } = made;
    const rate = schedule({ schedule: "cosine", learningRate, finalLearningRate, warmup, steps: total });
    for (const { step, lr } of steps) expect(rate(step + 1)).toBeCloseTo(lr, 12);
  });

  test("a straight rise, then a level, a line, a cosine", () => {
    for (const name of ["constant", "linear", "cosine"] as const) {
      const rate = schedule({ ...base, schedule: name });
      expect([1, 2, 3, 4, 5].map(rate)).toEqual([0.025, 0.05, 0.1 * 0.75, 0.1, 0.1].map((r) => expect.closeTo(r, 12)));
    }
    expect(schedule({ ...base, schedule: "constant" })(20)).toBe(0.1);
    expect(schedule({ ...base, schedule: "linear" })(13)).toBeCloseTo(0.055, 12);
    expect(schedule(base)(13)).toBeCloseTo(0.055, 12);
    expect(schedule(base)(1000)).toBeCloseTo(0.01, 12);
  });

  test("without warm-up the first step has the peak", () => {
    expect(schedule({ schedule: "linear", learningRate: 0.1, steps: 10 })(1)).toBe(0.1);
  });

  test("one-cycle gives PyTorch's OneCycleLR(max_lr=0.1, total_steps=10)", () => {
    const rate = schedule({ schedule: "one-cycle", learningRate: 0.1, steps: 10 });
    const expected = [0.004, 0.052, 0.1, 0.0950485, 0.0811746, 0.0611261, 0.0388743, 0.0188258, 0.004952, 4e-7];
    expected.forEach((lr, i) => {
      expect(rate(i + 1)).toBeCloseTo(lr, 6);
    });
  });

  test.each([
    [{ ...base, schedule: "cosin" as "cosine" }],
    [{ ...base, learningRate: 0 }],
    [{ ...base, finalLearningRate: 0.2 }],
    [{ ...base, steps: 0 }],
    [{ ...base, warmup: 30 }],
  ])("refuses %o", (config) => {
    expect(() => schedule(config)).toThrowErrorMatchingSnapshot();
  });
});
