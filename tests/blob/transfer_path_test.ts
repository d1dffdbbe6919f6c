/** The blob transfer over paths that lose packets, go silent, or stand still. */
import assert from "node:assert/strict";
import { PeerSilentError } from "../../src/errors.ts";
import { toChunkSource } from "../../src/blob/transfer_client.ts";
import type { MeshNode, Session } from "../../src/mesh/mod.ts";
import { closeAll, loopback as permissions, startNode, until } from "../mesh/nodes.ts";
import { type RelayFaults, UdpRelay } from "../support/relay.ts";
import {
  asynchronous,
  CollectingJob,
  contents,
  startHolder,
  storeOf,
  withHolders,
} from "./transfer_support.ts";

const MiB = 1024 * 1024;

async function throughRelay(
  holder: MeshNode,
  faults: RelayFaults,
  work: (session: Session, relay: UdpRelay, requester: MeshNode) => Promise<void>,
): Promise<void> {
  const relay = await UdpRelay.start(Number(holder.addresses[0].split(":")[1]), faults);
  const requester = await startNode();
  try {
    const session = await requester.connect({ id: holder.id, addresses: [relay.address] });
    await work(session, relay, requester);
  } finally {
    await closeAll(requester, holder);
    await relay.close();
  }
}

const paths: [string, number[], RelayFaults][] = [
  ["every fourth packet lost, 256 KiB", [256 * 1024], { drop: 0.25, seed: 1 }],
  ["every third packet lost, 16,000 bytes: its tail too", [16_000], { drop: 0.34, seed: 2 }],
  ["a tenth lost, a tenth twice, a fifth overtaken", [3 * MiB, ...Array(300).fill(700)], {
    drop: 0.1,
    duplicate: 0.1,
    reorder: 0.2,
    seed: 3,
  }],
];
for (const [name, sizes, faults] of paths) {
  Deno.test(`transfer path: ${name}`, { permissions }, async () => {
    const blobs = contents(sizes);
    const holder = await startHolder(await storeOf(blobs));
    await throughRelay(holder, faults, async (session) => {
      const jobs = blobs.map((blob) => new CollectingJob(blob));
      await toChunkSource(session).fetchChunks(jobs);
      for (const [i, job] of jobs.entries()) assert.deepEqual(job.bytes, blobs[i]);
    });
  });
}

Deno.test("transfer path: silent after a slow answer? No: slow, silent and stalled are told apart", {
  permissions,
}, async () => {
  const blobs = contents([100_000, MiB]);

  const slow = async () => {
    const store = asynchronous(await storeOf(blobs));
    const { get } = store;
    const lazy = new Proxy(store, {
      get: (target, name) =>
        name === "get"
          ? async (...args: Parameters<typeof get>) => {
            await new Promise((resolve) => setTimeout(resolve, 4500));
            return await target.get(...args);
          }
          : Reflect.get(target, name),
    });
    const holder = await startHolder(lazy);
    await withHolders([holder], async ([session], requester) => {
      const job = new CollectingJob(blobs[0]);
      await toChunkSource(session).fetchChunks([job]);
      assert.deepEqual(job.bytes, blobs[0]);
      // It was slow and alive: pings kept the session.
      assert.equal(requester.metrics().counters.sessionsEstablished, 1);
    });
  };

  const silent = async () => {
    const holder = await startHolder(await storeOf(blobs));
    await throughRelay(holder, {}, async (session, relay) => {
      const job = new CollectingJob(blobs[1]);
      job.write = () => void (relay.isDead = true);
      const fetching = toChunkSource(session, { retryTimeout: 700 }).fetchChunks([job]);
      await assert.rejects(fetching, (error: PeerSilentError) => {
        assert(error instanceof PeerSilentError, `${error}`);
        assert.match(error.message, /was not reached again/);
        assert(error.silentMs > 0);
        return true;
      });
    });
  };

  const back = async () => {
    const holder = await startHolder(await storeOf(blobs));
    await throughRelay(holder, {}, async (session, relay, requester) => {
      const job = new CollectingJob(blobs[1]);
      let cut = false;
      const write = job.write.bind(job);
      job.write = (bytes, offset) => {
        write(bytes, offset);
        if (cut) return;
        cut = relay.isDead = true;
        setTimeout(() => relay.isDead = false, 3800);
      };
      await toChunkSource(session).fetchChunks([job]);
      assert.deepEqual(job.bytes, blobs[1]);
      assert.equal(requester.metrics().counters.sessionsEstablished, 2);
    });
  };

  await Promise.all([slow(), silent(), back()]);
});

Deno.test("transfer path: an event loop that stood still judges nobody silent", { permissions }, async () => {
  const blobs = contents(Array(4).fill(4 * MiB));
  const holder = await startHolder(await storeOf(blobs));
  await withHolders([holder], async ([session], requester) => {
    const jobs = blobs.map((blob) => new CollectingJob(blob));
    let stalled = false;
    const complete = jobs[0].complete.bind(jobs[0]);
    jobs[0].complete = () => {
      complete();
      if (stalled) return;
      stalled = true;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 4000);
    };
    await toChunkSource(session).fetchChunks(jobs);
    for (const [i, job] of jobs.entries()) assert.deepEqual(job.bytes, blobs[i]);
    assert.equal(stalled, true);
    assert.equal(requester.metrics().counters.sessionsEstablished, 1);
    await until(() => session.metrics().streams === 0);
  });
});
