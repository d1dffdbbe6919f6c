/**
 * Nodes on real sockets against a peer in Python that was written from `docs/protocol.md`, with another Noise, another
 * BLAKE2s and another cipher. Runs where `python3` has the packages `noiseprotocol` and `cryptography`.
 */

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { ErrorCode } from "../../src/mesh/mod.ts";
import { fromHex, toHex } from "../../src/wire/bytes.ts";
import { psk, startNode } from "../mesh/nodes.ts";

const SCRIPT = fileURLToPath(new URL("./peer.py", import.meta.url));

/** Why the peer cannot run here; `undefined` when it can. */
function obstacle(): string | undefined {
  try {
    execFileSync("python3", [SCRIPT, "check"], { stdio: "pipe" });
    return undefined;
  } catch {
    return "python3 with the packages noiseprotocol and cryptography is not here";
  }
}

const reason = obstacle();
if (reason !== undefined) console.log(`tests with a peer in Python are left out: ${reason}`);

/** The peer: lines that it printed, and how it ended. */
function startPeer(...args: string[]): { line(n: number): Promise<string>; ended: Promise<void> } {
  const child = spawn("python3", [SCRIPT, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let [out, err] = ["", ""];
  let wake = () => {};
  let isOver = false;
  child.stdout.on("data", (data) => {
    out += data;
    wake();
  });
  child.stderr.on("data", (data) => void (err += data));
  const ended = new Promise<void>((resolve, reject) => {
    child.on("close", (code) => {
      isOver = true;
      wake();
      if (code === 0) resolve();
      else reject(new Error(`the peer failed: ${err}`));
    });
  });
  const line = async (n: number): Promise<string> => {
    while (out.split("\n").length <= n + 1 && !isOver) await new Promise<void>((resolve) => wake = resolve);
    return out.split("\n")[n];
  };
  return { line, ended };
}

Deno.test({
  name: "interop: an initiator in Python connects to a node",
  ignore: reason !== undefined,
  permissions: { net: ["127.0.0.1"], run: ["python3"], read: true, env: true },
  fn: async () => {
    await using node = await startNode();
    const incoming = node.incoming();
    const [host, port] = node.addresses[0].split(":");
    const peer = startPeer("initiate", host, port, toHex(node.id), toHex(psk));
    const { value: session } = await incoming.next();
    const { value: datagram } = await session.datagrams().next();
    assert.equal(new TextDecoder().decode(datagram), "hello from another language");
    session.sendDatagram(new TextEncoder().encode("hello from Hawser"));
    assert.equal(await peer.line(0), "hello from Hawser");
    const { code, reason, remote } = await session.closed;
    assert.deepEqual([code, reason, remote], [0x1001, "done", true]);
    await peer.ended;
  },
});

Deno.test({
  name: "interop: a node connects to a responder in Python",
  ignore: reason !== undefined,
  permissions: { net: ["127.0.0.1"], run: ["python3"], read: true, env: true },
  fn: async () => {
    await using node = await startNode();
    const peer = startPeer("respond", toHex(psk));
    const [port, id] = (await peer.line(0)).split(" ");
    const session = await node.connect({ id: fromHex(id)!, addresses: [`127.0.0.1:${port}`] });
    session.sendDatagram(new TextEncoder().encode("hello from Hawser"));
    const { value: answer } = await session.datagrams().next();
    assert.equal(new TextDecoder().decode(answer), "HELLO FROM HAWSER");
    assert.equal(await peer.line(1), "hello from Hawser");
    await peer.ended;
    await session.close(ErrorCode.APPLICATION, "done");
  },
});
