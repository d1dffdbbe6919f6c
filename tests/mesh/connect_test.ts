/** Connecting, accepting, authorizing, and how each of them fails. */
import assert from "node:assert/strict";
import {
  HandshakeTimeoutError,
  InvalidArgumentError,
  NodeClosedError,
  NotAuthorizedError,
  SessionClosedError,
  SessionReplacedError,
  SocketError,
} from "../../src/errors.ts";
import { ErrorCode, MeshNode, type PeerInfo, type Session } from "../../src/mesh/mod.ts";
import {
  bytesOf,
  closeAll,
  connectedPair,
  loopback as permissions,
  startNode,
  targetOf,
  until,
} from "./nodes.ts";

Deno.test("connect and accept: both ends know each other", { permissions }, async () => {
  await using pair = await connectedPair({ transport: { agent: "holder/1" } });
  const { server, client, session, accepted } = pair;
  assert.deepEqual(session.peerId, server.id);
  assert.deepEqual(accepted.peerId, client.id);
  assert.equal(session.peerName, server.name);
  assert.equal(session.isInitiator, true);
  assert.equal(accepted.isInitiator, false);
  assert.equal(session.isOpen, true);
  assert.equal(`127.0.0.1:${session.address.port}`, server.addresses[0]);
  assert.deepEqual(client.sessions, [session]);
  assert.deepEqual(server.sessions, [accepted]);
});

Deno.test("authorize: told who asks; yes, now or later", { permissions }, async () => {
  for (const later of [false, true]) {
    let asked: PeerInfo | undefined;
    await using pair = await connectedPair({
      authorize: (peer) => {
        asked = peer;
        return later ? new Promise((resolve) => setTimeout(resolve, 20, true)) : true;
      },
    }, { transport: { agent: "asker/7" } });
    assert.deepEqual(asked?.id, pair.client.id);
    assert.equal(asked?.name, pair.client.name);
    assert.equal(asked?.agent, "asker/7");
    assert.equal(asked?.address.hostname, "127.0.0.1");
    assert.equal(pair.accepted.isOpen, true);
  }
});

Deno.test(
  "authorize: streams that came before the answer are handed out after it",
  { permissions },
  async () => {
    let allow!: (yes: boolean) => void;
    const server = await startNode({ authorize: () => new Promise((resolve) => allow = resolve) });
    const client = await startNode();
    const incoming = server.incoming();
    const session = await client.connect(targetOf(server));
    const stream = await session.openStream();
    const writer = stream.writable.getWriter();
    await writer.write(new Uint8Array([1, 2, 3]));
    const closing = writer.close();
    await until(() => server.sessions[0]?.metrics().streams === 1);
    allow(true);
    const accepted = (await incoming.next()).value as Session;
    const { value } = await accepted.streams().next();
    assert.deepEqual(await bytesOf(value.readable), new Uint8Array([1, 2, 3]));
    await closing;
    await closeAll(client, server);
  },
);

const refusals: [string, () => boolean | Promise<boolean>][] = [
  ["no", () => false],
  ["no, later", () => Promise.resolve(false)],
  ["a throw", () => {
    throw new Error("broken");
  }],
  ["a rejection", () => Promise.reject(new Error("broken"))],
  ["something else than true", () => 1 as unknown as boolean],
];
for (const [name, authorize] of refusals) {
  Deno.test(
    `authorize: ${name} ends the peer's streams with NotAuthorizedError`,
    { permissions },
    async () => {
      const server = await startNode({ authorize });
      const client = await startNode();
      const incoming = server.incoming();
      const session = await client.connect(targetOf(server));
      const info = await session.closed;
      assert.equal(info.code, ErrorCode.NOT_AUTHORIZED);
      assert.equal(info.remote, true);
      assert(info.error instanceof NotAuthorizedError);
      await assert.rejects(session.openStream(), NotAuthorizedError);
      assert.deepEqual(server.sessions, []);
      await closeAll(client, server);
      assert.equal((await incoming.next()).done, true);
    },
  );
}

Deno.test("connect: another mesh key is NotAuthorizedError", { permissions }, async () => {
  const server = await startNode();
  const client = await startNode({ psk: new Uint8Array(32).fill(1) });
  await assert.rejects(client.connect(targetOf(server)), NotAuthorizedError);
  assert(client.metrics().counters.bad_handshake > 0);
  assert.deepEqual(server.sessions, []);
  await closeAll(client, server);
});

Deno.test(
  "connect: nobody there, another key, nobody accepted: HandshakeTimeoutError",
  { permissions },
  async () => {
    const absent = await startNode();
    const target = targetOf(absent);
    await absent.close();
    const server = await startNode();
    const closed = await startNode({ psk: undefined });
    const client = await startNode();
    const stranger = await startNode({ psk: undefined });
    const attempts = [
      client.connect(target),
      client.connect({ id: new Uint8Array(32).fill(9), addresses: server.addresses }),
      client.connect(targetOf(closed)),
      stranger.connect(targetOf(closed)),
    ];
    for (const attempt of await Promise.allSettled(attempts)) {
      assert(attempt.status === "rejected");
      assert(attempt.reason instanceof HandshakeTimeoutError);
      assert.equal(attempt.reason.addresses.length, 1);
    }
    assert(server.metrics().counters.bad_mac1 > 0);
    assert(closed.metrics().counters.not_accepting > 0);
    assert.deepEqual(closed.sessions, []);
    await closeAll(server, closed, client, stranger);
  },
);

Deno.test("connect: without a mesh key, authorize alone decides", { permissions }, async () => {
  await using pair = await connectedPair({ psk: undefined, authorize: () => true }, { psk: undefined });
  assert.equal(pair.accepted.isOpen, true);
});

Deno.test("connect: the address that answers is taken", { permissions }, async () => {
  const server = await startNode();
  const absent = await startNode();
  const { addresses } = absent;
  await absent.close();
  const client = await startNode();
  const session = await client.connect({ id: server.id, addresses: [...addresses, ...server.addresses] });
  assert.equal(`127.0.0.1:${session.address.port}`, server.addresses[0]);
  await closeAll(client, server);
});

Deno.test("connect: what cannot work is refused before anything is sent", { permissions }, async () => {
  const client = await startNode();
  const id = new Uint8Array(32).fill(1);
  const attempt = (target: { id: Uint8Array; addresses: string[] }) => client.connect(target);
  await assert.rejects(attempt({ id: id.slice(1), addresses: ["127.0.0.1:9"] }), InvalidArgumentError);
  await assert.rejects(attempt({ id: client.id, addresses: client.addresses }), InvalidArgumentError);
  await assert.rejects(attempt({ id, addresses: [] }), SocketError);
  assert.equal(client.metrics().counters.datagramsSent, 0);
  await closeAll(client);
  await assert.rejects(attempt({ id, addresses: ["127.0.0.1:9"] }), NodeClosedError);
});

Deno.test("start: options are checked before the socket is bound", { permissions }, async () => {
  const wrong = [
    { key: new Uint8Array(31) },
    { psk: new Uint8Array(33) },
    { listen: "nowhere" },
    { listen: "127.0.0.1:70000" },
    { transport: { maxDatagramSize: 100 } },
    { transport: { idleTimeout: NaN } },
  ];
  for (const options of wrong) await assert.rejects(MeshNode.start(options), InvalidArgumentError);
});

Deno.test("start: a port in use is SocketError", { permissions }, async () => {
  const node = await startNode();
  await assert.rejects(startNode({ listen: node.addresses[0] }), SocketError);
  await node.close();
});

Deno.test("connect: a standing session is given again", { permissions }, async () => {
  await using pair = await connectedPair();
  const { client, server, session, accepted } = pair;
  assert.equal(await client.connect(targetOf(server)), session);
  // It works from either side: who connected first does not matter.
  assert.equal(await server.connect(targetOf(client)), accepted);
  assert.equal(client.metrics().counters.sessionsEstablished, 1);
});

Deno.test("connect: several at once to one peer share a session", { permissions }, async () => {
  const server = await startNode();
  const client = await startNode();
  const sessions = await Promise.all([1, 2, 3].map(() => client.connect(targetOf(server))));
  assert.equal(sessions[0], sessions[1]);
  assert.equal(sessions[1], sessions[2]);
  assert.equal(sessions[0].isOpen, true);
  assert.equal(client.metrics().counters.sessionsEstablished, 1);
  await closeAll(client, server);
});

Deno.test(
  "connect: one of several that gives up does not take the others along",
  { permissions },
  async () => {
    const server = await startNode();
    const client = await startNode();
    const controller = new AbortController();
    const first = client.connect(targetOf(server), { signal: controller.signal });
    const second = client.connect(targetOf(server));
    controller.abort(new Error("enough"));
    await assert.rejects(first, /enough/);
    assert.equal((await second).isOpen, true);
    await closeAll(client, server);
  },
);

Deno.test("connect: two nodes to each other at once lose no stream", { permissions }, async () => {
  for (let round = 0; round < 10; round++) {
    const nodes = await Promise.all([startNode(), startNode()]);
    for (const node of nodes) {
      // The end may be cut off by the close below, when the other side has everything already.
      node.serve(0x5555, ({ readable, writable }) => void readable.pipeTo(writable).catch(() => {}));
    }
    const ask = async (from: MeshNode, to: MeshNode): Promise<void> => {
      const session = await from.connect(targetOf(to));
      for (let i = 0; i < 5; i++) {
        const { readable, writable } = await session.openStream({ protocol: 0x5555 });
        const writer = writable.getWriter();
        const [answer] = await Promise.all([
          bytesOf(readable),
          writer.write(Uint8Array.of(round, i)).then(() => writer.close()),
        ]);
        assert.deepEqual(answer, Uint8Array.of(round, i));
      }
    };
    await Promise.all([ask(nodes[0], nodes[1]), ask(nodes[1], nodes[0])]);
    await closeAll(...nodes);
  }
});

Deno.test("connect: fresh replaces the standing session on both ends", { permissions }, async () => {
  await using pair = await connectedPair();
  const { client, server, session, accepted } = pair;
  const stream = await session.openStream();
  const reading = stream.readable.getReader().read();
  const next = await client.connect(targetOf(server), { fresh: true });
  assert.notEqual(next, session);
  assert.equal(session.isOpen, false);
  await assert.rejects(reading, SessionReplacedError);
  assert((await accepted.closed).error instanceof SessionReplacedError);
  assert.deepEqual(client.sessions, [next]);
});

Deno.test("connect: a restarted peer comes back, its old streams end", { permissions }, async () => {
  const key = new Uint8Array(32).fill(7);
  const server = await startNode();
  const incoming = server.incoming();
  // The first life of the peer never says goodbye: another node with its key takes over.
  const first = await startNode({ key });
  await first.connect(targetOf(server));
  const before = (await incoming.next()).value as Session;
  const stream = await before.openStream();
  const reading = stream.readable.getReader().read();
  const second = await startNode({ key });
  await second.connect(targetOf(server));
  const after = (await incoming.next()).value as Session;
  assert.deepEqual(after.peerId, before.peerId);
  await assert.rejects(reading, SessionReplacedError);
  assert.equal(before.isOpen, false);
  assert.deepEqual(server.sessions, [after]);
  await closeAll(first, second, server);
});

Deno.test("reconnect: gives the session that took the place of the lost one", { permissions }, async () => {
  const server = await startNode();
  const client = await startNode();
  const session = await client.connect(targetOf(server));
  await session.close();
  const [one, two] = await Promise.all([client.reconnect(session), client.reconnect(session)]);
  assert.equal(one, two);
  assert.notEqual(one, session);
  assert.equal(await client.reconnect(session), one);
  // What stands is replaced only when it is the lost one itself.
  const fresh = await client.reconnect(one);
  assert.notEqual(fresh, one);
  assert.equal(one.isOpen, false);
  await closeAll(client, server);
});

Deno.test("connect: an aborted signal ends the wait with its reason", { permissions }, async () => {
  const absent = await startNode();
  const target = targetOf(absent);
  await absent.close();
  const client = await startNode();
  await assert.rejects(client.connect(target, { signal: AbortSignal.abort(new Error("before")) }), /before/);
  const controller = new AbortController();
  const attempt = client.connect(target, { signal: controller.signal });
  await until(() => client.metrics().counters.datagramsSent > 0);
  controller.abort(new Error("meanwhile"));
  await assert.rejects(attempt, /meanwhile/);
  await closeAll(client);
});

Deno.test("connect: closing the node ends the attempt", { permissions }, async () => {
  const absent = await startNode();
  const target = targetOf(absent);
  await absent.close();
  const client = await startNode();
  const attempt = client.connect(target);
  await until(() => client.metrics().counters.datagramsSent > 0);
  await Promise.all([client.close(), assert.rejects(attempt, NodeClosedError)]);
});

Deno.test("twenty peers at once, each with its own stream", { permissions }, async () => {
  const server = await startNode();
  const echoes: Promise<void>[] = [];
  const answering = (async () => {
    for await (const session of server.incoming()) {
      echoes.push(session.streams().next().then(({ value }) => value.readable.pipeTo(value.writable)));
    }
  })();
  const clients = await Promise.all(Array.from({ length: 20 }, () => startNode()));
  await Promise.all(clients.map(async (client, i) => {
    const session = await client.connect(targetOf(server));
    const stream = await session.openStream();
    const sent = new Uint8Array(50_000).fill(i);
    const writer = stream.writable.getWriter();
    const writing = writer.write(sent).then(() => writer.close());
    assert.deepEqual(await bytesOf(stream.readable), sent);
    await writing;
  }));
  assert.equal(server.sessions.length, 20);
  assert.equal(server.metrics().counters.sessionsEstablished, 20);
  await Promise.all(echoes);
  await closeAll(...clients, server);
  await answering;
});

Deno.test("session.closed: says who closed, with what code and why", { permissions }, async () => {
  await using pair = await connectedPair();
  const here = await pair.session.close(0x2345, "enough of it");
  assert.deepEqual([here.code, here.reason, here.remote], [0x2345, "enough of it", false]);
  const there = await pair.accepted.closed;
  assert.deepEqual([there.code, there.reason, there.remote], [0x2345, "enough of it", true]);
  assert(there.error instanceof SessionClosedError);
  assert.match(there.error.message, /0x2345 \("enough of it"\)/);
  assert.equal(await pair.session.closed, here);
});

Deno.test("session: await using closes it", { permissions }, async () => {
  await using pair = await connectedPair();
  {
    await using session = pair.session;
    assert.equal(session.isOpen, true);
  }
  assert.equal(pair.session.isOpen, false);
  assert.equal((await pair.accepted.closed).code, ErrorCode.NO_ERROR);
});
