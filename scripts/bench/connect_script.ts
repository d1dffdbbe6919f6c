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
/**
 * Handshakes in a row, and the pause after them, ms: beyond a hundred in a second a node asks for cookies and lets few of
 * one host through.
 */
const BURST = 80;
const PAUSE = 1_100;
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

/** How many handshakes a second, in bursts for about `ms` milliseconds. */
async function handshakes(ms: number): Promise<number> {
  let [done, busy] = [0, 0];
  const end = performance.now() + ms;
  while (performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
    const begin = performance.now();
    for (let i = 0; i < BURST; i++) await handshake();
    busy += performance.now() - begin;
    done += BURST;
  }
  return done * 1000 / busy;
}

/** How many streams a second, for about `ms` milliseconds. */
async function streams(ms: number): Promise<number> {
  let done = 0;
  const begin = performance.now();
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (; performance.now() < begin + ms; done++) await stream();
  }));
  return done * 1000 / (performance.now() - begin);
}

const measure = what === "handshakes" ? handshakes : streams;
console.log(JSON.stringify({ perSecond: await measure(Number(seconds) * 1000) }));
await node.close();
