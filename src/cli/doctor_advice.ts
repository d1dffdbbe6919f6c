/**
 * What to do to be faster, from what was found.
 *
 * @module
 */

import { DEFAULT_RECEIVE_BUFFER } from "../runtime/udp.ts";
import type { Diagnosis, Share } from "./doctor_report.ts";

/** Bytes of queue that a driver asks for. */
const WANTED_QUEUE = 4 * 1024 * 1024;

/** One line for each thing that would help. */
export function adviceOf(
  { ceilings, skipped, receiveBuffers, transfers }: Omit<Diagnosis, "runtime" | "advice">,
): string[] {
  const advice: string[] = [];
  const [first] = transfers;
  const share = (name: Share["resource"]) =>
    transfers.flatMap(({ shares }) => shares).find(({ resource }) => resource === name)?.share ?? 0;
  for (const { what, reason, isFaster } of skipped) {
    if (isFaster) advice.push(`For faster ${what}: ${reason}`);
  }
  const buffer = first === undefined ? undefined : receiveBuffers[first.driver];
  // Where the size can be neither set nor read, a driver tells the default.
  if (buffer !== undefined && buffer > DEFAULT_RECEIVE_BUFFER && buffer < WANTED_QUEUE) {
    advice.push(
      `For fewer losses: the system queues no more than ${buffer} bytes for a socket, raise that with ` +
        `sysctl -w net.core.rmem_max=${WANTED_QUEUE}`,
    );
  }
  const cipher = ceilings.find(({ resource }) => resource === "encryption");
  if (cipher?.driver === "@noble/ciphers") {
    advice.push(
      "This runtime has no ChaCha20-Poly1305 of its own: another build of it encrypts several times faster",
    );
  }
  const hash = ceilings.find(({ resource }) => resource === "hash");
  if (hash?.driver === "noble") {
    advice.push("This runtime has no WebAssembly: another build of it hashes ten times faster");
  }
  if (share("files") > 0.5) {
    advice.push(
      "Files take most of the time: a disk with less latency, or memory, helps more than a faster network",
    );
  }
  return advice;
}
