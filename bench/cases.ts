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

/** Judged by two of Heptagen's own cases, or by one alone: at least `atLeast`, or at most `atMost`. */
export interface OwnTarget {
  readonly title: string;
  readonly cases: readonly string[];
  /** Of the fastest times of these cases, in milliseconds. */
  value(...milliseconds: readonly number[]): number;
  readonly atLeast?: number;
  readonly atMost?: number;
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
  /** Rounds, where fewer than usual will do. */
  readonly rounds?: number;
  /** Peak memory is the point: each peer runs it in a fresh process, once. */
  readonly fresh?: true;
  readonly targets: readonly Target[];
}

const torch = (name: string) => ({ pytorch: name, "pytorch-pinned": name });
const time = (peer: PeerName, atMost: number): Target => ({ peer, measure: "time", atMost });

/** Presets of the other families: how a step is called, and how much of PyTorch's time it may take. */
const families: readonly [name: string, title: string, atMost: number][] = [
  ["moby-rnn", "RNN 2 × 256, T=64, B=32", 0.8],
  ["moby-gru", "GRU 2 × 256, T=64, B=32", 0.8],
  ["moby-lstm", "LSTM 2 × 256, T=64, B=32", 0.8],
  ["chicago-lstm", "forecaster, LSTM 2 × 64, T=70, B=64", 0.8],
  ["chicago-transformer", "forecaster, Transformer 2 × 64, T=70, B=64", 0.8],
  ["words-lstm", "speech recogniser, LSTM 2 × 128, T=64, B=32", 0.8],
  ["words-transformer", "speech recogniser, Transformer 3 × 128, T=64, B=32", 0.8],
  ["fashion-vae", "VAE 28 × 28, B=128", 1],
  ["fashion-pixelcnn", "PixelCNN 28 × 28, 5 blocks, B=64", 1],
  ["fashion-gan", "DCGAN 32 × 32, both players, B=64", 1],
  ["fashion-ddpm", "U-Net 32 × 32, base 32, B=64", 1],
  ["speech-wavenet", "WaveNet 2 × 10 blocks, T=4096, B=4", 1],
];

const sampling = (name: string, title: string, more: Partial<BenchCase> = {}): BenchCase => ({
  name,
  title,
  heptagen: name,
  peers: {},
  iterations: 1,
  rounds: 4,
  targets: [],
  ...more,
});

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
  ...families.flatMap(([name, what, atMost]): BenchCase[] => [
    {
      name,
      title: `training step, ${what}`,
      heptagen: name,
      peers: { pytorch: name },
      iterations: 5,
      targets: [time("pytorch", atMost)],
    },
    {
      name: `${name}-memory`,
      title: `peak memory of training, ${what}`,
      heptagen: name,
      peers: { pytorch: `${name}-memory` },
      iterations: 5,
      fresh: true,
      targets: [{ peer: "pytorch", measure: "memory", atMost: 1.2 }],
    },
  ]),
  {
    name: "translate-step",
    title: "training step, Transformer 3 + 3 layers × 256, V=6,000, 16 to 20 tokens, B=64",
    heptagen: "translate-step",
    peers: { pytorch: "translate-step" },
    iterations: 5,
    targets: [time("pytorch", 0.8)],
  },
  sampling("translate-beam-4", "16 translations of 24 tokens with 4 beams, the same Transformer (PyTorch without a cache)", {
    peers: { pytorch: "translate-beam-4" },
    targets: [time("pytorch", 0.5)],
  }),
  sampling("lstm-10000", "10,000 characters, moby-lstm", { peers: { pytorch: "lstm-10000" } }),
  sampling("wavenet-8000", "8,000 samples, speech-wavenet (PyTorch with queues too)", {
    peers: { pytorch: "wavenet-8000" },
    rounds: 2,
  }),
  sampling("pixelcnn-sample", "16 pictures, fashion-pixelcnn, row by row"),
  sampling("pixelcnn-forward", "one forward pass over 16 pictures, fashion-pixelcnn", {
    peers: { pytorch: "pixelcnn-forward" },
    iterations: 20,
  }),
  sampling("ddpm-sample-50", "16 pictures in 50 steps, fashion-ddpm"),
  sampling("ddpm-forward", "one forward pass over 16 pictures, fashion-ddpm", {
    peers: { pytorch: "ddpm-forward" },
    iterations: 10,
  }),
];

export const ownTargets: readonly OwnTarget[] = [
  { title: "10,000 characters of moby-lstm, seconds", cases: ["lstm-10000"], value: (ms = 0) => ms / 1000, atMost: 2 },
  { title: "speech-wavenet, samples a second", cases: ["wavenet-8000"], value: (ms = 0) => 8000 / (ms / 1000), atLeast: 4000 },
  {
    title: "fashion-pixelcnn, times faster than a forward pass for each of 784 pixels",
    cases: ["pixelcnn-forward", "pixelcnn-sample"],
    value: (pass = 0, sample = 0) => (784 * pass) / sample,
    atLeast: 20,
  },
  {
    title: "fashion-ddpm, 50 steps as a multiple of 50 forward passes",
    cases: ["ddpm-sample-50", "ddpm-forward"],
    value: (sample = 0, pass = 0) => sample / (50 * pass),
    atMost: 1.1,
  },
];
