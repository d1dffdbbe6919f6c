/** Manifests that are asked for as a difference: over sessions, from holders and by requesters that do as they like. */
import assert from "node:assert/strict";
import type { TransferOptions } from "../../src/blob/transfer_client.ts";
import { toChunkSource } from "../../src/blob/transfer_client.ts";
import { applyDelta, groupManifest, groupsToOffer } from "../../src/blob/manifest_groups.ts";
import type { MemoryBlobStore } from "../../src/blob/memory_store.ts";
import type { DeltaRequest } from "../../src/blob/source.ts";
import { StoreError } from "../../src/errors.ts";
import type { MeshNode, MeshStream } from "../../src/mesh/mod.ts";
import { blobUri, CHUNK_SIZE, encodeBlobRef, smallRef } from "../../src/wire/blob_ref.ts";
import { type DirEntry, encodeDirManifest } from "../../src/wire/dir_manifest.ts";
import { encodeFingerprints, MAX_DELTA_CHUNKS } from "../../src/wire/manifest_delta.ts";
import type { RequestDeltaMessage, TransferControl } from "../../src/wire/transfer_message.ts";
import { loopback as permissions } from "../mesh/nodes.ts";
import {
  asynchronous,
  blake3,
  CollectingJob,
  contents,
  control,
  fetchFrom,
  found,
  header,
  quick,
  RawRequester,
  startAnsweringHolder,
  startHolder,
  storeOf,
  withHolders,
} from "./transfer_support.ts";

function manifestOf(files: number, version: (index: number) => number): Uint8Array {
  const entries = Array.from({ length: files }, (_, i): DirEntry => {
    const hash = blake3.hash(new TextEncoder().encode(`${i} ${version(i)}`));
    const blob = encodeBlobRef(smallRef(blobUri(hash), hash, version(i)));
    return { kind: "file", path: `dir ${i >> 6}/file ${i}`, mode: 0o100644, blob };
  });
  return encodeDirManifest(entries);
}

const old = manifestOf(1000, () => 0);
const manifest = manifestOf(1010, (i) => i % 100 === 50 ? 1 : 0);
const other = manifestOf(1000, (i) => i + 2);

function chunksOf(
  bytes: Uint8Array,
): { readonly hash: Uint8Array; readonly size: number; bytes: Uint8Array }[] {
  const chunks = [];
  for (let at = 0; at < bytes.length; at += CHUNK_SIZE) {
    const chunk = bytes.subarray(at, at + CHUNK_SIZE);
    chunks.push({ hash: blake3.hash(chunk), size: chunk.length, bytes: chunk });
  }
  return chunks;
}

function requestOf(bytes: Uint8Array, base = old): DeltaRequest {
  return { chunks: chunksOf(bytes), base };
}

function messageOf(hashes: readonly Uint8Array[], base = old): RequestDeltaMessage {
  const { shift, prints } = groupsToOffer(base)!;
  return { kind: "request-delta", hashes, shift, fingerprints: encodeFingerprints(prints) };
}

function ask(
  holder: MeshNode,
  request: DeltaRequest,
  options: TransferOptions = {},
  signal?: AbortSignal,
): Promise<Uint8Array | undefined> {
  return withHolders(
    [holder],
    (sessions) => toChunkSource(sessions, options).fetchDelta!(request, { signal }),
  );
}

/** The same store with another way of reading. */
function withRead(store: MemoryBlobStore, readSync: MemoryBlobStore["readSync"]): MemoryBlobStore {
  return new Proxy(store, {
    get(target, name) {
      if (name === "readSync") return readSync;
      const value = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

for (const isAsynchronous of [false, true]) {
  const how = isAsynchronous ? ", store without synchronous reads" : "";
  const start = async (blobs: Uint8Array[], sent: number[]) => {
    const store = await storeOf(blobs);
    return await startHolder(isAsynchronous ? asynchronous(store) : store, {
      onTransfer: ({ bytes }) => sent.push(bytes),
    });
  };

  Deno.test(`transfer: a manifest as its difference${how}`, { permissions }, async () => {
    const sent: number[] = [];
    const holder = await start([manifest], sent);
    assert.deepEqual(await ask(holder, requestOf(manifest)), manifest);
    assert.equal(sent.length, 1);
    assert.ok(sent[0] < manifest.length / 20, `${sent[0]} of ${manifest.length} bytes`);
  });

  Deno.test(`transfer: a manifest of several chunks as one difference${how}`, { permissions }, async () => {
    const before = manifestOf(40_000, () => 0);
    const after = manifestOf(40_003, (i) => i % 500 === 77 ? 1 : 0);
    assert.ok(after.length > CHUNK_SIZE);
    const sent: number[] = [];
    const holder = await start(chunksOf(after).map(({ bytes }) => bytes), sent);
    assert.deepEqual(await ask(holder, requestOf(after, before)), after);
    assert.ok(sent[0] < after.length / 50, `${sent[0]} of ${after.length} bytes`);
  });
}

Deno.test(
  "transfer: where there is no difference, nothing is given and nothing thrown",
  { permissions },
  async () => {
    const [blob] = contents([50_000]);
    // Begins as a manifest does.
    const similar = new Uint8Array(5000).fill(1);
    const cases: [string, DeltaRequest, Uint8Array[]][] = [
      ["not there", requestOf(manifest), [other]],
      ["a chunk is not there", { ...requestOf(manifest), chunks: chunksOf(manifest).concat(chunksOf(old)) }, [
        manifest,
      ]],
      ["all is other", requestOf(other), [other]],
      ["no manifest", requestOf(blob), [blob]],
      ["similar", requestOf(similar), [similar]],
      ["nothing is known", requestOf(manifest, manifestOf(0, () => 0)), [manifest]],
      ["too many chunks", {
        ...requestOf(manifest),
        chunks: Array.from({ length: MAX_DELTA_CHUNKS + 1 }, () => chunksOf(manifest)[0]),
      }, [manifest]],
    ];
    for (const [name, request, blobs] of cases) {
      const holder = await startHolder(await storeOf(blobs));
      await withHolders([holder], async (sessions) => {
        const source = toChunkSource(sessions);
        assert.equal(await source.fetchDelta!(request), undefined, name);
        // The session lives, and so does the holder.
        const job = new CollectingJob(blobs[0]);
        await source.fetchChunks([job]);
        assert.deepEqual(job.bytes, blobs[0], name);
      });
    }
  },
);

Deno.test("transfer: a difference of what the peer may not have is refused", { permissions }, async () => {
  const secret = chunksOf(manifest)[0].hash;
  const holder = await startHolder(await storeOf([manifest, old]), {
    allow: (_, hash) => hash[0] !== secret[0],
  });
  await withHolders([holder], async ([session]) => {
    assert.equal(await toChunkSource(session).fetchDelta!(requestOf(manifest)), undefined);
    const raw = await RawRequester.open(session);
    // In second place, too.
    raw.send(control(messageOf([chunksOf(old)[0].hash, secret])));
    const answer = await raw.header();
    assert.ok(answer.kind === "refused" && answer.code === "FORBIDDEN");
  });
});

Deno.test(
  "transfer: a store that fails is said not to have it, and the stream goes on",
  { permissions },
  async () => {
    const store = await storeOf([manifest]);
    const errors: Error[] = [];
    const failing = withRead(store, () => {
      throw new StoreError("Read blob: broken");
    });
    const holder = await startHolder(failing, { onError: (error) => errors.push(error) });
    await withHolders([holder], async ([session]) => {
      const raw = await RawRequester.open(session);
      const message = messageOf([chunksOf(manifest)[0].hash]);
      for (let i = 0; i < 2; i++) {
        raw.send(control(message));
        assert.equal((await raw.header()).kind, "not-found");
      }
      assert.equal(errors.length, 2);
    });
  },
);

Deno.test(
  "transfer: differences are answered in order among other requests, made once",
  { permissions },
  async () => {
    let reads = 0;
    const store = await storeOf([manifest]);
    const counting = withRead(store, (...given) => {
      reads++;
      return store.readSync(...given);
    });
    const holder = await startHolder(counting);
    const { hash } = chunksOf(manifest)[0];
    await withHolders([holder], async ([session]) => {
      const raw = await RawRequester.open(session);
      const request = control(messageOf([hash]));
      for (
        const message of [request, control({ kind: "request-range", hash, offset: 0, length: 9 }), request]
      ) {
        raw.send(message);
      }
      const groups = groupsToOffer(old)!;
      for (const expected of ["delta", "found", "delta"]) {
        const answer = await raw.header();
        assert.equal(answer.kind, expected);
        const length = answer.kind === "delta" ? answer.deltaLength : 9;
        const bytes = await raw.bytes(length);
        const made = answer.kind === "delta" ? applyDelta(old, groups, bytes, manifest.length) : bytes;
        assert.deepEqual(made, manifest.subarray(0, made.length));
      }
    });
    // Once for the difference, once for the range.
    assert.equal(reads, 2);
  },
);

Deno.test(
  "transfer: fingerprints of any kind cost a holder no more than an answer",
  { permissions },
  async () => {
    const holder = await startHolder(await storeOf([manifest]));
    const { hash } = chunksOf(manifest)[0];
    const { prints, shift } = groupManifest(manifest, 2);
    const kinds: [string, number[]][] = [
      ["none", []],
      ["the same one", Array(30_000).fill(prints[3])],
      ["strangers", Array.from({ length: 30_000 }, (_, i) => i)],
      ["backwards", [...prints].reverse()],
      ["twice", [...prints, ...prints]],
    ];
    await withHolders([holder], async ([session]) => {
      const raw = await RawRequester.open(session);
      const kindsOfAnswer: string[] = [];
      for (const [, list] of kinds) {
        raw.send(
          control({ kind: "request-delta", hashes: [hash], shift, fingerprints: encodeFingerprints(list) }),
        );
        const answer = await raw.header();
        kindsOfAnswer.push(answer.kind);
        if (answer.kind === "delta") await raw.bytes(answer.deltaLength);
      }
      assert.deepEqual(kindsOfAnswer, ["refused", "refused", "refused", "delta", "delta"]);
    });
  },
);

/** The difference of `to` as an honest holder sends it. */
async function honest(to: Uint8Array): Promise<Uint8Array> {
  const holder = await startHolder(await storeOf([to]));
  return await withHolders([holder], async ([session]) => {
    const raw = await RawRequester.open(session);
    raw.send(control(messageOf([chunksOf(to)[0].hash])));
    const answer = await raw.header();
    assert.ok(answer.kind === "delta");
    return await raw.bytes(answer.deltaLength);
  });
}

Deno.test(
  "hostile difference: whatever a holder answers, the manifest is fetched as it is",
  { permissions },
  async () => {
    const delta = await honest(manifest);
    const bent = manifestOf(1010, (i) => i % 100 === 50 ? 3 : 0);
    assert.equal(bent.length, manifest.length);
    const bentDelta = new Uint8Array(delta.length);
    bentDelta.set((await honest(bent)).subarray(0, delta.length));
    const deltaHeader = (deltaLength: number, totalLength = manifest.length) =>
      header({ kind: "delta", totalLength: BigInt(totalLength), deltaLength });
    const garbage = new Uint8Array(500).fill(0xa5);
    const cases: [string, (stream: MeshStream) => void][] = [
      ["another content", (s) => send(s, deltaHeader(delta.length), bentDelta)],
      ["garbage", (s) => send(s, deltaHeader(500), garbage)],
      ["nothing", (s) => send(s, deltaHeader(0))],
      ["another total", (s) => send(s, deltaHeader(delta.length, manifest.length + 1), delta)],
      ["more than there is", (s) => send(s, deltaHeader(2 ** 53 - 1))],
      ["an answer to another question", (s) => send(s, found(3), new Uint8Array(3))],
      ["a header that is none", (s) => send(s, new Uint8Array([2, 99, 99]))],
      ["a header without end", (s) => send(s, new Uint8Array([0xbf, 0xff, 0xff, 0xff]))],
      ["a reset", (s) => s.transport.abort(0x777)],
      ["the end", (s) => s.transport.finish()],
      ["the end in the middle", (s) => {
        send(s, deltaHeader(delta.length), delta.subarray(0, 99));
        s.transport.finish();
      }],
      [
        "an old holder",
        (s) => send(s, header({ kind: "refused", code: "BAD_REQUEST", message: "variant 4" })),
      ],
      ["silence", () => {}],
      ["one byte", (s) => send(s, deltaHeader(delta.length), delta.subarray(0, 1))],
    ];
    const { hash } = chunksOf(manifest)[0];
    for (const [name, answer] of cases) {
      const asked: TransferControl["kind"][] = [];
      const holder = await startAnsweringHolder((message, stream) => {
        asked.push(message.kind);
        if (message.kind === "request-delta") answer(stream);
        else send(stream, found(manifest.length), manifest);
      });
      await withHolders([holder], async ([session]) => {
        const source = toChunkSource(session, quick);
        assert.equal(await source.fetchDelta!(requestOf(manifest)), undefined, name);
        const job = new CollectingJob(manifest);
        await source.fetchChunks([job]);
        assert.deepEqual([job.hash, job.bytes], [hash, manifest]);
      });
      assert.deepEqual(asked, ["request-delta", "request"], name);
    }
  },
);

function send(stream: MeshStream, ...pieces: Uint8Array[]): void {
  for (const piece of pieces) stream.transport.write(piece);
}

Deno.test(
  "transfer: an answer of the other kind than the question ends a lane",
  { permissions },
  async () => {
    const holder = await startAnsweringHolder((_, stream) =>
      send(stream, header({ kind: "delta", totalLength: BigInt(manifest.length), deltaLength: 9 }))
    );
    await assert.rejects(fetchFrom([holder], [new CollectingJob(manifest)], quick), /was not asked/);
  },
);

Deno.test("transfer: whoever gives up gets the reason", { permissions }, async () => {
  const reason = new Error("enough");
  const controller = new AbortController();
  const holder = await startAnsweringHolder(() => controller.abort(reason));
  await assert.rejects(ask(holder, requestOf(manifest), {}, controller.signal), reason);
  const next = await startHolder(await storeOf([manifest]));
  await assert.rejects(ask(next, requestOf(manifest), {}, AbortSignal.abort(reason)), reason);
});

Deno.test("transfer: a holder whose session is gone is not asked", { permissions }, async () => {
  const holder = await startHolder(await storeOf([manifest]));
  await withHolders([holder], async ([session]) => {
    await session.close();
    assert.equal(await toChunkSource(session).fetchDelta!(requestOf(manifest)), undefined);
  });
});
