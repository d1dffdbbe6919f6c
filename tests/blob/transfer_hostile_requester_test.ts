/** Requesters that break the transfer in every way: the holder's memory stays bounded and others are served. */
import assert from "node:assert/strict";
import process from "node:process";
import fc from "fast-check";
import { StreamResetError } from "../../src/errors.ts";
import { toChunkSource } from "../../src/blob/transfer_client.ts";
import { BLOB_TRANSFER_PROTOCOL } from "../../src/blob/transfer_server.ts";
import type { BlobStore } from "../../src/blob/store.ts";
import { frameMessage } from "../../src/mesh/messages.ts";
import type { MeshNode, MeshStream, Session } from "../../src/mesh/mod.ts";
import { MAX_CONTROL_LENGTH } from "../../src/wire/transfer_message.ts";
import { writeVarint } from "../../src/wire/varint.ts";
import { loopback as permissions, startNode, targetOf, until } from "../mesh/nodes.ts";
import {
  asynchronous,
  blake3,
  CollectingJob,
  contents,
  control,
  RawRequester,
  startHolder,
  storeOf,
  withHolders,
} from "./transfer_support.ts";

const MiB = 1024 * 1024;
const blobs = contents([4 * MiB, 1000]);
const [large, small] = blobs.map((blob) => blake3.hash(blob));
const absent = new Uint8Array(32).fill(5);

/** Fails unless the holder serves a well-behaved peer, and nothing unexpected happened in it. */
async function assertServes(holder: MeshNode): Promise<void> {
  const other = await startNode();
  const jobs = blobs.map((blob) => new CollectingJob(blob));
  await toChunkSource(await other.connect(targetOf(holder))).fetchChunks(jobs);
  for (const [i, job] of jobs.entries()) assert.deepEqual(job.bytes, blobs[i]);
  await other.close();
  assert.equal(holder.metrics().counters.internal_errors, 0);
}

/** Lets a hostile requester do its work and looks at the holder while it is still there. */
async function withHostile(
  work: (session: Session, holder: MeshNode) => Promise<void>,
  wrap: (store: BlobStore) => BlobStore = (store) => store,
): Promise<void> {
  const errors: Error[] = [];
  const holder = await startHolder(wrap(await storeOf(blobs)), { onError: (error) => errors.push(error) });
  await withHolders([holder], async ([session]) => {
    await work(session, holder);
    await assertServes(holder);
  });
  // Nothing that a peer sends is a failure of the store.
  assert.deepEqual(errors, []);
}

function lengthOnly(length: number): Uint8Array {
  const out = new Uint8Array(8);
  return out.subarray(0, writeVarint(out, 0, length));
}

const garbage: [string, Uint8Array][] = [
  ["an unknown variant", frameMessage(new Uint8Array([7, 1, 2, 3]))],
  ["an empty message", new Uint8Array([0])],
  ["half a request", frameMessage(new Uint8Array(17))],
  ["half a range", frameMessage(new Uint8Array([1, ...absent]))],
  ["numbers that overflow", frameMessage(new Uint8Array([1, ...absent, ...Array(10).fill(0xff), 0]))],
  ["too many hashes announced", frameMessage(new Uint8Array([2, 0x81, 0x20, ...absent]))],
  ["2^60 hashes announced", frameMessage(new Uint8Array([2, ...Array(8).fill(0x80), 0x10]))],
];
for (const [name, bytes] of garbage) {
  Deno.test(
    `hostile requester: ${name} is refused, the next request is answered`,
    { permissions },
    () =>
      withHostile(async (session) => {
        const raw = await RawRequester.open(session);
        raw.send(bytes);
        raw.send(control({ kind: "request", hash: small }));
        const refusal = await raw.header();
        assert.equal(refusal.kind, "refused");
        assert.equal((refusal as { code: string }).code, "BAD_REQUEST");
        assert.deepEqual(await raw.header(), { kind: "found", totalLength: 1000n });
        raw.stream.abort();
      }),
  );
}

for (const length of [MAX_CONTROL_LENGTH + 1, 2 ** 30, 2 ** 53 - 1]) {
  Deno.test(
    `hostile requester: a message of ${length} bytes ends the stream`,
    { permissions },
    () =>
      withHostile(async (session, holder) => {
        const raw = await RawRequester.open(session);
        raw.send(lengthOnly(length));
        const refusal = await raw.header();
        assert.equal((refusal as { code: string }).code, "BAD_REQUEST");
        await assert.rejects(
          raw.header(),
          (error: Error) => error instanceof StreamResetError || /ended/.test(error.message),
        );
        raw.stream.abort();
        await until(() => holder.sessions.every((session) => session.metrics().streams === 0));
      }),
  );
}

Deno.test("hostile requester: any bytes at all", { permissions }, () =>
  withHostile(async (session) => {
    const chunk = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.uint8Array({ maxLength: 60 }).map(frameMessage),
      fc.constantFrom(
        control({ kind: "request", hash: small }),
        control({ kind: "have", hashes: [small, absent] }),
      ),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(chunk, { maxLength: 12 }), async (pieces) => {
        const stream = await session.openStream({ protocol: BLOB_TRANSFER_PROTOCOL });
        for (const piece of pieces) {
          if (stream.transport.error === undefined) stream.transport.write(piece);
        }
        stream.transport.finish();
        // It ends, one way or another, once everything was read.
        await stream.readable.pipeTo(new WritableStream()).catch(() => stream.abort());
        assert.equal(session.isOpen, true);
      }),
      { numRuns: 150, seed: 7 },
    );
  }));

Deno.test(
  "hostile requester: half messages and streams that say nothing",
  { permissions },
  () =>
    withHostile(async (session, holder) => {
      const quiet: RawRequester[] = [];
      for (let i = 0; i < 10; i++) quiet.push(await RawRequester.open(session));
      for (const [i, raw] of quiet.entries()) {
        raw.send(control({ kind: "request", hash: large }).subarray(0, 3 * i));
      }
      await assertServes(holder);
      for (const raw of quiet) raw.stream.transport.finish();
      for (const raw of quiet) await assert.rejects(raw.header(), /the stream ended/);
    }),
);

for (const [name, wrap] of [["", (store: BlobStore) => store], [", slow store", asynchronous]] as const) {
  Deno.test(
    `hostile requester: thousands of requests and nothing read${name}`,
    { permissions: { ...permissions, sys: true } },
    () =>
      withHostile(async (session, holder) => {
        const before = process.memoryUsage().rss;
        const streams = await Promise.all(Array.from({ length: 16 }, () => RawRequester.open(session)));
        const request = control({ kind: "request", hash: large });
        const burst = new Uint8Array(1000 * request.length);
        for (let at = 0; at < burst.length; at += request.length) burst.set(request, at);
        // 16 streams, 3,000 requests each: 187 GiB asked for.
        for (const raw of streams) for (let i = 0; i < 3; i++) raw.send(burst);
        // Everything that credit allows arrives; then it stands still.
        let sent = -1;
        while (sent !== holder.metrics().counters.bytesSent) {
          sent = holder.metrics().counters.bytesSent;
          await new Promise((resolve) => setTimeout(resolve, 200));
        }
        const grown = process.memoryUsage().rss - before;
        assert(grown < 200 * MiB, `${Math.round(grown / MiB)} MiB more`);
        await assertServes(holder);
        for (const raw of streams) raw.stream.abort();
      }, wrap),
  );
}

Deno.test(
  "hostile requester: a flood of Have",
  { permissions },
  () =>
    withHostile(async (session, holder) => {
      const raw = await RawRequester.open(session);
      const message = control({ kind: "have", hashes: Array(4096).fill(absent) });
      for (let i = 0; i < 60; i++) raw.send(message);
      await assertServes(holder);
      for (let i = 0; i < 60; i++) {
        const reply = await raw.header();
        assert.deepEqual(reply, { kind: "have-reply", bitmap: new Uint8Array(512) });
      }
      raw.stream.abort();
    }),
);

Deno.test("hostile requester: more streams than allowed are refused as busy, all at once or one by one", {
  permissions,
}, () =>
  withHostile(async (session, holder) => {
    const held = await Promise.all(Array.from({ length: 16 }, () => RawRequester.open(session)));
    for (const raw of held) raw.send(control({ kind: "request", hash: small }));
    for (const raw of held) await raw.header();
    for (let round = 0; round < 3; round++) {
      const more = await Promise.all(Array.from({ length: 200 }, () => RawRequester.open(session)));
      for (const raw of more) raw.send(control({ kind: "request", hash: large }));
      for (const raw of more) {
        const refusal = await raw.header();
        assert.equal((refusal as { code: string }).code, "BUSY");
        raw.stream.abort();
      }
    }
    await assertServes(holder);
    for (const raw of held) raw.stream.abort();
    // With the held ones gone there is room again.
    await until(() => holder.sessions.every((session) => session.metrics().streams === 0));
    const raw = await RawRequester.open(session);
    raw.send(control({ kind: "request", hash: small }));
    assert.equal((await raw.header()).kind, "found");
    raw.stream.abort();
  }));

Deno.test(
  "hostile requester: thousands of streams opened and dropped",
  { permissions },
  () =>
    withHostile(async (session, holder) => {
      for (let round = 0; round < 20; round++) {
        const streams: MeshStream[] = [];
        for (let i = 0; i < 100; i++) {
          const stream = await session.openStream({ protocol: BLOB_TRANSFER_PROTOCOL });
          if (i % 2 === 0) stream.transport.write(control({ kind: "request", hash: large }));
          streams.push(stream);
        }
        for (const [i, stream] of streams.entries()) {
          if (i % 3 === 0) stream.transport.reset(1);
          else if (i % 3 === 1) stream.transport.stop(2);
          else stream.abort();
          // Whoever resets one direction only, leaves the other to the holder.
          if (i % 3 === 0) stream.transport.stop(1);
          if (i % 3 === 1) stream.transport.finish();
        }
      }
      await until(() => holder.sessions.every((session) => session.metrics().streams === 0));
    }),
);

Deno.test(
  "hostile requester: one that goes in the middle leaves nothing behind",
  { permissions },
  () =>
    withHostile(async (_session, holder) => {
      for (let i = 0; i < 5; i++) {
        const visitor = await startNode();
        const raw = await RawRequester.open(await visitor.connect(targetOf(holder)));
        raw.send(control({ kind: "request", hash: large }));
        await raw.bytes(1000);
        await visitor.close({ signal: AbortSignal.abort() });
      }
      await until(() => holder.sessions.length === 1);
    }),
);

Deno.test(
  "hostile requester: range floods, each beyond the end or of nothing",
  { permissions },
  () =>
    withHostile(async (session) => {
      const raw = await RawRequester.open(session);
      for (let i = 0; i < 2000; i++) {
        raw.send(control({ kind: "request-range", hash: large, offset: 4 * MiB + i % 2, length: 2 ** 52 }));
      }
      for (let i = 0; i < 2000; i++) {
        assert.equal((await raw.header()).kind, i % 2 === 0 ? "found" : "refused");
      }
      raw.stream.abort();
    }),
);
