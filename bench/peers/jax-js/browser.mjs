/**
 * What jax-js expects of a browser and Node lacks; import before jax-js. Node 20 has no iterator helpers. Node has no `Worker`
 * either, and jax-js spreads a kernel over workers wherever `Worker` and `SharedArrayBuffer` exist.
 */
import { resolveObjectURL } from "node:buffer";
import { Worker as Thread } from "node:worker_threads";

const PRELUDE = `
const { parentPort } = require("node:worker_threads");
globalThis.self = globalThis;
globalThis.postMessage = (message) => parentPort.postMessage(message);
parentPort.on("message", (data) => self.onmessage({ data }));
`;

class BrowserWorker {
  onmessage = null;
  onerror = null;
  #thread;

  constructor(url) {
    this.#thread = resolveObjectURL(url)
      .text()
      .then((source) => {
        const thread = new Thread(PRELUDE + source, { eval: true });
        thread.on("message", (data) => this.onmessage?.({ data }));
        thread.on("error", (error) => this.onerror?.(error));
        thread.unref();
        return thread;
      });
  }

  postMessage(message) {
    this.#thread.then((thread) => thread.postMessage(message));
  }
}

const iterator = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()));
iterator.map ??= function* map(change) {
  for (const value of this) yield change(value);
};
iterator.filter ??= function* filter(keep) {
  for (const value of this) if (keep(value)) yield value;
};

/** Installs the worker, so that jax-js uses `threads` of them. */
export function installWorkers(threads) {
  globalThis.Worker = BrowserWorker;
  Object.defineProperty(globalThis, "navigator", { value: { hardwareConcurrency: threads }, configurable: true });
}
