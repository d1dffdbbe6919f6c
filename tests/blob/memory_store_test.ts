import assert from "node:assert/strict";
import { MemoryBlobStore } from "../../src/blob/memory_store.ts";
import { LimitExceededError } from "../../src/errors.ts";
import { testBlobStore } from "../compliance/blob_store.ts";

testBlobStore("memory store", () => Promise.resolve({ store: new MemoryBlobStore() }));

Deno.test(
  "memory store: maxBytes bounds what is kept, not what passed through",
  { permissions: "none" },
  async () => {
    await using store = new MemoryBlobStore({ maxBytes: 10 });
    const hash = await store.put(new Uint8Array(6));
    await store.put(new Uint8Array(6));
    await assert.rejects(store.put(new Uint8Array(5)), LimitExceededError);
    await store.delete(hash);
    await store.put(new Uint8Array(10));
  },
);
