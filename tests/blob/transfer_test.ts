/** The blob transfer between two real nodes that behave (specification 9.1). */
import assert from "node:assert/strict";
import {
  BlobNotFoundError,
  InvalidArgumentError,
  NodeClosedError,
  SessionClosedError,
  TransferRefusedError,
} from "../../src/errors.ts";
import type { ChunkJob } from "../../src/blob/source.ts";
import { serveBlobs, type ServedTransfer } from "../../src/blob/transfer_server.ts";
import { toChunkSource } from "../../src/blob/transfer_client.ts";
import type { MeshStream, Session } from "../../src/mesh/mod.ts";
import { loopback as permissions, startNode, until } from "../mesh/nodes.ts";
import {
  asynchronous,
  blake3,
  CollectingJob,
  contents,
  control,
  fetchFrom,
  found,
  quick,
  RawRequester,
  startAnsweringHolder,
  startHolder,
  storeOf,
  withHolders,
} from "./transfer_support.ts";

const MiB = 1024 * 1024;

async function roundTrip(blobs: Uint8Array[], isAsynchronous = false): Promise<void> {
  const store = await storeOf(blobs);
  const holder = await startHolder(isAsynchronous ? asynchronous(store) : store);
  const jobs = blobs.map((blob) => new CollectingJob(blob));
  await fetchFrom([holder], jobs);
  for (const [i, job] of jobs.entries()) {
    assert.equal(job.completed, 1);
    assert.deepEqual(job.bytes, blobs[i]);
  }
  assert.equal(holder.metrics().counters.internal_errors, 0);
}

const shapes: [string, number[]][] = [
  ["50,000 bytes", [50_000]],
  ["2 MiB, more than a window", [2 * MiB]],
  ["two of 1,500,000 bytes at once", [1_500_000, 1_500_000]],
  ["sixteen of 128 KiB at once", Array(16).fill(128 * 1024)],
  ["twelve of 64 KiB, eight of 32 KiB", [...Array(12).fill(65_536), ...Array(8).fill(32_768)]],
  ["six chunks of 4 MiB", Array(6).fill(4 * MiB)],
  ["sizes around every border", [0, 1, 63, 64, 4095, 4096, 262_143, 262_144, 262_145, MiB - 1, MiB, MiB + 1]],
  ["3,000 of a few hundred bytes", Array.from({ length: 3000 }, (_, i) => 100 + i % 500)],
];
for (const [name, sizes] of shapes) {
  for (const isAsynchronous of [false, true]) {
    const title = `transfer: ${name}${isAsynchronous ? ", store without synchronous reads" : ""}`;
    Deno.test(title, { permissions }, () => roundTrip(contents(sizes), isAsynchronous));
  }
}

Deno.test(
  "transfer: requests that came before the peer was authorized are answered",
  { permissions },
  async () => {
    const blobs = contents([3_000, 300_000, 70_000]);
    const jobs = blobs.map((blob) => new CollectingJob(blob));
    const holder = await startHolder(await storeOf(blobs), {}, {
      authorize: async () => {
        await until(() => (holder.metrics().sessions[0]?.streams ?? 0) > 0);
        return true;
      },
    });
    await fetchFrom([holder], jobs);
    assert.deepEqual(jobs.map(({ completed }) => completed), [1, 1, 1]);
  },
);

Deno.test(
  "transfer: an absent chunk from the only holder is BlobNotFoundError naming both",
  { permissions },
  async () => {
    for (const wrap of [(store: Awaited<ReturnType<typeof storeOf>>) => store, asynchronous]) {
      const holder = await startHolder(wrap(await storeOf([])));
      const [blob] = contents([1000]);
      await assert.rejects(fetchFrom([holder], [new CollectingJob(blob)]), (error: BlobNotFoundError) => {
        assert(error instanceof BlobNotFoundError);
        assert.equal(
          error.hash,
          blake3.hash(blob).reduce((hex, byte) => hex + byte.toString(16).padStart(2, "0"), ""),
        );
        assert.match(error.message, new RegExp(holder.name.slice(0, 10)));
        return true;
      });
    }
  },
);

Deno.test("transfer: of two holders only one has it", { permissions }, async () => {
  const blobs = contents([40_000, 10, 3 * MiB]);
  const holders = [await startHolder(await storeOf([])), await startHolder(await storeOf(blobs))];
  const jobs = blobs.map((blob) => new CollectingJob(blob));
  await fetchFrom(holders, jobs);
  for (const [i, job] of jobs.entries()) assert.deepEqual(job.bytes, blobs[i]);
});

Deno.test("transfer: no holder has it", { permissions }, async () => {
  const holders = [await startHolder(await storeOf([])), await startHolder(await storeOf([]))];
  await assert.rejects(fetchFrom(holders, [new CollectingJob(contents([40_000])[0])]), BlobNotFoundError);
});

Deno.test("transfer: two holders share the work", { permissions }, async () => {
  const blobs = contents(Array(24).fill(MiB));
  const served: string[][] = [[], []];
  const holders = await Promise.all(
    served.map(async (list) =>
      await startHolder(await storeOf(blobs), { onTransfer: ({ hash }) => list.push(hash.join()) })
    ),
  );
  const jobs = blobs.map((blob) => new CollectingJob(blob));
  await fetchFrom(holders, jobs);
  for (const [i, job] of jobs.entries()) assert.deepEqual(job.bytes, blobs[i]);
  assert(served[0].length > 0 && served[1].length > 0, `${served.map((list) => list.length)}`);
  assert.equal(new Set(served.flat()).size, blobs.length);
  assert.equal(served.flat().length, blobs.length);
});

Deno.test("transfer: jobs are pulled only as the bytes in flight allow", { permissions }, async () => {
  const blobs = contents(Array(40).fill(MiB));
  const holder = await startHolder(await storeOf(blobs));
  let pulled = 0;
  let completed = 0;
  let most = 0;
  function* jobs(): Generator<ChunkJob> {
    for (const blob of blobs) {
      pulled++;
      most = Math.max(most, pulled - completed);
      yield { hash: blake3.hash(blob), length: blob.length, write: () => {}, complete: () => completed++ };
    }
  }
  await withHolders(
    [holder],
    ([session]) => toChunkSource(session).fetchChunks(jobs(), { maxInFlightBytes: 4 * MiB }),
  );
  assert.equal(completed, 40);
  // Bytes on their way count, and one chunk may be begun with a byte of room left; four streams may be in a chunk each.
  assert(most <= 4 + 1 + 4, `${most} at once`);
});

Deno.test(
  "transfer: nothing to fetch, and one source used again and at the same time",
  { permissions },
  async () => {
    const blobs = contents([10, 20, 300_000]);
    const holder = await startHolder(await storeOf(blobs));
    await withHolders([holder], async ([session]) => {
      const source = toChunkSource(session);
      await source.fetchChunks([]);
      await source.fetchChunks([new CollectingJob(blobs[0])]);
      await Promise.all(
        Array.from({ length: 3 }, () => source.fetchChunks(blobs.map((blob) => new CollectingJob(blob)))),
      );
      await until(() => session.metrics().streams === 0);
    });
    assert.throws(() => toChunkSource([]), InvalidArgumentError);
  },
);

Deno.test("transfer: more fetches at once than the holder allows streams", { permissions }, async () => {
  const blobs = contents([...Array(4).fill(MiB), ...Array(20).fill(1000)]);
  const holder = await startHolder(await storeOf(blobs), { maxStreamsPerPeer: 6 });
  await withHolders([holder], async ([session]) => {
    const source = toChunkSource(session);
    await Promise.all(Array.from({ length: 5 }, async () => {
      const jobs = blobs.map((blob) => new CollectingJob(blob));
      await source.fetchChunks(jobs);
      for (const [i, job] of jobs.entries()) assert.deepEqual(job.bytes, blobs[i]);
    }));
    assert.equal(session.isOpen, true);
  });
});

Deno.test("transfer: a holder that allows one stream only", { permissions }, async () => {
  const blobs = contents([MiB, 1000, 2 * MiB]);
  const holder = await startHolder(await storeOf(blobs), {}, { transport: { maxStreams: 1 } });
  const jobs = blobs.map((blob) => new CollectingJob(blob));
  await fetchFrom([holder], jobs);
  for (const [i, job] of jobs.entries()) assert.deepEqual(job.bytes, blobs[i]);
});

Deno.test("transfer: an aborted signal ends it, no job is called afterwards", { permissions }, async () => {
  const blobs = contents(Array(20).fill(4 * MiB));
  const holder = await startHolder(await storeOf(blobs));
  await withHolders([holder], async ([session]) => {
    const source = toChunkSource(session);
    await assert.rejects(
      source.fetchChunks([], { signal: AbortSignal.abort(new Error("before")) }),
      /before/,
    );
    const controller = new AbortController();
    let calls = 0;
    let over = false;
    const jobs = blobs.map((blob): ChunkJob => ({
      hash: blake3.hash(blob),
      length: blob.length,
      write() {
        assert.equal(over, false);
        if (++calls === 10) controller.abort(new Error("enough"));
      },
      complete: () => assert.equal(over, false),
    }));
    await assert.rejects(source.fetchChunks(jobs, { signal: controller.signal }), /enough/);
    over = true;
    await until(() => session.metrics().streams === 0 && holder.sessions[0].metrics().streams === 0);
    assert.equal(session.isOpen, true);
  });
});

Deno.test(
  "transfer: what a job throws ends the fetch, nothing is called afterwards",
  { permissions },
  async () => {
    const blobs = contents(Array(8).fill(MiB));
    for (const where of ["write", "complete", "iterator"] as const) {
      const holder = await startHolder(await storeOf(blobs));
      let thrown = 0;
      const fail = () => {
        thrown++;
        throw new Error(`no room in ${where}`);
      };
      const jobs = function* (): Generator<ChunkJob> {
        for (const [i, blob] of blobs.entries()) {
          if (i === 5 && where === "iterator") fail();
          const call = (name: string) => () => {
            assert.equal(thrown, 0);
            if (i === 3 && where === name) fail();
          };
          yield {
            hash: blake3.hash(blob),
            length: blob.length,
            write: call("write"),
            complete: call("complete"),
          };
        }
      };
      await withHolders([holder], async ([session]) => {
        const fetching = toChunkSource(session).fetchChunks(jobs(), { maxInFlightBytes: 3 * MiB });
        await assert.rejects(fetching, new RegExp(`no room in ${where}`));
        await until(() => session.metrics().streams === 0);
      });
      assert.equal(thrown, 1);
    }
  },
);

Deno.test("transfer: sessions closed on purpose are not opened again", { permissions }, async () => {
  const blobs = contents(Array(30).fill(MiB));
  const holder = await startHolder(await storeOf(blobs));
  await withHolders([holder], async ([session], requester) => {
    const source = toChunkSource(session);
    const jobs = blobs.map((blob) => new CollectingJob(blob));
    jobs[2].complete = () => void session.close(9, "changed my mind");
    await assert.rejects(source.fetchChunks(jobs), SessionClosedError);
    await assert.rejects(source.fetchChunks(jobs), SessionClosedError);
    assert.equal(requester.metrics().counters.sessionsEstablished, 1);
    await requester.close();
    await assert.rejects(toChunkSource(session).fetchChunks(jobs), SessionClosedError);
  });
});

Deno.test(
  "transfer: a session that the holder closed is replaced before the first request",
  { permissions },
  async () => {
    const blobs = contents([1000]);
    const holder = await startHolder(await storeOf(blobs));
    await withHolders([holder], async ([session], requester) => {
      await until(() => holder.sessions.length === 1);
      await holder.sessions[0].close(0, "see you");
      await session.closed;
      const source = toChunkSource(session);
      await source.fetchChunks([new CollectingJob(blobs[0])]);
      // The new session is kept for the next call.
      await source.fetchChunks([new CollectingJob(blobs[0])]);
      assert.equal(requester.metrics().counters.sessionsEstablished, 2);
      await requester.close({ signal: AbortSignal.abort() });
      await assert.rejects(
        source.fetchChunks([new CollectingJob(blobs[0])]),
        (error: Error) => error instanceof NodeClosedError || error instanceof SessionClosedError,
      );
    });
  },
);

Deno.test("transfer: the holder drops the session again and again, the fetch goes on where it was", {
  permissions,
}, async () => {
  const blobs = contents([...Array(10).fill(4 * MiB), ...Array(500).fill(2000)]);
  const holder = await startHolder(await storeOf(blobs));
  let written = 0;
  let restarts = 0;
  let drops = 0;
  const jobs = blobs.map((blob) => {
    const job = new CollectingJob(blob);
    const write = job.write.bind(job);
    let at = 0;
    job.write = (bytes, offset) => {
      if (offset !== at) restarts++;
      at = offset + bytes.length;
      write(bytes, offset);
      written += bytes.length;
      if (written > (drops + 1) * 4_500_000) {
        drops++;
        for (const session of holder.sessions) session.close(0, "again");
      }
    };
    return job;
  });
  await fetchFrom([holder], jobs);
  for (const [i, job] of jobs.entries()) {
    assert.equal(job.completed, 1);
    assert.deepEqual(job.bytes, blobs[i]);
  }
  assert(drops >= 8, `${drops} drops`);
  assert.equal(restarts, 0);
  // Bytes that arrived are not asked for again.
  assert.equal(written, blobs.reduce((sum, blob) => sum + blob.length, 0));
});

Deno.test("transfer: two fetches whose session drops share the new one", { permissions }, async () => {
  const blobs = contents(Array(12).fill(2 * MiB));
  const holder = await startHolder(await storeOf(blobs));
  await withHolders([holder], async ([session], requester) => {
    let dropped = false;
    await Promise.all([1, 2, 3].map(async () => {
      const jobs = blobs.map((blob) => new CollectingJob(blob));
      jobs[4].complete = () => {
        if (dropped) return;
        dropped = true;
        for (const session of holder.sessions) session.close(0, "once");
      };
      await toChunkSource(session).fetchChunks(jobs);
    }));
    assert.equal(requester.metrics().counters.sessionsEstablished, 2);
  });
});

Deno.test("serveBlobs: allow decides by peer and by blob", { permissions }, async () => {
  const blobs = contents([1000, 2000]);
  const secret = blake3.hash(blobs[1]).join();
  const asked: Uint8Array[] = [];
  const holder = await startHolder(await storeOf(blobs), {
    allow: (peer, hash) => {
      asked.push(peer);
      return hash.join() !== secret;
    },
  });
  await withHolders([holder], async ([session], requester) => {
    const source = toChunkSource(session);
    await source.fetchChunks([new CollectingJob(blobs[0])]);
    await assert.rejects(source.fetchChunks([new CollectingJob(blobs[1])]), (error: TransferRefusedError) => {
      assert(error instanceof TransferRefusedError);
      assert.equal(error.code, "FORBIDDEN");
      return true;
    });
    assert.deepEqual(asked[0], requester.id);
    // What is forbidden looks as if it were not there.
    const raw = await RawRequester.open(session);
    raw.send(control({ kind: "have", hashes: blobs.map((blob) => blake3.hash(blob)) }));
    assert.deepEqual(await raw.header(), { kind: "have-reply", bitmap: new Uint8Array([0b01]) });
    raw.stream.abort();
  });
});

Deno.test("serveBlobs: ranges are clipped to the blob, Have is answered in order with the rest", {
  permissions,
}, async () => {
  const blobs = contents([300_000, 0, 10]);
  const [hash, empty, small] = blobs.map((blob) => blake3.hash(blob));
  const absent = new Uint8Array(32).fill(1);
  for (const isAsynchronous of [false, true]) {
    const store = await storeOf(blobs);
    const served: number[] = [];
    const holder = await startHolder(isAsynchronous ? asynchronous(store) : store, {
      onTransfer: ({ bytes }: ServedTransfer) => served.push(bytes),
    });
    await withHolders([holder], async ([session]) => {
      const raw = await RawRequester.open(session);
      const range = (hash: Uint8Array, offset: number, length: number) =>
        control({ kind: "request-range", hash, offset, length });
      const nineteen = [...Array(9).fill(absent), hash, ...Array(7).fill(absent), small, empty];
      for (
        const message of [
          range(hash, 0, 10),
          range(hash, 299_990, 4000),
          range(hash, 300_000, 1),
          range(hash, 300_001, 1),
          range(hash, 5, 0),
          range(hash, 1, Number.MAX_SAFE_INTEGER),
          range(hash, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
          control({ kind: "have", hashes: nineteen }),
          range(absent, 0, 1),
          control({ kind: "request", hash: absent }),
          control({ kind: "request", hash: empty }),
          control({ kind: "have", hashes: [] }),
          control({ kind: "request", hash: small }),
        ]
      ) raw.send(message);
      const is300000 = { kind: "found", totalLength: 300_000n };
      assert.deepEqual(await raw.header(), is300000);
      assert.deepEqual(await raw.bytes(10), blobs[0].subarray(0, 10));
      assert.deepEqual(await raw.header(), is300000);
      assert.deepEqual(await raw.bytes(10), blobs[0].subarray(299_990));
      assert.deepEqual(await raw.header(), is300000);
      assert.equal((await raw.header() as { code: string }).code, "BAD_REQUEST");
      assert.deepEqual(await raw.header(), is300000);
      assert.deepEqual(await raw.header(), is300000);
      assert.deepEqual(await raw.bytes(299_999), blobs[0].subarray(1));
      assert.equal((await raw.header() as { code: string }).code, "BAD_REQUEST");
      const bitmap = new Uint8Array([0, 0b10, 0b110]);
      assert.deepEqual(await raw.header(), { kind: "have-reply", bitmap });
      assert.deepEqual(await raw.header(), { kind: "not-found" });
      assert.deepEqual(await raw.header(), { kind: "not-found" });
      assert.deepEqual(await raw.header(), { kind: "found", totalLength: 0n });
      assert.deepEqual(await raw.header(), { kind: "have-reply", bitmap: new Uint8Array() });
      assert.deepEqual(await raw.header(), { kind: "found", totalLength: 10n });
      assert.deepEqual(await raw.bytes(10), blobs[2]);
      raw.stream.transport.finish();
      await assert.rejects(raw.header(), /the stream ended/);
      await until(() => session.metrics().streams === 0);
    });
    assert.deepEqual(served, [10, 10, 0, 0, 299_999, 0, 10]);
  }
});

Deno.test(
  "serveBlobs: a store that fails is told to the owner, the peer hears not-found",
  { permissions },
  async () => {
    const blobs = contents([1000, 3 * MiB]);
    const errors: Error[] = [];
    const store = await storeOf(blobs);
    let reads = 0;
    store.readSync = (hash, offset, length) => {
      if (length === 1000 || ++reads > 4) throw new Error("disk broken");
      return Object.getPrototypeOf(store).readSync.call(store, hash, offset, length);
    };
    const holder = await startHolder(store, { onError: (error) => errors.push(error) });
    await withHolders([holder], async ([session]) => {
      const source = toChunkSource(session, quick);
      await assert.rejects(source.fetchChunks([new CollectingJob(blobs[0])]), BlobNotFoundError);
      // In the middle of a blob the stream ends; asked for the rest, the holder does not have it.
      await assert.rejects(source.fetchChunks([new CollectingJob(blobs[1])]), BlobNotFoundError);
      assert.equal(session.isOpen, true);
    });
    assert.equal(errors.length, 3);
  },
);

Deno.test(
  "serveBlobs: closing the service refuses new streams, one at a time may serve",
  { permissions },
  async () => {
    const blobs = contents([1000]);
    const node = await startNode();
    const first = serveBlobs(node, await storeOf(blobs));
    assert.throws(() => serveBlobs(node, { ...first } as never), InvalidArgumentError);
    await withHolders([node], async ([session]) => {
      await toChunkSource(session).fetchChunks([new CollectingJob(blobs[0])]);
      first.close();
      await assert.rejects(
        toChunkSource(session).fetchChunks([new CollectingJob(blobs[0])]),
        /serves no blobs/,
      );
      {
        using _again = serveBlobs(node, await storeOf(blobs));
        first.close();
        await toChunkSource(session).fetchChunks([new CollectingJob(blobs[0])]);
      }
      await assert.rejects(
        toChunkSource(session).fetchChunks([new CollectingJob(blobs[0])]),
        /serves no blobs/,
      );
    });
  },
);

Deno.test(
  "transfer: many chunks begun and interrupted, none is lost and hashers suffice",
  { permissions },
  async () => {
    const blobs = contents(Array(24).fill(MiB));
    const byHash = new Map(blobs.map((blob) => [blake3.hash(blob).join(), blob]));
    const sessions: Session[] = [];
    const begun = new Set<MeshStream>();
    const holder = await startAnsweringHolder((control, stream, session) => {
      if (control.kind === "have" || control.kind === "request-delta") return;
      if (!sessions.includes(session)) sessions.push(session);
      const blob = byHash.get(control.hash.join())!;
      const at = control.kind === "request-range" ? control.offset : 0;
      if (sessions.length > 10) {
        stream.transport.write(found(MiB));
        return stream.transport.write(blob.subarray(at));
      }
      // One piece of one chunk on each stream, then the session is gone.
      if (begun.has(stream)) return;
      begun.add(stream);
      stream.transport.write(found(MiB));
      stream.transport.write(blob.subarray(at, at + 20_000));
      setTimeout(() => session.close(1, "again"), 50);
    });
    const jobs = blobs.map((blob) => new CollectingJob(blob));
    await fetchFrom([holder], jobs);
    assert(sessions.length > 10);
    for (const [i, job] of jobs.entries()) {
      assert.equal(job.completed, 1);
      assert.deepEqual(job.bytes, blobs[i]);
    }
  },
);
