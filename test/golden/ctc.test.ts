/** CTC losses and gradients against PyTorch's ctc_loss (test/golden/fixtures/ctc), on both devices of the CPU. */
import { describe, expect, test } from "vitest";
import { type Tensor, valueAndGrad } from "../../src/core/index.ts";
import { type CtcTargets, ctcLoss, ctcLosses } from "../../src/nn/ctc.ts";
import { mul, sum } from "../../src/ops/index.ts";
import { compile } from "../../src/runtime/index.ts";
import type { NdArray } from "../../src/util/ndarray.ts";
import { gap, loadFixture } from "./replay.ts";

interface Facts {
  readonly blanks: readonly number[];
  readonly float32Gap: Readonly<Record<string, Readonly<Record<"losses" | "grads", { readonly max: number }>>>>;
  readonly mean0: number;
  readonly mean3: number;
}

const { facts, tensor } = loadFixture<Facts>("ctc");

describe.each([0, 3] as const)("class %i is the blank", (blank) => {
  test.each(["cpu", "wasm"] as const)("losses and gradients on %s", async (device) => {
    const targets: CtcTargets<NdArray> = {
      lengths: tensor("lengths"),
      labels: tensor(`${blank}/labels`),
      labelLengths: tensor("labelLengths"),
    };
    const step = (logits: Tensor, own: CtcTargets, weights: Tensor) => {
      const { grads, aux } = valueAndGrad((x: Tensor) => {
        const zeroed = ctcLosses(x, own, { blank, zeroInfinity: true });
        return { loss: sum(mul(zeroed, weights)), aux: zeroed };
      })(logits);
      // With infinite losses in between, gradients are the same: 0 for what cannot be.
      const infinite = valueAndGrad((x: Tensor) => {
        const losses = ctcLosses(x, own, { blank });
        return { loss: sum(mul(losses, weights)), aux: losses };
      })(logits);
      const mean = ctcLoss(logits, own, { blank, zeroInfinity: true });
      return { zeroed: aux, grads, losses: infinite.aux, again: infinite.grads, mean };
    };
    const args = [tensor("logits"), targets, tensor("weights")] as const;
    const executable = await compile<[NdArray, CtcTargets<NdArray>, NdArray], ReturnType<typeof step>>(step, [...args], {
      device,
    });
    const got = await executable.run(...args);
    await executable.dispose();
    const limit = (kind: "losses" | "grads") => 8 * (facts.float32Gap[String(blank)]?.[kind].max as number);
    expect(gap({ x: got.zeroed }, { x: tensor(`${blank}/zeroed`) })).toBeLessThan(limit("losses"));
    expect(gap({ x: got.grads }, { x: tensor(`${blank}/grads`) })).toBeLessThan(limit("grads"));
    expect(gap({ x: got.again }, { x: tensor(`${blank}/grads`) })).toBeLessThan(limit("grads"));
    const infinite = [...tensor(`${blank}/losses`).data].map((loss) => loss === Number.POSITIVE_INFINITY);
    expect([...got.losses.data].map((loss) => loss === Number.POSITIVE_INFINITY)).toEqual(infinite);
    expect(infinite).toContain(true);
    expect(Number(got.mean.data[0])).toBeCloseTo(facts[`mean${blank}`], 5);
  });
});
