/**
 * What training changes, objective by objective: made fresh, read back from a checkpoint, put together to a whole model.
 *
 * An objective trains one top-level entry of the parameters, or all of them. Entries that none trains are frozen: every
 * objective reads them, and they are saved with the model.
 */
import { HeptagenError, nearest } from "../util/errors.ts";
import { isNdArray, type NdArray } from "../util/ndarray.ts";
import { mapTree, type Tree } from "../util/tree.ts";
import type { Checkpoint } from "./checkpoints.node.ts";
import type { Objective, ObjectiveState } from "./objective.ts";
import { restoreTree } from "./parameters.ts";

type Params = Tree<NdArray>;
type Named = Pick<Objective<never>, "name" | "trains" | "every">;

/** The states of all objectives, in their order, and the parameters with the frozen ones among them. */
export interface TrainedStates {
  /** As they were when training began or was resumed: right for frozen entries only. */
  readonly params: Params;
  readonly states: ObjectiveState[];
}

/**
 * Checks that no two objectives train the same parameters, and that each knows when it trains.
 *
 * @throws HeptagenError `train/objectives`
 */
export function checkObjectives(params: Params, objectives: readonly Named[]): void {
  const fail = (message: string, next: string): never => {
    throw new HeptagenError("train/objectives", message, { facts: { objectives: objectives.map(({ name }) => name) }, next });
  };
  if (objectives.length === 0) fail("expected at least one objective, got none", "Give what to minimise.");
  const entries = isNdArray(params) ? [] : Object.keys(params);
  objectives.forEach(({ name, trains, every = 1 }, i) => {
    if (!Number.isInteger(every) || every < 1) {
      fail(`expected "${name}" to train in every 1st, 2nd, … step, got every ${every}`, "Give a whole number from 1.");
    }
    if (i === 0 && every > 1) {
      fail(`expected the first objective to train in every step, got "${name}" every ${every}`, "Put one that does first.");
    }
    const before = objectives.slice(0, i);
    if (before.some((other) => other.name === name))
      fail(`expected objectives with different names, got two "${name}"`, "Rename one.");
    const all = [{ name, trains }, ...before].filter((one) => one.trains === undefined);
    if (all.length > 0 && i > 0) {
      const next = "Add their losses up in one objective, or let each train an entry of its own (trains).";
      fail(`"${all[0]?.name}" trains all parameters, so expected no other objective, got ${objectives.length}`, next);
    }
    const rival = before.find((other) => other.trains === trains);
    if (rival) fail(`"${rival.name}" and "${name}" both train "${trains}"`, "Add their losses up in one objective.");
    if (trains !== undefined && !entries.includes(trains)) {
      const near = nearest(trains, entries);
      const next = near ? `Did you mean "${near}"?` : `There are: ${entries.join(", ")}.`;
      fail(`objective "${name}" trains "${trains}", which the parameters lack`, next);
    }
  });
}

/**
 * States to begin with: fresh, or those of a checkpoint.
 *
 * @param averaging whether a moving average of the parameters is kept
 * @throws HeptagenError `parameters/mismatch` when the checkpoint is of another model or optimizer
 */
export function beginStates<Batch>(
  params: Params,
  objectives: readonly Objective<Batch>[],
  { averaging, from }: { readonly averaging: boolean; readonly from: Checkpoint | undefined },
): TrainedStates {
  const fresh = objectives.map((objective): ObjectiveState => {
    const own = copyTree(entryOf(params, objective.trains));
    return {
      params: own,
      optimizer: objective.optimizer.init(own),
      ...(averaging && { average: copyTree(own) }),
      ...(objective.carry !== undefined && { carry: copyTree(objective.carry) }),
    };
  });
  if (!from) return { params, states: fresh };
  const model = restoreTree(params, from.model, "model");
  // A memory is a tree of arrays; its own type is too deep for the compiler to follow.
  const kept = restoreTree(memoryOf(objectives, fresh) as unknown as Params, from.optimizer, "optimizer");
  const states = objectives.map(({ name, trains }): ObjectiveState => {
    const saved = entryOf(model, trains);
    const { memory, params: moving, carry } = (kept as unknown as Record<string, Memory>)[name] as Memory;
    return {
      params: moving ?? saved,
      optimizer: memory,
      ...(moving !== undefined && { average: saved }),
      ...(carry !== undefined && { carry }),
    };
  });
  return { params: model, states };
}

/** What a checkpoint keeps of an objective besides the model: with an average, that is the model, and the parameters are here. */
interface Memory {
  readonly memory: ObjectiveState["optimizer"];
  readonly params?: Params;
  readonly carry?: Params;
}

/** All that a checkpoint keeps besides the model, by objective. */
export function memoryOf(objectives: readonly Named[], states: readonly ObjectiveState[]): Record<string, Memory> {
  return Object.fromEntries(
    objectives.map(({ name }, i) => {
      const { params, optimizer, average, carry } = states[i] as ObjectiveState;
      return [name, { memory: optimizer, ...(average !== undefined && { params }), ...(carry !== undefined && { carry }) }];
    }),
  );
}

/** All parameters, or their averages, with the frozen ones. */
export function wholeModel(
  objectives: readonly Named[],
  { params, states }: TrainedStates,
  which: "params" | "average" = "params",
): Params {
  const trained = objectives.map(({ trains }, i) => [trains, states[i]?.[which] as Params] as const);
  const [only] = trained;
  if (only?.[0] === undefined) return only?.[1] ?? params;
  const byEntry = new Map(trained);
  return Object.fromEntries(Object.entries(params).map(([entry, frozen]) => [entry, byEntry.get(entry) ?? frozen]));
}

/** Objectives in their order, those together that follow each other and train in the same steps: compiled as one. */
export function trainedTogether<One extends Named>(objectives: readonly One[]): One[][] {
  const groups: One[][] = [];
  for (const objective of objectives) {
    const group = groups.at(-1);
    if (group?.[0] && (group[0].every ?? 1) === (objective.every ?? 1)) group.push(objective);
    else groups.push([objective]);
  }
  return groups;
}

/** The states of some of the objectives. */
export function statesOf(objectives: readonly Named[], { states }: TrainedStates, group: readonly Named[]): ObjectiveState[] {
  return group.map((one) => states[objectives.indexOf(one)] as ObjectiveState);
}

/** The parameters that some objectives read but do not train. */
export function othersOf(objectives: readonly Named[], trained: TrainedStates, group: readonly Named[]): Params {
  if (group.some(({ trains }) => trains === undefined)) return {};
  const whole = Object.entries(wholeModel(objectives, trained) as Record<string, Params>);
  return Object.fromEntries(whole.filter(([entry]) => group.every(({ trains }) => trains !== entry)));
}

function entryOf(params: Params, trains: string | undefined): Params {
  return trains === undefined ? params : ((params as Record<string, Params>)[trains] as Params);
}

/** A step writes over the arrays it is given; the caller's own stay as they are. */
function copyTree(tree: Params): Params {
  return mapTree(tree, isNdArray, (leaf: NdArray) => ({ ...leaf, data: leaf.data.slice() as NdArray["data"] }));
}
