/**
 * Poly1305 (RFC 8439 §2.5) in WebAssembly: 32-bit limbs in 64-bit integers. Their products leave so much room that sums
 * of them need no carry, and the carry of the highest limb comes back to the lowest without one.
 *
 * @module
 */

import type { FunctionWriter, Local } from "./wasm_writer.ts";

/** Bytes that it takes at a time. */
export const MAC_BLOCK = 16;

/** Writes the parts of Poly1305 into a function, between whatever else that does. */
export class Poly1305Writer {
  /** Address of the next block; the function sets it. */
  readonly at: Local;
  readonly #r: readonly Local[];
  /** Five quarters of r: what a product is worth that exceeds 2^128, for 2^130 counts as 5. The first is not used. */
  readonly #s: readonly Local[];
  readonly #h: readonly Local[];
  readonly #t: readonly Local[];

  /** @param write the function, which takes one message. */
  constructor(readonly write: FunctionWriter) {
    const longs = (count: number) => Array.from({ length: count }, () => write.long());
    this.at = write.integer();
    [this.#r, this.#s, this.#h, this.#t] = [longs(4), longs(4), longs(5), longs(5)];
  }

  /** Takes the first half of the one-time key, at `area` plus `keyAt`. */
  begin(area: Local, keyAt: number): void {
    const { write } = this;
    for (let i = 0; i < 4; i++) {
      write.get(area).longLoad(keyAt + 4 * i).longConstant(i === 0 ? 0x0fffffff : 0x0ffffffc);
      write.do("longAnd").set(this.#r[i]);
      write.get(this.#r[i], this.#r[i]).longConstant(2).do("longShiftRight", "longAdd").set(this.#s[i]);
    }
  }

  /** Takes the next block: h = (h + block + 2^128) * r. */
  block(): void {
    const { write, at } = this;
    const [r, s, h, t] = [this.#r, this.#s, this.#h, this.#t];
    for (let i = 0; i < 4; i++) write.get(h[i], at).longLoad(4 * i).do("longAdd").set(h[i]);
    write.get(h[4]).longConstant(1).do("longAdd").set(h[4]);
    write.get(at).constant(MAC_BLOCK).do("add").set(at);
    for (let limb = 0; limb < 4; limb++) {
      for (let i = 0; i < 4; i++) {
        write.get(h[i], i <= limb ? r[limb - i] : s[4 + limb - i]).do("longMul");
        if (i > 0) write.do("longAdd");
      }
      if (limb > 0) write.get(h[4], s[limb]).do("longMul", "longAdd");
      write.set(t[limb]);
    }
    write.get(h[4], r[0]).do("longMul").set(t[4]);
    for (let limb = 0; limb < 4; limb++) {
      write.get(t[limb + 1]);
      this.#low(t[limb], h[limb]);
      write.do("longAdd").set(t[limb + 1]);
    }
    // What is 2^130 and more counts as 5 times; the lowest limb takes it without a carry.
    write.get(h[0]);
    this.#fives(t[4], h[4]);
    write.do("longAdd").set(h[0]);
  }

  /** Puts the tag to `tag`, for which the second half of the key is added. */
  finish(area: Local, keyAt: number, tag: Local): void {
    const { write } = this;
    const [h, g] = [this.#h, this.#t];
    this.#carry(h);
    write.get(h[0]);
    this.#fives(h[4], h[4]);
    write.do("longAdd").set(h[0]);
    this.#carry(h);
    // g = h + 5 is right where it reaches 2^130: then h was 2^130 - 5 at least.
    for (let i = 0; i < 5; i++) write.get(h[i]).set(g[i]);
    write.get(g[0]).longConstant(5).do("longAdd").set(g[0]);
    this.#carry(g);
    write.longConstant(0).get(g[4]).longConstant(2).do("longShiftRight", "longSub").set(g[4]);
    write.longConstant(0).set(h[4]);
    for (let i = 0; i < 4; i++) {
      write.get(h[i]).get(h[i], g[i]).do("longXor").get(g[4]).do("longAnd", "longXor");
      write.get(area).longLoad(keyAt + 16 + 4 * i).do("longAdd").get(h[4]).do("longAdd").set(h[i]);
      write.get(tag, h[i]).longStoreLow(4 * i);
      write.get(h[i]).longConstant(32).do("longShiftRight").set(h[4]);
    }
  }

  /** Carries from limb to limb, all the way. */
  #carry(limbs: readonly Local[]): void {
    for (let i = 0; i < 4; i++) {
      this.write.get(limbs[i + 1]);
      this.#low(limbs[i], limbs[i]);
      this.write.do("longAdd").set(limbs[i + 1]);
    }
  }

  /** Leaves the low 32 bits of a limb in `to` and pushes the rest. */
  #low(limb: Local, to: Local): void {
    const { write } = this;
    write.get(limb).longConstant(32).do("longShiftRight");
    write.get(limb).longConstant(0xffffffff).do("longAnd").set(to);
  }

  /** Leaves what of the highest limb is below 2^130 in `to` and pushes five times the rest. */
  #fives(limb: Local, to: Local): void {
    const { write } = this;
    write.get(limb).longConstant(2).do("longShiftRight");
    write.get(limb).longConstant(-4).do("longAnd", "longAdd");
    write.get(limb).longConstant(3).do("longAnd").set(to);
  }
}
