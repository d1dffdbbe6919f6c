/**
 * Nodes on loopback for tests.
 *
 * @module
 */

import { type ConnectTarget, MeshNode, type NodeOptions, type Session } from "../../src/mesh/mod.ts";

/** What a test on loopback may do, and nothing else. */
export const loopback: { net: string[] } = { net: ["127.0.0.1"] };

/** The mesh key of all nodes that are given no other. */
export const psk: Uint8Array = new Uint8Array(32).fill(0x42);

/** Starts a node on loopback. */
export function startNode(options: NodeOptions = {}): Promise<MeshNode> {
  return MeshNode.start({ psk, listen: "127.0.0.1:0", ...options });
}

/** How a node is reached. */
export function targetOf(node: MeshNode): ConnectTarget {
  return { id: node.id, addresses: node.addresses };
}

/** Two nodes with a session between them. */
export interface Pair extends AsyncDisposable {
  /** The node that was connected to. */
  readonly server: MeshNode;
  /** The node that connected. */
  readonly client: MeshNode;
  /** The client's end. */
  readonly session: Session;
  /** The server's end. */
  readonly accepted: Session;
}

/** Connects two fresh nodes. */
export async function connectedPair(server: NodeOptions = {}, client: NodeOptions = {}): Promise<Pair> {
  const [a, b] = await Promise.all([startNode(server), startNode(client)]);
  const incoming = a.incoming();
  const session = await b.connect(targetOf(a));
  const accepted = (await incoming.next()).value as Session;
  await incoming.return!();
  return { server: a, client: b, session, accepted, [Symbol.asyncDispose]: () => closeAll(b, a) };
}

/** Closes nodes at once, whatever is open. */
export async function closeAll(...nodes: MeshNode[]): Promise<void> {
  await Promise.all(nodes.map((node) => node.close({ signal: AbortSignal.abort() })));
}

/** Resolves once `condition` holds; looks at it every few milliseconds. The test's own deadline is the only one. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** All bytes of a stream. */
export async function bytesOf(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  return new Uint8Array(await new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>).arrayBuffer());
}
