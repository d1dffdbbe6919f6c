/**
 * Makes handshakes or small streams with the node of `serve_script` for some seconds and prints how many a second.
 * Arguments: `handshakes` or `streams`, what the server printed, the seconds.
 *
 * @module
 */

import process from "node:process";
import { MeshNode } from "@hawser/mesh";

/** Streams at work at the same time. */
const AT_ONCE = 64;
/** Bytes that a stream carries each way. */
const MESSAGE = new Uint8Array(64).fill(7);

const [what, server, seconds] = process.argv.slice(2);
const { id, addresses } = JSON.parse(server);
const target = { id: Uint8Array.from(id), addresses };
const node = await MeshNode.start({ psk: new Uint8Array(32), listen: "127.0.0.1:0" });
let session = await node.connect(target);

async function handshake(): Promise<void> {
  session = await node.connect(target, { fresh: true });
}

async function stream(): Promise<void> {
  const { readable, writable } = await session.openStream();
  const writer = writable.getWriter();
  const sent = writer.write(MESSAGE).then(() => writer.close());
  let received = 0;
  for await (const bytes of readable) received += bytes.length;
  if (received !== MESSAGE.length) throw new Error(`${received} bytes came back`);
  await sent;
}

const [work, atOnce] = what === "handshakes" ? [handshake, 1] : [stream, AT_ONCE];
let done = 0;
const begin = performance.now();
const end = begin + Number(seconds) * 1000;
await Promise.all(Array.from({ length: atOnce }, async () => {
  for (; performance.now() < end; done++) await work();
}));
console.log(JSON.stringify({ perSecond: done * 1000 / (performance.now() - begin) }));
await node.close();
