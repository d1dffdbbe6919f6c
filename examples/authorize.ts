// Accepts one known peer and refuses everybody else, without a mesh key:
//   deno run --unstable-net --allow-net=127.0.0.1 examples/authorize.ts
import { encodeNodeId, MeshNode, NotAuthorizedError } from "@hawser/mesh";

await using friend = await MeshNode.start({ listen: "127.0.0.1:0" });
await using stranger = await MeshNode.start({ listen: "127.0.0.1:0" });

const known = new Set([encodeNodeId(friend.id)]);
await using server = await MeshNode.start({
  listen: "127.0.0.1:0",
  authorize: ({ name }) => known.has(name),
});
const target = { id: server.id, addresses: server.addresses };

const session = await friend.connect(target);
console.log(`friend: connected to ${session.peerName.slice(0, 10)}`);

const { error } = await (await stranger.connect(target)).closed;
console.log(`stranger: ${error instanceof NotAuthorizedError ? "not authorized" : error.message}`);
