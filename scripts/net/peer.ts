/**
 * One end of the transfers of `deno task net`, as a process. What it does is its first argument: `hawser-serve HOST:PORT`,
 * `hawser-fetch ADDRESS ID`, `tcp-serve HOST:PORT`, `tcp-fetch ADDRESS`; the last argument is the number of bytes.
 * Reports in lines of JSON.
 *
 * @module
 */

import { MeshNode } from "../../mod.ts";
import { decodeNodeId, encodeNodeId } from "../../src/wire/node_id.ts";
import { followsPattern, patternView } from "../../tests/sim/traffic.ts";

const PSK = new Uint8Array(32).fill(0x42);
const PIECE = 65_536;
/** Off loopback packets are no larger; on it they would be, and 1 % of them would be another loss. */
const transport = { maxDatagramSize: 1452 };
const SALT = 1;

const [role, address, ...rest] = Deno.args;
const length = Number(rest.pop());
switch (role) {
  case "hawser-serve":
    await serveHawser(address);
    break;
  case "hawser-fetch":
    await fetchHawser(address, rest[0]);
    break;
  case "tcp-serve":
    await serveTcp(address);
    break;
  case "tcp-fetch":
    await fetchTcp(address);
    break;
}

function report(line: Record<string, unknown>): void {
  console.log(JSON.stringify(line));
}

async function serveHawser(listen: string): Promise<void> {
  const node = await MeshNode.start({ psk: PSK, listen, transport });
  report({ id: encodeNodeId(node.id) });
  for await (const session of node.incoming()) {
    for await (const stream of session.streams()) await source().pipeTo(stream.writable);
  }
}

async function fetchHawser(at: string, id: string): Promise<void> {
  await using node = await MeshNode.start({ psk: PSK, listen: "0.0.0.0:0", transport });
  const session = await node.connect({ id: decodeNodeId(id), addresses: [at] });
  const stream = await session.openStream();
  await stream.writable.close();
  await check(stream.readable);
}

async function serveTcp(at: string): Promise<void> {
  const [hostname, port] = at.split(":");
  const listener = Deno.listen({ hostname, port: Number(port) });
  report({ ready: true });
  for await (const connection of listener) await source().pipeTo(connection.writable);
}

async function fetchTcp(at: string): Promise<void> {
  const [hostname, port] = at.split(":");
  const connection = await Deno.connect({ hostname, port: Number(port) });
  await check(connection.readable);
}

/** The bytes that are sent. */
function source(): ReadableStream<Uint8Array<ArrayBuffer>> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      const size = Math.min(PIECE, length - at);
      if (size === 0) return controller.close();
      controller.enqueue(patternView(SALT, at, size) as Uint8Array<ArrayBuffer>);
      at += size;
    },
  });
}

/** Reads all of them, compares them with what they have to be, and tells how long it took. */
async function check(stream: ReadableStream<Uint8Array>): Promise<void> {
  const start = performance.now();
  let read = 0;
  let toldAt = start;
  for await (const piece of stream) {
    if (!followsPattern(piece, SALT, read)) throw new Error(`Check bytes: wrong ones near ${read}`);
    read += piece.length;
    if (performance.now() - toldAt < 1_000) continue;
    toldAt = performance.now();
    report({ read, seconds: (toldAt - start) / 1_000 });
  }
  if (read !== length) throw new Error(`Check bytes: ${read} arrived, want ${length}`);
  report({ read, seconds: (performance.now() - start) / 1_000, done: true });
}
