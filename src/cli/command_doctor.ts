/**
 * `hawser doctor`: what this machine can do, what a transfer makes of it, and what would help.
 *
 * @module
 */

import { runtimeName } from "../runtime/host.ts";
import { mkdirSync } from "../runtime/files.ts";
import { join } from "../runtime/path.ts";
import { abortReason } from "../mesh/abort.ts";
import type { CommandOf } from "./arguments.ts";
import { adviceOf } from "./doctor_advice.ts";
import { measureEncryption, measureHash } from "./doctor_crypto.ts";
import { measureFiles, missingFileFlags, withFolder } from "./doctor_files.ts";
import { sharesOf } from "./doctor_limits.ts";
import type { Ceiling, Diagnosis, Skipped, TransferReport } from "./doctor_report.ts";
import { showDiagnosis } from "./doctor_text.ts";
import { transferBytes, transferFolder } from "./doctor_transfer.ts";
import { measureUdp, missingNetworkFlag } from "./doctor_udp.ts";
import type { Output } from "./output.ts";

/** Runs the command; what is not permitted is left out, with the flag that permits it. */
export async function runDoctor(
  options: CommandOf<"doctor">,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  output.note("Measuring this machine, a few seconds...");
  const diagnosis = await diagnose(options.dir, signal);
  showDiagnosis(diagnosis, output);
  output.json({ event: "diagnosis", ...diagnosis });
}

/** Measures everything that is permitted; small files go into a folder below `dir`, which is removed again. */
export async function diagnose(dir: string, signal: AbortSignal): Promise<Diagnosis> {
  const ceilings: Ceiling[] = [];
  const skipped: Skipped[] = [];
  const transfers: TransferReport[] = [];
  const networkFlag = missingNetworkFlag();
  const fileFlags = missingFileFlags(dir);
  let receiveBuffers: Readonly<Record<string, number>> = {};

  if (networkFlag === undefined) {
    const udp = await measureUdp();
    ceilings.push(...udp.ceilings);
    skipped.push(...udp.skipped);
    receiveBuffers = udp.receiveBuffers;
  } else {
    skipped.push({ what: "UDP and transfers", reason: `run with ${networkFlag}`, isFaster: false });
  }
  assertGoing(signal);
  const encryption = measureEncryption();
  const hash = measureHash();
  ceilings.push(...encryption.ceilings, ...hash.ceilings);
  skipped.push(...encryption.skipped, ...hash.skipped);
  assertGoing(signal);
  if (networkFlag === undefined) {
    const transfer = await transferBytes(signal);
    transfers.push({ ...transfer, shares: sharesOf(transfer, ceilings) });
  }
  if (fileFlags.length > 0) {
    skipped.push({ what: `files in "${dir}"`, reason: `run with ${fileFlags.join(" ")}`, isFaster: false });
  } else {
    await withFolder(dir, async (folder) => {
      const source = join(folder, "source");
      mkdirSync(source);
      ceilings.push(...measureFiles(source, dir));
      if (networkFlag !== undefined) return;
      const transfer = await transferFolder(source, join(folder, "copy"), signal);
      transfers.push({ ...transfer, shares: sharesOf(transfer, ceilings) });
    });
  }
  const advice = adviceOf({ ceilings, skipped, receiveBuffers, transfers });
  return { runtime: runtimeName(), ceilings, skipped, receiveBuffers, transfers, advice };
}

/** Measuring holds the event loop: signals are seen in between. */
function assertGoing(signal: AbortSignal): void {
  if (signal.aborted) throw abortReason(signal);
}
