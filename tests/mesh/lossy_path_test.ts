/** Real sockets over a path with delay and loss: a relay process stands in for it. `deno task net` does more. */

import assert from "node:assert/strict";
import { UdpRelay } from "../support/relay.ts";
import { followsPattern, pattern } from "../sim/traffic.ts";
import { closeAll, loopback as permissions, startNode } from "./nodes.ts";

const LENGTH = 1_500_000;
const SALT = 9;

Deno.test("real sockets: three megabytes over 100 ms and 1 % loss", { permissions }, async () => {
  // Packets as large as off loopback: a hundredth of larger ones would be another loss.
  const server = await startNode({ transport: { maxDatagramSize: 1452 } });
  const client = await startNode({ transport: { maxDatagramSize: 1452 } });
  const relay = await UdpRelay.start(Number(server.addresses[0].split(":")[1]), { drop: 0.01, delay: 50 });
  try {
    const session = await client.connect({ id: server.id, addresses: [relay.address] });
    const { value: accepted } = await server.incoming().next();
    const stream = await session.openStream();
    const writing = [write(stream.writable, 0)];
    const { value: taken } = await accepted!.streams().next();
    writing.push(write(taken!.writable, 1));
    assert.deepEqual(await Promise.all([read(taken!.readable, 0), read(stream.readable, 1)]), [
      LENGTH,
      LENGTH,
    ]);
    await Promise.all(writing);
    assert.ok(relay.received > 2 * LENGTH / 1452);
  } finally {
    await closeAll(client, server);
    await relay.close();
  }
});

async function write(writable: WritableStream<Uint8Array>, salt: number): Promise<void> {
  const writer = writable.getWriter();
  await writer.write(pattern(SALT + salt, 0, LENGTH));
  await writer.close();
}

/** Reads to the end and checks every byte; how many there were. */
async function read(readable: ReadableStream<Uint8Array>, salt: number): Promise<number> {
  let length = 0;
  for await (const piece of readable as unknown as AsyncIterable<Uint8Array>) {
    assert.ok(followsPattern(piece, SALT + salt, length), `wrong bytes near ${length}`);
    length += piece.length;
  }
  return length;
}
