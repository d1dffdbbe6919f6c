/**
 * Runs the worlds whose seeds `scripts/sim.ts` sends.
 *
 * @module
 */

import { runWorld } from "../tests/sim/world/world.ts";
import type { WorldReport } from "./sim.ts";

/** The worker's own end; the type checker takes this file for a page. */
const worker = self as unknown as {
  onmessage: (event: MessageEvent<number>) => void;
  postMessage(report: WorldReport): void;
};

worker.onmessage = ({ data: seed }) => {
  const start = performance.now();
  const took = () => performance.now() - start;
  try {
    const result = runWorld(seed);
    worker.postMessage({ seed, result, took: took() });
  } catch (error) {
    worker.postMessage({ seed, fault: (error as Error).stack ?? String(error), took: took() });
  }
};
