/**
 * Two nodes in one process, for tests of permissions and drivers: `bind` and `connect` do only that, to places that may
 * be forbidden. Exit code 3: a permission is missing.
 *
 * @module
 */

import process from "node:process";
import { PermissionDeniedError } from "../../src/errors.ts";
import { MeshNode } from "../../src/mesh/mod.ts";

const psk = new Uint8Array(32).fill(3);
const listen = "127.0.0.1:0";

async function main(): Promise<void> {
  const server = await MeshNode.start({ psk, listen });
  if (process.argv[2] === "connect") {
    await server.connect({ id: new Uint8Array(32).fill(1), addresses: ["192.0.2.7:4000"] });
    return;
  }
  const client = await MeshNode.start({ psk, listen });
  const incoming = server.incoming();
  const session = await client.connect({ id: server.id, addresses: server.addresses });
  const accepted = (await incoming.next()).value;
  const stream = await session.openStream();
  const writing = new Blob([new Uint8Array(3_000_000)]).stream().pipeTo(stream.writable);
  const received = (await accepted.streams().next()).value;
  let length = 0;
  for await (const piece of received.readable) length += piece.length;
  await writing;
  console.log(server.metrics().driver, length, "bytes");
  await received.writable.close();
  await stream.readable.cancel();
  await Promise.all([client.close(), server.close()]);
}

try {
  await main();
} catch (error) {
  console.log(`${(error as Error).name}: ${(error as Error).message}`);
  process.exit(error instanceof PermissionDeniedError ? 3 : 1);
}
