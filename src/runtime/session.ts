/** One loaded graph: the only place that hands memory to ONNX Runtime and takes it back. */
import type { InferenceSession, Tensor as OrtTensor } from "onnxruntime-web";
import { endMark, withEndMark } from "../onnx/index.ts";
import { HeptagenError } from "../util/errors.ts";
import type { DType, NdArray, NumericArray } from "../util/ndarray.ts";
import { usableCores } from "./cores.ts";
import { type Device, isNative, loadRuntime, type Ort } from "./devices.ts";

export interface SessionOptions {
  readonly device: Device;
  /** Threads of one operator; one for each physical core unless told. */
  readonly threads?: number;
  /** Writes ONNX Runtime's profile to files with this prefix. */
  readonly profile?: string;
  /** Whether memory that a run computed in is kept for the next; true unless told. */
  readonly keepMemory?: boolean;
  /** Whether threads go on spinning for a while after a run, ready for the next; true unless told. */
  readonly spin?: boolean;
  /** Whether another program wrote the model: it is then loaded as it is. */
  readonly foreign?: boolean;
}

/** What goes into or comes out of a graph. A dimension that is not fixed has a name, or is -1. */
export interface Port {
  readonly name: string;
  /** As ONNX Runtime calls it; undefined for what is no tensor. */
  readonly dtype: string | undefined;
  readonly shape: readonly (number | string)[];
}

/** What onnxruntime-node says on meeting the end mark. (One that could hand it over would only be slower.) */
const unreadableMark = "Non tensor type";

/** The last thing asked of each onnxruntime-web: there, one run that starts before another has ended may never end. */
const lastOf = new WeakMap<Ort, Promise<unknown>>();

/** Does `work` after everything asked of the runtime before, where it has to be so. */
function inTurn<T>(ort: Ort, device: Device, work: () => Promise<T>): Promise<T> {
  if (isNative(device)) return work();
  const turn = (lastOf.get(ort) ?? Promise.resolve()).then(work);
  lastOf.set(
    ort,
    turn.catch(() => undefined),
  );
  return turn;
}

export class Session {
  readonly device: Device;
  readonly #ort: Ort;
  readonly #session: InferenceSession;
  /** onnxruntime-web takes arrays to write into but leaves them untouched, so there results come in new arrays. */
  readonly writesInPlace: boolean;
  /** Whether the graph's first output is the mark that ends a run before results are copied. */
  readonly #marked: boolean;
  /** Views of arrays that were fed or fetched before, so that a training loop makes no new ones. */
  readonly #tensors = new WeakMap<NdArray, OrtTensor>();

  private constructor(ort: Ort, session: InferenceSession, device: Device, marked: boolean) {
    this.#ort = ort;
    this.#session = session;
    this.device = device;
    this.writesInPlace = isNative(device);
    this.#marked = marked;
  }

  /**
   * Loads a model onto a device.
   *
   * @throws HeptagenError `runtime/load` with ONNX Runtime's reason
   */
  static async create(
    model: Uint8Array,
    {
      device,
      threads = isNative(device) ? usableCores() : undefined,
      profile,
      keepMemory = true,
      spin = true,
      foreign = false,
    }: SessionOptions,
  ): Promise<Session> {
    const ort = await loadRuntime(device);
    if (device === "wasm" && threads) ort.env.wasm.numThreads = threads;
    const marked = device === "cpu" && isNative(device) && !foreign;
    try {
      const options = {
        executionProviders: [device],
        graphOptimizationLevel: "all",
        // It would keep one block for all temporaries beside the arena's own memory: 1.5 GiB more for a 162M-parameter step, and no
        // faster (measured; neither do denormals as zero or other block sizes help, and without spinning a step takes 15 % longer).
        enableMemPattern: false,
        enableCpuMemArena: keepMemory,
        // Zeros made when the graph runs must not be made while it loads instead, and kept.
        extra: {
          optimization: { constant_folding_max_output_size_in_bytes: "1048576" },
          ...(!spin && { session: { force_spinning_stop: "1" } }),
        },
        logSeverityLevel: 3,
        ...(threads && { intraOpNumThreads: threads }),
        ...(profile && { enableProfiling: true, profileFilePrefix: profile }),
      } as const;
      const session = await inTurn(ort, device, () => ort.InferenceSession.create(marked ? withEndMark(model) : model, options));
      return new Session(ort, session, device, marked);
    } catch (cause) {
      throw new HeptagenError("runtime/load", `ONNX Runtime could not load the graph on "${device}": ${messageOf(cause)}`, {
        cause,
      });
    }
  }

  /**
   * Runs the graph. Outputs with an array to write into are written there where the runtime can; the others are new arrays.
   * Fastest when every output has an array: results are then never copied.
   *
   * @throws HeptagenError `runtime/run` with ONNX Runtime's reason
   */
  async run(
    feeds: ReadonlyMap<string, NdArray>,
    fetches: ReadonlyMap<string, NdArray | undefined>,
  ): Promise<Map<string, NdArray>> {
    const inputs: Record<string, OrtTensor> = {};
    for (const [name, array] of feeds) inputs[name] = this.#view(array);
    const allGiven = this.#marked && [...fetches.values()].every((array) => array !== undefined);
    const outputs: Record<string, OrtTensor | null> = allGiven ? { [endMark]: null } : {};
    for (const [name, array] of fetches) outputs[name] = array && this.writesInPlace ? this.#view(array) : null;
    let results: Record<string, OrtTensor>;
    try {
      results = await inTurn(this.#ort, this.device, () => this.#session.run(inputs, outputs));
    } catch (cause) {
      if (!allGiven || !messageOf(cause).includes(unreadableMark)) {
        throw new HeptagenError("runtime/run", `ONNX Runtime failed on "${this.device}": ${messageOf(cause)}`, { cause });
      }
      results = {}; // the graph has run and written everything
    }
    const arrays = new Map<string, NdArray>();
    for (const [name, into] of fetches) {
      if (into && this.writesInPlace) arrays.set(name, into);
      else {
        const { type, dims, data } = results[name] as OrtTensor;
        arrays.set(name, { dtype: type as DType, shape: dims, data: data as NumericArray });
      }
    }
    return arrays;
  }

  /** The graph's inputs and outputs; of a foreign model, since our own has others besides. */
  get ports(): { readonly inputs: readonly Port[]; readonly outputs: readonly Port[] } {
    const port = (value: InferenceSession.ValueMetadata): Port => ({
      name: value.name,
      dtype: value.isTensor ? value.type : undefined,
      shape: value.isTensor ? value.shape : [],
    });
    return { inputs: this.#session.inputMetadata.map(port), outputs: this.#session.outputMetadata.map(port) };
  }

  /** Frees the graph and writes the profile, if one was asked for. */
  async dispose(): Promise<void> {
    this.#session.endProfiling();
    await this.#session.release();
  }

  #view(array: NdArray): OrtTensor {
    const known = this.#tensors.get(array);
    if (known) return known;
    // ONNX Runtime's constructor is overloaded per type; dtype and data always belong together in an NdArray.
    const tensor = new this.#ort.Tensor(array.dtype as "float32", array.data as Float32Array, array.shape);
    this.#tensors.set(array, tensor);
    return tensor;
  }
}

function messageOf(cause: unknown): string {
  return (cause instanceof Error ? cause.message : String(cause)).trim();
}
