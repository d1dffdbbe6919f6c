/**
 * What a store may hold after a crash: everything that was acknowledged, and of what was not, anything in order.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { BlobStore } from "../../src/blob/store.ts";
import { nobleBlake3 } from "../../src/crypto/blake3.ts";
import { patterned } from "../support/patterned.ts";

/** One change of the model. */
export type Change =
  | { readonly what: "put" | "delete" | "pin" | "unpin"; readonly which: number }
  | { readonly what: "gc"; readonly roots: readonly number[] };

/** States of one blob, oldest first: the newest acknowledged one and all after it are allowed. */
interface History {
  states: { value: boolean; isAcknowledged: boolean }[];
}

/** Applies changes to a store and knows what must come of them. */
export class StoreModel {
  readonly blobs: readonly Uint8Array[];
  readonly hashes: readonly Uint8Array[];
  readonly #present: History[];
  readonly #pinned: History[];

  constructor(sizes: readonly number[]) {
    this.blobs = sizes.map((size) => patterned(size));
    const blake3 = nobleBlake3();
    this.hashes = this.blobs.map((blob) => blake3.hash(blob));
    this.#present = sizes.map(() => ({ states: [{ value: false, isAcknowledged: true }] }));
    this.#pinned = sizes.map(() => ({ states: [{ value: false, isAcknowledged: true }] }));
  }

  /** Does a change; resolves when it was acknowledged, rejects as the store does. */
  async apply(store: BlobStore, change: Change): Promise<void> {
    const acknowledge: (() => void)[] = [];
    const note = (histories: History[], which: number, value: boolean) => {
      const { states } = histories[which];
      const state = { value, isAcknowledged: false };
      states.push(state);
      acknowledge.push(() => {
        // Changes become durable in order: what came before is acknowledged with it.
        for (const earlier of states.slice(0, states.indexOf(state) + 1)) earlier.isAcknowledged = true;
      });
    };
    if (change.what === "gc") {
      for (const which of this.blobs.keys()) {
        const isKept = change.roots.includes(which) || latest(this.#pinned[which]);
        if (!isKept && latest(this.#present[which])) note(this.#present, which, false);
      }
      await store.gc({ roots: change.roots.map((i) => this.hashes[i]) });
    } else {
      const { what, which } = change;
      const hash = this.hashes[which];
      if (what === "put") {
        note(this.#present, which, true);
        await store.put(this.blobs[which]);
      } else if (what === "delete") {
        note(this.#present, which, false);
        await store.delete(hash);
      } else {
        note(this.#pinned, which, what === "pin");
        await (what === "pin" ? store.pin(hash) : store.unpin(hash));
      }
    }
    for (const call of acknowledge) call();
  }

  /** Checks a store after a crash, and that it works: everything can be stored, and is there then. */
  async check(store: BlobStore, durability: "acknowledged" | "nothing" = "acknowledged"): Promise<void> {
    const { damaged } = await store.verify();
    assert.deepEqual(damaged, []);
    for (const [i, hash] of this.hashes.entries()) {
      const stat = await store.stat(hash);
      if (durability === "acknowledged") {
        assertAllowed(this.#present[i], stat !== undefined, `blob ${i} present`);
        if (stat !== undefined) assertAllowed(this.#pinned[i], stat.pinned, `blob ${i} pinned`);
      }
      assert.deepEqual(await store.get(hash), stat === undefined ? undefined : this.blobs[i]);
    }
    await Promise.all(this.blobs.map((blob) => store.put(blob)));
    for (const [i, hash] of this.hashes.entries()) assert.deepEqual(await store.get(hash), this.blobs[i]);
  }
}

function latest(history: History): boolean {
  return history.states[history.states.length - 1].value;
}

function assertAllowed({ states }: History, actual: boolean, what: string): void {
  const last = states.findLastIndex((state) => state.isAcknowledged);
  const allowed = states.slice(last).map((state) => state.value);
  assert(allowed.includes(actual), `${what}: is ${actual}, history ${JSON.stringify(states)}`);
}
