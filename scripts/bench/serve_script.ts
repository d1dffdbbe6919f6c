/**
 * Accepts peers and sends back what comes on their streams, until it is killed. Prints where it is as a line of JSON.
 *
 * @module
 */

import { MeshNode, type Session } from "@hawser/mesh";

const node = await MeshNode.start({ psk: new Uint8Array(32), listen: "127.0.0.1:0" });
console.log(JSON.stringify({ id: [...node.id], addresses: node.addresses }));

async function echo(session: Session): Promise<void> {
  // A peer that goes away with streams open fails them, which is no concern of the server.
  for await (const stream of session.streams()) stream.readable.pipeTo(stream.writable).catch(() => {});
}
for await (const session of node.incoming()) void echo(session);
