/** Packed manifests: the form, its transfer, and holders that send something else. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { packBlob, PackedBlobs, unpackBlob } from "../../src/blob/packed_blob.ts";
import type { TransferOptions } from "../../src/blob/transfer_client.ts";
import {
  DecodeError,
  HashMismatchError,
  SizeMismatchError,
  TransferProtocolError,
  TransferRefusedError,
} from "../../src/errors.ts";
import type { MeshStream } from "../../src/mesh/mod.ts";
import { deflate } from "../../src/runtime/deflate.ts";
import { blobUri, encodeBlobRef, smallRef } from "../../src/wire/blob_ref.ts";
import { concatBytes } from "../../src/wire/bytes.ts";
import { type DirEntry, encodeDirManifest } from "../../src/wire/dir_manifest.ts";
import { PostcardWriter } from "../../src/wire/postcard.ts";
import { joinUris, splitUris } from "../../src/wire/split_uris.ts";
import { loopback as permissions } from "../mesh/nodes.ts";
import {
  asynchronous,
  blake3,
  CollectingJob,
  contents,
  fetchFrom,
  found,
  header,
  quick,
  startAnsweringHolder,
  startHolder,
  storeOf,
} from "./transfer_support.ts";

/** A job that may come packed. */
class PackableJob extends CollectingJob {
  readonly packable = true;
}

function manifestOf(files: number, uri = blobUri): Uint8Array {
  const entries = contents(Array(files).fill(100)).map((content, i): DirEntry => {
    const hash = blake3.hash(content);
    const ref = smallRef(uri(hash), hash, content.length + i);
    return { kind: "file", path: `dir/file ${i}`, mode: 0o100644, blob: encodeBlobRef(ref) };
  });
  return encodeDirManifest(entries);
}

const manifest = manifestOf(500);
const packed = packBlob(manifest)!;

/** A packed form by hand. */
function packedOf(count: number, hashes: Uint8Array, rest: Uint8Array): Uint8Array {
  return concatBytes([new PostcardWriter().varint(count).fixed(hashes).finish(), deflate(rest)]);
}

Deno.test("split URIs: whatever is split is the same when joined", () => {
  fc.assert(fc.property(
    fc.array(fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc.constantFrom(new TextEncoder().encode("mesh://"), manifestOf(1), manifestOf(3).subarray(20)),
    )),
    (pieces) => {
      const bytes = concatBytes(pieces);
      assert.deepEqual(joinUris(splitUris(bytes), bytes.length), bytes);
    },
  ));
});

Deno.test("packed blob: a manifest, and any chunk of one", () => {
  assert.ok(packed.length < manifest.length / 3, `${packed.length} of ${manifest.length} bytes`);
  assert.deepEqual(unpackBlob(packed, manifest.length), manifest);
  for (let start = 1; start < 200; start++) {
    const chunk = manifest.subarray(start, manifest.length - 2 * start);
    assert.deepEqual(unpackBlob(packBlob(chunk)!, chunk.length), chunk);
  }
});

Deno.test("packed blob: what is no manifest is not packed", () => {
  for (const bytes of [new Uint8Array(0), new Uint8Array(100_000), manifestOf(2), manifestOf(99, () => "")]) {
    assert.equal(packBlob(bytes), undefined);
  }
});

Deno.test("packed blob: everything else is refused, a bomb before it grows", () => {
  const bomb = deflate(new Uint8Array(100_000_000));
  const { hashes, rest } = splitUris(manifest);
  const [none, size] = [new Uint8Array(), manifest.length];
  const wrong: [Uint8Array, number][] = [
    [none, 1],
    [packed, size - 1],
    [packed, size + 1],
    [packed, 0],
    [packedOf(0, none, new Uint8Array(11)), 10],
    [concatBytes([new Uint8Array([0]), bomb]), size],
    [concatBytes([new Uint8Array([1]), new Uint8Array(32), bomb]), size],
    [packedOf(499, hashes, rest), size],
    [packedOf(1, new Uint8Array(31), none), size],
    [packedOf(2 ** 48, hashes, rest), size],
    // Places whose lengths lead out of what is there.
    [packedOf(1, new Uint8Array(32), new Uint8Array([0xff, 0xff, 0xff, 0xff, 0x0f])), size],
    [packedOf(2, new Uint8Array(64), new Uint8Array(18)), 221],
  ];
  for (const [bytes, length] of wrong) assert.throws(() => unpackBlob(bytes, length), DecodeError);
  for (let end = 0; end < packed.length; end += 7) {
    assert.throws(() => unpackBlob(packed.subarray(0, end), size), DecodeError);
  }
});

Deno.test("packed blobs: made once, kept within bounds", () => {
  const blobs = [100, 200, 300, 400].map((files) => manifestOf(files));
  const sizes = blobs.map((blob) => packBlob(blob)!.length);
  const kept = new PackedBlobs(sizes[2] + sizes[3], 3);
  let made = 0;
  const get = (i: number) => {
    const bytes = kept.get(blake3.hash(blobs[i]), () => {
      made++;
      return blobs[i];
    });
    assert.equal(bytes?.length, sizes[i]);
    return made;
  };
  assert.deepEqual([0, 1, 2, 0, 1, 2].map(get), [1, 2, 3, 3, 3, 3]);
  // The fourth is one too many, and too large beside two others.
  assert.deepEqual([3, 2, 3, 0, 1].map(get), [4, 4, 4, 5, 6]);
  // One that alone is too large is made each time.
  const small = new PackedBlobs(10, 3);
  assert.equal(small.get(blake3.hash(manifest), () => manifest)?.length, packed.length);
  // That there is none is kept, too.
  assert.equal(small.get(new Uint8Array(32), () => new Uint8Array(9)), undefined);
  assert.equal(small.get(new Uint8Array(32), () => assert.fail()), undefined);
});

for (const isAsynchronous of [false, true]) {
  const how = isAsynchronous ? ", store without synchronous reads" : "";
  Deno.test(`transfer: a packed manifest${how}`, { permissions }, async () => {
    const blob = contents([50_000])[0];
    const store = await storeOf([manifest, blob]);
    const sent: number[] = [];
    const holder = await startHolder(isAsynchronous ? asynchronous(store) : store, {
      onTransfer: ({ bytes }) => sent.push(bytes),
    });
    const jobs = [new PackableJob(manifest), new PackableJob(blob), new CollectingJob(manifest)];
    await fetchFrom([holder], jobs);
    for (const job of jobs) assert.equal(job.completed, 1);
    assert.deepEqual(jobs.map(({ bytes }) => bytes), [manifest, blob, manifest]);
    // What is no manifest comes as it is.
    assert.deepEqual(sent.sort((a, b) => a - b), [packed.length, blob.length, manifest.length]);
  });
}

Deno.test("transfer: a holder that knows no packed form is asked again", { permissions }, async () => {
  const asked: string[] = [];
  const holder = await startAnsweringHolder(({ kind }, stream) => {
    asked.push(kind);
    if (kind !== "request") {
      send(stream, header({ kind: "refused", code: "BAD_REQUEST", message: "variant 3" }));
    } else send(stream, found(manifest.length), manifest);
  });
  const job = new PackableJob(manifest);
  await fetchFrom([holder], [job]);
  assert.deepEqual(job.bytes, manifest);
  assert.deepEqual(asked, ["request-packed", "request"]);
});

Deno.test(
  "transfer: a packed form that breaks off is asked for from its beginning",
  { permissions },
  async () => {
    let count = 0;
    const holder = await startAnsweringHolder(({ kind }, stream) => {
      assert.equal(kind, "request-packed");
      const first = count++ === 0;
      send(stream, packedHeader(packed.length), first ? packed.subarray(0, 5000) : packed);
      if (first) stream.transport.abort(0x777);
    });
    const job = new PackableJob(manifest);
    await fetchFrom([holder], [job]);
    assert.deepEqual([job.bytes, job.completed], [manifest, 1]);
  },
);

function packedHeader(packedLength: number, totalLength = manifest.length): Uint8Array {
  return header({ kind: "packed", totalLength: BigInt(totalLength), packedLength });
}

function send(stream: MeshStream, ...pieces: Uint8Array[]): void {
  for (const piece of pieces) stream.transport.write(piece);
}

interface Case {
  readonly name: string;
  readonly pieces: readonly Uint8Array[];
  readonly error: abstract new (...args: never[]) => Error;
  readonly job?: CollectingJob;
}

const other = packBlob(manifestOf(500, (hash) => hash[0] < 4 ? "" : blobUri(hash)))!;
const sameLength = packBlob(manifest.map((byte, i) => i === 9 ? byte ^ 1 : byte))!;
const bomb = concatBytes([new Uint8Array([0]), deflate(new Uint8Array(50_000_000))]);
const cases: Case[] = [
  {
    name: "another content",
    pieces: [packedHeader(sameLength.length), sameLength],
    error: HashMismatchError,
  },
  {
    name: "another length",
    pieces: [packedHeader(other.length), other],
    error: TransferProtocolError,
  },
  { name: "a bomb", pieces: [packedHeader(bomb.length), bomb], error: TransferProtocolError },
  {
    name: "garbage",
    pieces: [packedHeader(999), new Uint8Array(999).fill(0xa5)],
    error: TransferProtocolError,
  },
  { name: "nothing", pieces: [packedHeader(0)], error: TransferProtocolError },
  { name: "more than the blob has", pieces: [packedHeader(manifest.length)], error: TransferProtocolError },
  { name: "2^53 - 1 bytes", pieces: [packedHeader(2 ** 53 - 1)], error: TransferProtocolError },
  { name: "another size", pieces: [packedHeader(packed.length, 5), packed], error: SizeMismatchError },
  {
    name: "an answer to a plain request",
    pieces: [packedHeader(packed.length), packed],
    error: TransferProtocolError,
    job: new CollectingJob(manifest),
  },
  {
    name: "a refusal of either request",
    pieces: [header({ kind: "refused", code: "BAD_REQUEST", message: "" })],
    error: TransferRefusedError,
  },
];
for (const { name, pieces, error, job = new PackableJob(manifest) } of cases) {
  Deno.test(`hostile packed form: ${name}`, { permissions }, async () => {
    const holder = await startAnsweringHolder((_, stream) => send(stream, ...pieces));
    const options: TransferOptions = quick;
    await assert.rejects(fetchFrom([holder], [job], options), error);
    assert.equal(job.completed, 0);
  });
}
