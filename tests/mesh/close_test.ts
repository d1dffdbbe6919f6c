/** How sessions end, as both applications see it: code and reason on every path. */

import assert from "node:assert/strict";
import { InvalidArgumentError, NotAuthorizedError, SessionClosedError } from "../../src/errors.ts";
import { ErrorCode, type Session } from "../../src/mesh/mod.ts";
import { connectedPair, loopback as permissions, startNode, targetOf } from "./nodes.ts";

/** Everything that can wait on a session or be called on it. */
async function waits(session: Session): Promise<(() => Promise<unknown>)[]> {
  const stream = await session.openStream();
  const waiting = [stream.readable.getReader().read(), stream.writable.getWriter().closed];
  for (const promise of waiting) promise.catch(() => {});
  return [
    ...waiting.map((promise) => () => promise),
    () => session.openStream(),
    () => Promise.resolve().then(() => session.sendDatagram(new Uint8Array(1))),
  ];
}

Deno.test(
  "close: code and reason reach both applications, whoever waits for whatever",
  { permissions },
  async () => {
    for (const code of [ErrorCode.APPLICATION, 7, 2 ** 53 - 1]) {
      await using pair = await connectedPair();
      const ends = [[pair.session, false], [pair.accepted, true]] as const;
      const calls = await Promise.all(ends.map(([session]) => waits(session)));
      await pair.session.close(code, "maintenance at ten");
      for (const [i, [session, remote]] of ends.entries()) {
        const info = await session.closed;
        assert.deepEqual([info.code, info.reason, info.remote], [code, "maintenance at ten", remote]);
        for (const call of calls[i]) {
          await assert.rejects(call, (error: SessionClosedError) => {
            assert.ok(error instanceof SessionClosedError);
            assert.equal(error, info.error);
            assert.deepEqual([error.code, error.reason, error.remote], [code, "maintenance at ten", remote]);
            assert.match(error.message, /with code 0x[0-9a-f]+ \("maintenance at ten"\)$/);
            return true;
          });
        }
      }
    }
  },
);

Deno.test("close: a waiting openStream ends with code and reason, too", { permissions }, async () => {
  await using pair = await connectedPair({ transport: { maxStreams: 1 } });
  await pair.session.openStream();
  const waiting = pair.session.openStream();
  await Promise.all([
    pair.accepted.close(0x2000, "no more"),
    assert.rejects(waiting, { name: "SessionClosedError", code: 0x2000, reason: "no more", remote: true }),
  ]);
});

Deno.test(
  "close: a reason of any text arrives, cut between characters after 512 bytes",
  { permissions },
  async () => {
    for (const [sent, got] of [["", ""], ["é".repeat(400), "é".repeat(256)], ["x\ud800y", "x\ufffdy"]]) {
      await using pair = await connectedPair();
      await pair.session.close(0x1001, sent);
      assert.equal((await pair.accepted.closed).reason, got);
    }
  },
);

Deno.test("close: a node that closes says so to its peers", { permissions }, async () => {
  await using pair = await connectedPair();
  await pair.server.close();
  const { code, reason, remote } = await pair.session.closed;
  assert.deepEqual([code, reason, remote], [ErrorCode.NO_ERROR, "node closed", true]);
});

Deno.test("close: a peer that is not authorized learns it by its own error", { permissions }, async () => {
  await using server = await startNode({ authorize: () => false });
  await using client = await startNode();
  const session = await client.connect(targetOf(server));
  const { code, reason, remote, error } = await session.closed;
  assert.deepEqual([code, reason, remote], [ErrorCode.NOT_AUTHORIZED, "not authorized", true]);
  assert.ok(error instanceof NotAuthorizedError);
  await assert.rejects(session.openStream(), NotAuthorizedError);
});

Deno.test("close: a code that fits no frame is refused, and the session stays", { permissions }, async () => {
  await using pair = await connectedPair();
  const stream = await pair.session.openStream();
  for (const code of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
    assert.throws(() => void pair.session.close(code), InvalidArgumentError);
    assert.throws(() => stream.abort(code), InvalidArgumentError);
  }
  assert.equal(pair.session.isOpen, true);
  assert.equal(pair.session.metrics().streams, 1);
});
