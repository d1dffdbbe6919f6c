import assert from "node:assert/strict";
import fc from "fast-check";
import { loadBlake3 } from "../../src/crypto/blake3.ts";
import {
  DecodeError,
  InvalidArgumentError,
  LimitExceededError,
  UnsupportedVersionError,
} from "../../src/errors.ts";
import {
  type BlobRef,
  blobUri,
  CHUNK_SIZE,
  type ChunkRef,
  chunksOf,
  decodeBlobRef,
  encodeBlobRef,
  type Encoding,
  type ManifestRef,
  manifestRef,
  MAX_BLOB_SIZE,
  MAX_CHUNKS,
  MAX_MANIFEST_BODY,
  MAX_TREE_BODY,
  MAX_TREE_SIZE,
  smallChunkOf,
  smallRef,
  treeRef,
  USUAL_SMALL_LENGTH,
  writeUsualSmall,
} from "../../src/wire/blob_ref.ts";
import { concatBytes, fromHex, toHex } from "../../src/wire/bytes.ts";
import { PostcardWriter } from "../../src/wire/postcard.ts";
import { blobRefs, smallRefs } from "../support/wire_models.ts";
import content from "../vectors/content.json" with { type: "json" };
import spec from "./spec_vectors.json" with { type: "json" };

const REPLICATED: Encoding = { kind: "replicated" };
const RS: Encoding = { kind: "reed-solomon", k: 10, m: 4 };
const MAGIC = "b0b1b2b3";

function hex(text: string): Uint8Array {
  return fromHex(text)!;
}

function hashOf(byte: number): Uint8Array {
  return new Uint8Array(32).fill(byte);
}

/** A manifest's bytes with whatever fields, to make what the encoder refuses. */
function rawManifest(sizes: number[], total: number | bigint, bodyVersion = 1): Uint8Array {
  const writer = new PostcardWriter().fixed(hex(`${MAGIC}02`)).u8(bodyVersion).string("u").varint(0);
  writer.varint(sizes.length);
  for (const size of sizes) writer.fixed(hashOf(1)).varint(size);
  return writer.varint(total).finish();
}

function rawTree(size: number | bigint, depth: number, bodyVersion = 1, uri = "mesh://x"): Uint8Array {
  return new PostcardWriter().fixed(hex(`${MAGIC}03`)).u8(bodyVersion).string(uri).varint(0)
    .fixed(hashOf(0x22)).varint(size).u8(depth).finish();
}

Deno.test("blob reference: small, manifest and tree round trip, each as its own variant", () => {
  fc.assert(fc.property(blobRefs, (ref: BlobRef) => {
    const bytes = encodeBlobRef(ref);
    assert.deepEqual(decodeBlobRef(bytes), ref);
    assert.equal(bytes[4], { small: 1, manifest: 2, tree: 3 }[ref.kind]);
  }));
});

Deno.test("blob reference: vectors of the description decode and encode to the same bytes", () => {
  const zeros = hashOf(0);
  const hello = hex("d74981efa70a0c880b8d8c1985d075dbcbf679b99a5f9914e5aaf96b831a9e24");
  const empty = hex("af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
  const whole = hex("fd62eab2af9cd2c561814fa8c53d0b26b5a898dbbe571ec57e6ec6684276e06a");
  const first = hex("04e52cd2da6a0e1f338b0078369130d96585c1de65057da5dd1283b12fb853e1");
  const last = hex("2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213");
  const leaf = hex("c05541b8814ff6a9b9be7702421b4fa03b6b3acf6899988b9ccd25bc8d8f4547");
  const one = [{ hash: hashOf(0x11), size: 3 }];
  const expected: [string, BlobRef][] = [
    [spec.small_zero_hash_empty_uri, smallRef("", zeros, 0)],
    [spec.small_hello_world, smallRef(blobUri(hello), hello, 11)],
    [spec.small_empty, smallRef(blobUri(empty), empty, 0)],
    [spec.manifest_one_chunk_u, manifestRef("u", REPLICATED, one)],
    [spec.manifest_one_chunk_u_rs10_4, manifestRef("u", RS, one)],
    [
      spec.manifest_4194305_zero_bytes,
      manifestRef(blobUri(whole), REPLICATED, [{ hash: first, size: CHUNK_SIZE }, { hash: last, size: 1 }]),
    ],
    [spec.tree_x_depth1, treeRef("mesh://x", REPLICATED, hashOf(0x22), 8_388_608, 1)],
    [spec.tree_x_rs10_4_depth3, treeRef("mesh://x", RS, hashOf(0x22), 2 ** 40, 3)],
    [spec.tree_of_that_leaf, treeRef(blobUri(leaf), REPLICATED, leaf, CHUNK_SIZE + 1, 1)],
  ];
  for (const [text, ref] of expected) {
    assert.equal(toHex(encodeBlobRef(ref)), text);
    assert.deepEqual(decodeBlobRef(hex(text)), ref);
  }
});

for (const vector of content.vectors) {
  if (vector.kind !== "blob_ref") continue;
  Deno.test(`blob reference: the seed system's reference of content "${vector.name}"`, async () => {
    const blake3 = await loadBlake3();
    const bytes = new Uint8Array(vector.len!);
    for (let i = 0; i < bytes.length; i++) bytes[i] = i % 251;
    const hash = blake3.hash(bytes);
    assert.equal(toHex(hash), vector.blake3);
    const chunks: ChunkRef[] = [];
    for (let at = 0; at < bytes.length; at += CHUNK_SIZE) {
      const chunk = bytes.subarray(at, at + CHUNK_SIZE);
      chunks.push({ hash: blake3.hash(chunk), size: chunk.length });
    }
    const ref = bytes.length <= CHUNK_SIZE
      ? smallRef(blobUri(hash), hash, bytes.length)
      : manifestRef(blobUri(hash), REPLICATED, chunks);
    assert.equal(toHex(encodeBlobRef(ref)), vector.ref);
    assert.deepEqual(decodeBlobRef(hex(vector.ref!)), ref);
  });
}

Deno.test("blob reference: encoded length is what the layout says", () => {
  fc.assert(fc.property(smallRefs, (ref) => {
    assert.equal(encodeBlobRef(ref).length, 45 + new TextEncoder().encode(ref.uri).length);
  }));
  assert.equal(encodeBlobRef(smallRef(blobUri(hashOf(0)), hashOf(0), 1)).length, 116);
  const chunks = Array.from({ length: 4096 }, () => ({ hash: hashOf(1), size: CHUNK_SIZE }));
  assert.equal(encodeBlobRef(manifestRef(blobUri(hashOf(0)), REPLICATED, chunks)).length, 147_542);
});

Deno.test("blob reference: what does not start with the magic is content, not an error", () => {
  for (const text of ["", "b0", "b0b1b2", "b0b1b2b4010203", "b0aaaaaaaa", "00b0b1b2b3"]) {
    assert.equal(decodeBlobRef(hex(text)), undefined);
  }
});

Deno.test("blob reference: frame and versions", () => {
  assert.throws(() => decodeBlobRef(hex(MAGIC)), { name: "DecodeError", message: /4 bytes$/ });
  for (const version of ["00", "04", "ff"]) {
    assert.throws(() => decodeBlobRef(hex(MAGIC + version)), UnsupportedVersionError);
  }
  assert.throws(() => decodeBlobRef(rawManifest([3], 3, 2)), UnsupportedVersionError);
  assert.throws(() => decodeBlobRef(rawTree(8, 1, 2)), UnsupportedVersionError);
  // The inner version is judged after the whole body was read.
  const cut = rawManifest([3], 3, 2);
  assert.throws(() => decodeBlobRef(cut.subarray(0, cut.length - 1)), DecodeError);
});

Deno.test("small reference: short frame, oversize and bad URI are refused", () => {
  const good = hex(spec.small_zero_hash_empty_uri);
  assert.throws(() => decodeBlobRef(good.subarray(0, 44)), {
    name: "DecodeError",
    message: /39 bytes after version, need at least 40/,
  });
  const size = (value: bigint) => {
    const bytes = good.slice();
    new DataView(bytes.buffer).setBigUint64(37, value, true);
    return bytes;
  };
  assert.equal((decodeBlobRef(size(BigInt(MAX_BLOB_SIZE))) as BlobRef).size, MAX_BLOB_SIZE);
  for (const value of [BigInt(MAX_BLOB_SIZE) + 1n, 2n ** 64n - 1n]) {
    assert.throws(() => decodeBlobRef(size(value)), LimitExceededError);
  }
  assert.throws(() => decodeBlobRef(concatBytes([good, new Uint8Array([0xff])])), DecodeError);
  assert.throws(() => smallRef("", hashOf(0), MAX_BLOB_SIZE + 1), LimitExceededError);
  assert.throws(() => smallRef("", hashOf(0), -1), InvalidArgumentError);
  assert.throws(() => smallRef("", hashOf(0), 0.5), InvalidArgumentError);
  assert.throws(() => smallRef("", new Uint8Array(31), 1), InvalidArgumentError);
});

Deno.test("small reference: an empty URI and one with a byte order mark stay as they are", () => {
  for (const uri of ["", "\ufeffmesh://"]) {
    const ref = smallRef(uri, hashOf(9), 5);
    assert.deepEqual(decodeBlobRef(encodeBlobRef(ref)), ref);
  }
});

Deno.test("manifest: sizes of chunks", () => {
  const refused = [
    [CHUNK_SIZE - 1, 1],
    [CHUNK_SIZE + 1, 1],
    [CHUNK_SIZE, CHUNK_SIZE + 1],
    [CHUNK_SIZE, 0],
    [0],
    [0, CHUNK_SIZE],
  ];
  for (const sizes of refused) {
    const total = sizes.reduce((sum, size) => sum + size, 0);
    assert.throws(() => decodeBlobRef(rawManifest(sizes, total)), DecodeError);
    const chunks = sizes.map((size) => ({ hash: hashOf(1), size }));
    assert.throws(() => manifestRef("u", REPLICATED, chunks), InvalidArgumentError);
  }
  assert.throws(() => manifestRef("u", REPLICATED, [{ hash: hashOf(1), size: 1.5 }]), InvalidArgumentError);
  assert.throws(() => manifestRef("u", REPLICATED, [{ hash: hashOf(1), size: NaN }]), InvalidArgumentError);
  for (const sizes of [[1], [CHUNK_SIZE], [CHUNK_SIZE, CHUNK_SIZE], [CHUNK_SIZE, CHUNK_SIZE, 7]]) {
    const total = sizes.reduce((sum, size) => sum + size, 0);
    assert.equal(decodeBlobRef(rawManifest(sizes, total))?.size, total);
  }
});

Deno.test("manifest: no chunk, too many chunks, total above the cap, lying total", () => {
  assert.throws(() => decodeBlobRef(rawManifest([], 0)), {
    name: "DecodeError",
    message: /at least one chunk/,
  });
  assert.throws(() => manifestRef("u", REPLICATED, []), InvalidArgumentError);
  const many = Array.from({ length: MAX_CHUNKS + 1 }, () => CHUNK_SIZE);
  const chunks = many.map((size) => ({ hash: hashOf(1), size }));
  assert.throws(() => decodeBlobRef(rawManifest(many, many.length * CHUNK_SIZE)), {
    name: "LimitExceededError",
    message: /chunk count 8193 exceeds cap 8192/,
  });
  assert.throws(() => manifestRef("u", REPLICATED, chunks), LimitExceededError);
  const over = Array.from({ length: 4097 }, (_, i) => i < 4096 ? CHUNK_SIZE : 1);
  assert.throws(() => decodeBlobRef(rawManifest(over, MAX_BLOB_SIZE + 1)), LimitExceededError);
  assert.throws(() => manifestRef("u", REPLICATED, chunks.slice(0, 4097)), LimitExceededError);
  assert.equal(manifestRef("u", REPLICATED, chunks.slice(0, 4096)).size, MAX_BLOB_SIZE);
  for (const total of [0, 2, 4, 2n ** 64n - 1n]) {
    assert.throws(() => decodeBlobRef(rawManifest([3], total)), {
      name: "DecodeError",
      message: /total_size mismatch/,
    });
  }
});

Deno.test("manifest: a body above its bound is refused before it is read", () => {
  const bytes = new Uint8Array(5 + MAX_MANIFEST_BODY + 1).fill(0xff);
  bytes.set(hex(`${MAGIC}02`));
  assert.throws(() => decodeBlobRef(bytes), LimitExceededError);
  assert.throws(() => decodeBlobRef(bytes.subarray(0, bytes.length - 1)), DecodeError);
  const long = "x".repeat(MAX_MANIFEST_BODY);
  const ref = manifestRef(long, REPLICATED, [{ hash: hashOf(1), size: 1 }]);
  assert.throws(() => encodeBlobRef(ref), LimitExceededError);
});

Deno.test("manifest: a huge declared count ends with the input", () => {
  const bytes = concatBytes([hex(`${MAGIC}0201017500`), hex("ffffffffffffff0f"), new Uint8Array(100)]);
  assert.throws(() => decodeBlobRef(bytes), DecodeError);
});

Deno.test("references: an unknown encoding is refused, Reed-Solomon is kept", () => {
  assert.throws(() => decodeBlobRef(hex(spec.manifest_one_chunk_u.replace("017500", "017502"))), DecodeError);
  const ref = decodeBlobRef(hex(spec.manifest_one_chunk_u_rs10_4)) as ManifestRef;
  assert.deepEqual(ref.encoding, RS);
  const broken: Encoding = { kind: "reed-solomon", k: 256, m: 1 };
  assert.throws(() => manifestRef("u", broken, ref.chunks), InvalidArgumentError);
});

Deno.test("references: bytes after the last field are ignored, and encoding is canonical again", () => {
  for (const text of [spec.manifest_one_chunk_u, spec.tree_x_depth1]) {
    const ref = decodeBlobRef(hex(`${text}00ff`));
    assert.equal(toHex(encodeBlobRef(ref!)), text);
  }
  // A padded varint (chunk size 3 as 83 00) is accepted, too.
  const padded = spec.manifest_one_chunk_u.replace(/0303$/, "830003");
  assert.equal(toHex(encodeBlobRef(decodeBlobRef(hex(padded))!)), spec.manifest_one_chunk_u);
});

Deno.test("tree: size and depth", () => {
  for (const depth of [0, 5, 255]) {
    assert.throws(() => decodeBlobRef(rawTree(2 ** 40, depth)), DecodeError);
    assert.throws(() => treeRef("", REPLICATED, hashOf(1), 2 ** 40, depth), InvalidArgumentError);
  }
  assert.throws(() => decodeBlobRef(rawTree(0, 1)), DecodeError);
  assert.throws(() => treeRef("", REPLICATED, hashOf(1), 0, 1), InvalidArgumentError);
  assert.throws(() => decodeBlobRef(rawTree(BigInt(MAX_TREE_SIZE) + 1024n, 4)), LimitExceededError);
  assert.throws(() => treeRef("", REPLICATED, hashOf(1), MAX_TREE_SIZE + 1024, 4), LimitExceededError);
  // More than a double holds and more than any tree holds, though the format's cap is higher.
  assert.throws(() => decodeBlobRef(rawTree(2n ** 53n, 4)), DecodeError);
  for (const [depth, least] of [[2, 128], [3, 128 ** 2], [4, 128 ** 3]]) {
    assert.equal(decodeBlobRef(rawTree(least, depth))?.size, least);
    assert.throws(() => decodeBlobRef(rawTree(least - 1, depth)), DecodeError);
    assert.throws(() => treeRef("", REPLICATED, hashOf(1), least - 1, depth), InvalidArgumentError);
  }
  assert.equal(decodeBlobRef(rawTree(1, 1))?.size, 1);
});

Deno.test("tree: a body above its bound is refused", () => {
  const fits = MAX_TREE_BODY - (1 + 2 + 1 + 32 + 1 + 1);
  assert.equal(decodeBlobRef(rawTree(8, 1, 1, "x".repeat(fits)))?.kind, "tree");
  assert.throws(() => decodeBlobRef(rawTree(8, 1, 1, "x".repeat(fits + 1))), LimitExceededError);
  const ref = treeRef("x".repeat(fits + 1), REPLICATED, hashOf(1), 8, 1);
  assert.throws(() => encodeBlobRef(ref), LimitExceededError);
});

Deno.test("chunks: one of a small blob, all of a manifest, a clear error for a tree", () => {
  const small = smallRef("", hashOf(3), 0);
  assert.deepEqual(chunksOf(small), [{ hash: hashOf(3), size: 0 }]);
  const manifest = decodeBlobRef(hex(spec.manifest_4194305_zero_bytes))!;
  assert.deepEqual(chunksOf(manifest).map((chunk) => chunk.size), [CHUNK_SIZE, 1]);
  assert.throws(() => chunksOf(decodeBlobRef(hex(spec.tree_x_depth1))!), {
    name: "UnsupportedError",
    message: /tree/,
  });
});

Deno.test("references: what is decoded does not change with the input", () => {
  for (const text of [spec.small_hello_world, spec.manifest_one_chunk_u, spec.tree_x_depth1]) {
    const bytes = hex(text);
    const ref = decodeBlobRef(bytes)!;
    bytes.fill(0);
    assert.equal(toHex(encodeBlobRef(ref)), text);
  }
});

Deno.test("references: the encoder refuses what the decoder would refuse", () => {
  const good = manifestRef("u", REPLICATED, [{ hash: hashOf(1), size: 3 }]);
  assert.throws(() => encodeBlobRef({ ...good, size: 4 }), InvalidArgumentError);
  assert.throws(
    () => encodeBlobRef({ ...good, chunks: [{ hash: new Uint8Array(3), size: 3 }] }),
    InvalidArgumentError,
  );
});

Deno.test("blob ref: a small one with the usual URI is written in place as it is encoded", () => {
  const sizes = fc.oneof(fc.nat(MAX_BLOB_SIZE), fc.constantFrom(0, 255, 256, 2 ** 32 - 1, MAX_BLOB_SIZE));
  fc.assert(fc.property(fc.uint8Array({ minLength: 40, maxLength: 40 }), sizes, (hashes, size) => {
    const hash = hashes.slice(3, 35);
    const out = new Uint8Array(USUAL_SMALL_LENGTH + 2).fill(7);
    writeUsualSmall(out, 1, hashes, 3, size);
    const encoded = encodeBlobRef(smallRef(blobUri(hash), hash, size));
    assert.deepEqual(out, concatBytes([new Uint8Array([7]), encoded, new Uint8Array([7])]));
  }));
});

Deno.test("blob ref: the chunk of a small one is what decoding finds, or nothing", () => {
  fc.assert(fc.property(blobRefs, fc.nat(200), fc.nat(255), (ref, at, byte) => {
    const bytes = encodeBlobRef(ref);
    const bent = bytes.map((old, i) => i === at ? byte : old);
    for (const candidate of [bytes, bent, bytes.subarray(0, at)]) {
      const chunk = smallChunkOf(candidate);
      if (chunk !== undefined) assert.deepEqual([chunk], chunksOf(decodeBlobRef(candidate)!));
    }
  }));
  const usual = encodeBlobRef(smallRef(blobUri(hashOf(3)), hashOf(3), 77));
  assert.deepEqual(smallChunkOf(usual), { hash: hashOf(3), size: 77 });
  for (const other of [usual.subarray(0, 44), usual.with(45, 0xc3), usual.with(44, 1), usual.with(4, 2)]) {
    assert.equal(smallChunkOf(other), undefined);
  }
});
