/**
 * L-BFGS (Liu & Nocedal 1989; Nocedal & Wright 2006, algorithms 7.4 and 7.5): minimises a smooth function by steps along a direction
 * that the last few changes of position and gradient tell, as if the curvature were known.
 */

/** Writes the gradient at `x` into `gradient` and returns the value there. */
export type Objective = (x: Float64Array, gradient: Float64Array) => number;

export interface LbfgsOptions {
  /** Stops when no part of the gradient is larger. */
  readonly tolerance: number;
  readonly maxIterations: number;
}

export interface Minimum {
  readonly x: Float64Array;
  readonly value: number;
  readonly iterations: number;
  /** Whether the gradient is within the tolerance; if not, iterations ran out or no step goes lower in float64. */
  readonly converged: boolean;
}

/** How many changes are remembered. */
const memory = 10;

/**
 * The minimum of a convex function near where it is started.
 *
 * @example minimize((x, gradient) => { gradient[0] = 2 * (x[0] - 3); return (x[0] - 3) ** 2; }, new Float64Array(1), { tolerance: 1e-9, maxIterations: 100 }).x // [3]
 */
export function minimize(objective: Objective, start: Float64Array, { tolerance, maxIterations }: LbfgsOptions): Minimum {
  let x = start.slice();
  let gradient = new Float64Array(x.length);
  let value = objective(x, gradient);
  const changes: Change[] = [];
  for (let iterations = 0; ; iterations++) {
    const converged = gradient.every((part) => Math.abs(part) <= tolerance);
    if (converged || iterations === maxIterations) return { x, value, iterations, converged };
    const direction = downhill(gradient, changes);
    const slope = dot(direction, gradient);
    const next = { x: new Float64Array(x.length), gradient: new Float64Array(x.length), value };
    // The first step is short, later ones are as long as the curvature says; either is halved until it goes low enough (Armijo).
    let step = iterations === 0 ? Math.min(1, 1 / Math.sqrt(dot(gradient, gradient))) : 1;
    for (let halvings = 0; ; halvings++, step /= 2) {
      for (let i = 0; i < x.length; i++) next.x[i] = (x[i] as number) + step * (direction[i] as number);
      next.value = objective(next.x, next.gradient);
      if (next.value <= value + 1e-4 * step * slope) break;
      if (halvings === 40) return { x, value, iterations, converged };
    }
    const change = {
      x: next.x.map((part, i) => part - (x[i] as number)),
      gradient: next.gradient.map((part, i) => part - (gradient[i] as number)),
    };
    const curvature = dot(change.x, change.gradient);
    if (curvature > 0) changes.push({ ...change, curvature });
    if (changes.length > memory) changes.shift();
    ({ x, gradient, value } = next);
  }
}

interface Change {
  readonly x: Float64Array;
  readonly gradient: Float64Array;
  readonly curvature: number;
}

/** −H⁻¹ gradient by the two-loop recursion. */
function downhill(gradient: Float64Array, changes: readonly Change[]): Float64Array {
  const direction = gradient.map((part) => -part);
  const newestFirst = [...changes].reverse();
  const shares = newestFirst.map((change) => {
    const share = dot(change.x, direction) / change.curvature;
    addScaled(direction, change.gradient, -share);
    return share;
  });
  const newest = newestFirst[0];
  if (newest) {
    const scale = newest.curvature / dot(newest.gradient, newest.gradient);
    for (let i = 0; i < direction.length; i++) (direction[i] as number) *= scale;
  }
  for (const [i, change] of changes.entries()) {
    const share = shares[changes.length - 1 - i] as number;
    addScaled(direction, change.x, share - dot(change.gradient, direction) / change.curvature);
  }
  return direction;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

function addScaled(to: Float64Array, from: Float64Array, scale: number): void {
  for (let i = 0; i < to.length; i++) (to[i] as number) += scale * (from[i] as number);
}
