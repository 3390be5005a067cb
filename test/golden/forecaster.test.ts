/**
 * Forecast distributions and forecasters against PyTorch (test/golden/fixtures/forecast*): log-probabilities with their gradients;
 * outputs, loss, every gradient and ten training steps of a small forecaster for each distribution.
 *
 * The fixtures are computed in float64; ours may land eight times as far from them as PyTorch's float32 does (`float32Gap`).
 */
import { describe, expect, test } from "vitest";
import { type Tensor, valueAndGrad } from "../../src/core/index.ts";
import {
  type DistributionName,
  type ForecasterConfig,
  type ForecasterParams,
  forward,
  init,
  laggedInputs,
  loss,
  type Windows,
} from "../../src/models/forecaster.ts";
import { lstmNetwork, type RecurrentNetworkConfig } from "../../src/models/recurrent-network.ts";
import { negativeBinomialLogProb, studentTLogProb } from "../../src/nn/index.ts";
import { sum } from "../../src/ops/index.ts";
import { compile } from "../../src/runtime/index.ts";
import type { NdArray } from "../../src/util/ndarray.ts";
import { key } from "../../src/util/random.ts";
import { gap, loadFixture, type ModelFixture, replaySteps } from "./replay.ts";

describe("log-probabilities and their gradients, in single precision", () => {
  const { tensor } = loadFixture("forecast-distributions");
  const cases = {
    studentT: {
      names: ["mean", "scale", "degrees"],
      logProb: ([mean, scale, degrees]: Tensor[], x: Tensor) => studentTLogProb({ mean, scale, degrees } as never, x),
    },
    negativeBinomial: {
      names: ["mean", "dispersion"],
      logProb: ([mean, dispersion]: Tensor[], x: Tensor) => negativeBinomialLogProb({ mean, dispersion } as never, x),
    },
  };

  test.each(Object.entries(cases))("%s", async (name, { names, logProb }) => {
    const parameters = names.map((parameter) => tensor(`${name}/${parameter}`));
    const x = tensor(`${name}/x`);
    const executable = await compile<[NdArray[], NdArray], { value: Tensor; grads: Tensor[] }>(
      ((own: Tensor[], at: Tensor) => {
        const { grads, aux } = valueAndGrad((given: Tensor[]) => {
          const logs = logProb(given, at);
          return { loss: sum(logs), aux: logs };
        })(own) as unknown as { grads: Tensor[]; aux: Tensor };
        return { value: aux, grads };
      }) as never,
      [parameters, x],
      { device: "cpu" },
    );
    const got = (await executable.run(parameters, x)) as unknown as { value: NdArray; grads: NdArray[] };
    await executable.dispose();
    const expected = { value: tensor(`${name}/logProb`), grads: names.map((parameter) => tensor(`${name}/grads/${parameter}`)) };
    const check = (found: NdArray, wanted: NdArray, tolerance: number) =>
      wanted.data.forEach((value, i) => {
        expect(Math.abs(Number(found.data[i]) - Number(value)), `${i}: ${value}`).toBeLessThanOrEqual(
          tolerance * Math.max(1, Math.abs(Number(value))),
        );
      });
    check(got.value, expected.value, 2e-5);
    got.grads.forEach((grads, i) => {
      check(grads, expected.grads[i] as NdArray, 1e-4);
    });
  });
});

interface Fixture extends ModelFixture<RecurrentNetworkConfig, "outputs" | "loss" | "grads" | "after"> {
  readonly distribution: DistributionName;
  readonly lags: readonly number[];
  readonly features: number;
  readonly series: number;
}

type Batch = { readonly [Name in keyof Windows]: NdArray };

describe.each(["gaussian", "student-t", "negative-binomial", "quantiles"])("a forecaster of %s", (name) => {
  const { facts, tree, tensor } = loadFixture<Fixture>(`forecaster-${name}`);
  const { config, distribution, lags, features, series } = facts;
  const model: ForecasterConfig<RecurrentNetworkConfig> = { network: lstmNetwork, config, distribution, lags, features, series };
  const params = tree(init(model, key(0)), "params");
  const batch: Batch = {
    values: tensor("values"),
    observed: tensor("observed"),
    features: tensor("features"),
    series: tensor("series"),
    scale: tensor("scale"),
  };
  const limit = (kind: keyof Fixture["float32Gap"]) => 8 * facts.float32Gap[kind].max;

  test("outputs, loss and gradients", async () => {
    const step = (own: ForecasterParams, given: Windows) => {
      const lagged = laggedInputs(given.values, given.observed, { lags, length: given.features.shape[1] as number });
      const outputs = forward(model, own, { ...given, lagged });
      const { value, grads } = valueAndGrad((p: ForecasterParams) => loss(model, p, given))(own);
      return { outputs, loss: value, grads };
    };
    const executable = await compile<[ForecasterParams<NdArray>, Batch], ReturnType<typeof step>>(
      step as never,
      [params, batch],
      {
        device: "cpu",
      },
    );
    const got = await executable.run(params, batch);
    await executable.dispose();
    expect(gap(got.outputs, tensor("outputs"))).toBeLessThanOrEqual(limit("outputs"));
    expect(Math.abs(Number((got.loss as unknown as NdArray).data[0]) - facts.loss)).toBeLessThanOrEqual(
      Math.max(limit("loss"), 1e-6),
    );
    expect(gap(got.grads, tree(params, "grads"))).toBeLessThanOrEqual(limit("grads"));
  });

  test("ten training steps", async () => {
    const got = await replaySteps(facts, params, batch, (own: never, given: never) => loss(model, own, given));
    got.losses.forEach((value, i) => {
      expect(value).toBeCloseTo(facts.losses[i] as number, 5);
    });
    expect(got.lossAfter).toBeCloseTo(facts.lossAfter, 5);
    expect(gap(got.params, tree(params, "after"))).toBeLessThanOrEqual(limit("after"));
  });
});
