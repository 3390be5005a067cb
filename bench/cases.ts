/**
 * What is measured, under which name each peer knows it, and what Heptagen aims at.
 *
 * A target compares Heptagen's fastest time with a peer's: `atMost` is the allowed ratio of times. Minima compare, because
 * a busy machine only ever makes things slower; medians stand beside them.
 */
export const matmulSizes = [1024, 2048] as const;

/** B, C, H, W, K: batch, channels in, height, width, channels out. */
export const convShapes = [
  [16, 32, 32, 32, 32],
  [16, 64, 32, 32, 64],
  [16, 128, 16, 16, 128],
  [8, 256, 8, 8, 256],
  [64, 1, 28, 28, 32],
] as const;

export const convKinds = ["forward", "dx", "dw"] as const;

export type PeerName = "pytorch" | "pytorch-pinned" | "jax-js" | "tfjs-wasm" | "tfjs-cpu";

export interface Target {
  readonly peer: PeerName;
  readonly measure: "time" | "memory";
  readonly atMost: number;
}

export interface BenchCase {
  /** Also what `--only` matches. */
  readonly name: string;
  readonly title: string;
  /** What each process calls it; a peer left out does not take part. */
  readonly heptagen: string;
  readonly peers: Partial<Record<PeerName, string>>;
  /** Iterations per turn; fewer for the slow ones below. */
  readonly iterations: number;
  readonly slow?: Partial<Record<PeerName, number>>;
  /** Peak memory is the point: each peer runs it in a fresh process, once. */
  readonly fresh?: true;
  readonly targets: readonly Target[];
}

const torch = (name: string) => ({ pytorch: name, "pytorch-pinned": name });
const time = (peer: PeerName, atMost: number): Target => ({ peer, measure: "time", atMost });

export const cases: readonly BenchCase[] = [
  {
    name: "nanogpt-cpu",
    title: "training step, GPT 4 layers × 128, T=64, B=12",
    heptagen: "nanogpt-cpu",
    peers: torch("nanogpt-cpu"),
    iterations: 20,
    targets: [time("pytorch", 0.75)],
  },
  {
    name: "nanogpt-cpu-gradients",
    title: "the same, loss and gradients only",
    heptagen: "nanogpt-cpu-gradients",
    peers: { "jax-js": "nanogpt-cpu-gradients", "tfjs-cpu": "nanogpt-cpu-gradients", "tfjs-wasm": "nanogpt-cpu-gradients" },
    iterations: 20,
    slow: { "jax-js": 3, "tfjs-wasm": 2, "tfjs-cpu": 1 },
    targets: [],
  },
  {
    name: "nanogpt-cpu-whole-against-gradients",
    title: "the whole step against jax-js's gradients",
    heptagen: "nanogpt-cpu",
    peers: { "jax-js": "nanogpt-cpu-gradients" },
    iterations: 20,
    slow: { "jax-js": 3 },
    targets: [time("jax-js", 0.2)],
  },
  {
    name: "gpt-256",
    title: "training step, GPT 6 layers × 256, T=128, B=16",
    heptagen: "gpt-256",
    peers: torch("gpt-256"),
    iterations: 3,
    targets: [time("pytorch", 0.8)],
  },
  ...matmulSizes.map(
    (size): BenchCase => ({
      name: `matmul-${size}`,
      title: `matmul ${size} × ${size} × ${size}`,
      heptagen: `matmul-${size}`,
      peers: torch(`matmul-${size}`),
      iterations: size > 1024 ? 5 : 20,
      targets: [time("pytorch", 1.3)],
    }),
  ),
  ...convShapes.flatMap((shape) =>
    convKinds.map((kind): BenchCase => {
      const name = `conv3x3-${kind}-${shape.join("x")}`;
      return {
        name,
        title: `conv 3×3 ${{ forward: "forward", dx: "dX", dw: "dW" }[kind]}, ${shape.join("×")}`,
        heptagen: name,
        peers: torch(name),
        iterations: 30,
        targets: [time("pytorch", kind === "dw" ? 1.8 : 1.3)],
      };
    }),
  ),
  {
    name: "generate-1000",
    title: "1,000 tokens, one sample, nanogpt-cpu (PyTorch without a cache)",
    heptagen: "generate-1000",
    peers: torch("generate-1000"),
    iterations: 1,
    targets: [time("pytorch", 1 / 3)],
  },
  {
    name: "generate-1000-cached",
    title: "the same (PyTorch with a cache)",
    heptagen: "generate-1000",
    peers: torch("generate-1000-cached"),
    iterations: 1,
    targets: [],
  },
  {
    name: "gpt-162m",
    title: "training step, GPT 12 layers × 768, V=50,257, T=128, B=1",
    heptagen: "gpt-162m",
    peers: torch("gpt-162m"),
    iterations: 3,
    fresh: true,
    targets: [{ peer: "pytorch", measure: "memory", atMost: 1.5 }],
  },
];
