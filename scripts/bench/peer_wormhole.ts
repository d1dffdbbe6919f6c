/**
 * magic-wormhole, with a mailbox server and a transit relay of its own on loopback. The bytes go straight from one side
 * to the other.
 *
 * @module
 */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Contender, type Outcome, timed, type Transfer } from "./contender.ts";
import { findProgram, freePort, outputOf, untilListening } from "./find_program.ts";
import { MeasuredProcess } from "./measured_process.ts";
import type { Peers } from "./peers.ts";

const INSTALL =
  "magic-wormhole (pip install magic-wormhole magic-wormhole-mailbox-server magic-wormhole-transit-relay)";

/** magic-wormhole where this machine has it with both servers, which start here. `folder` takes their files. */
export async function wormholePeer(folder: string): Promise<Peers> {
  const [wormhole, twist] = ["wormhole", "twist"].map(findProgram);
  const plugins = twist === undefined ? "" : outputOf(twist, "--help");
  if (wormhole === undefined || !/wormhole-mailbox/.test(plugins) || !/transitrelay/.test(plugins)) {
    return { found: [], missing: [INSTALL], close() {} };
  }
  mkdirSync(folder, { recursive: true });
  const [mailbox, relay] = [freePort(), freePort()];
  const server = (plugin: string, port: number) =>
    new MeasuredProcess(twist!, [
      "--log-level=error",
      plugin,
      `--port=tcp:${port}:interface=127.0.0.1`,
    ], { cwd: folder });
  const servers = [server("wormhole-mailbox", mailbox), server("transitrelay", relay)];
  const close = () => servers.forEach((process) => process.kill());
  try {
    await Promise.all([untilListening(mailbox), untilListening(relay)]);
  } catch {
    close();
    return { found: [], missing: [`${INSTALL}: its servers did not start`], close() {} };
  }
  const urls = [
    `--relay-url=ws://127.0.0.1:${mailbox}/v1`,
    `--transit-helper=tcp:127.0.0.1:${relay}`,
  ];
  let code = 100;
  const contender: Contender = {
    id: "wormhole",
    title: "magic-wormhole",
    kind: "peer",
    version: outputOf(wormhole, "--version").trim().replace(/^magic-wormhole /, "magic-wormhole "),
    updates: false,
    transfer: (transfer) =>
      sendAndReceive(
        (args) =>
          new MeasuredProcess(wormhole, [...urls, ...args], {
            cwd: folder,
            // Directories are packed into a file first: in memory, as everything else here.
            env: { HOME: folder, TMPDIR: folder },
          }),
        `${code++}-hawser-bench`,
        transfer,
      ),
  };
  return { found: [contender], missing: [], close };
}

async function sendAndReceive(
  wormhole: (args: readonly string[]) => MeasuredProcess,
  code: string,
  { source, file, dest }: Transfer,
): Promise<Outcome> {
  if (file !== undefined) mkdirSync(dest);
  const begin = performance.now();
  const serving = wormhole(["send", "--hide-progress", "--code", code, file ?? source]);
  try {
    await serving.until(/code is: /i);
    const readyMs = performance.now() - begin;
    const output = file === undefined ? dest : join(dest, "file.bin");
    const [fetching, fetchMs] = await timed(async () => {
      const process = wormhole([
        "receive",
        "--hide-progress",
        "--accept-file",
        "--output-file",
        output,
        code,
      ]);
      await process.done();
      return process;
    });
    return { readyMs, fetchMs, serving: serving.usage(), fetching: fetching.usage() };
  } finally {
    await serving.stop();
  }
}
