/** Ctrl-C: the first asks for an orderly end, the second ends at once. */
import { exitCodes } from "./terminal.ts";

/**
 * Runs something that can be interrupted.
 *
 * @param onInterrupt called at the first Ctrl-C (or SIGTERM), when `signal` has been raised
 */
export async function interruptible<T>(run: (signal: AbortSignal) => Promise<T>, onInterrupt: () => void): Promise<T> {
  const controller = new AbortController();
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(exitCodes.interrupted);
    controller.abort();
    onInterrupt();
  };
  process.on("SIGINT", interrupt).on("SIGTERM", interrupt);
  try {
    return await run(controller.signal);
  } finally {
    process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
  }
}
