/**
 * Cookies (`protocol.md` 2.1, WireGuard whitepaper §5.4.7): a node under load answers initiations with a sealed code
 * over the address that they claim to come from, and does the curve operations only for those who bring it back as
 * the key of mac2. Whoever only pretends an address never gets that far. Times in milliseconds.
 *
 * @module
 */

import { COOKIE_LENGTH, COOKIE_NONCE_LENGTH, cookieKey, openCookie, sealCookie } from "../crypto/cookie.ts";
import { equalConstantTime, mac } from "../crypto/mac.ts";
import { encodeUtf8, toHex } from "../wire/bytes.ts";
import {
  cookieReplyFields,
  cookieReplyPacket,
  mac1Field,
  mac2Field,
  mac2Input,
  readU32,
} from "../wire/packet.ts";
import type { SocketAddress } from "./address.ts";
import {
  COOKIE_REPLIES_PER_SECOND,
  COOKIE_SECRET_LIFETIME,
  INITIATIONS_PER_HOST,
  MAX_COOKIES,
  MAX_HOSTS_UNDER_LOAD,
} from "./config.ts";

/** What is to become of an initiation: gone on with, answered with a cookie, or dropped. */
export type CookieVerdict = "pass" | "reply" | "too_many_replies" | "too_many_of_host";

const SECOND = 1_000;
const SECRET_LENGTH = 32;

/** The responder's side: how many initiations come, and what the node asks of them. */
export class CookieGuard {
  /** Secrets of the last two periods, the newer first. */
  readonly #secrets: Uint8Array[] = [];
  readonly #key: Uint8Array;
  #secretSince = -Infinity;
  #secondStart = -Infinity;
  #initiations = 0;
  #initiationsBefore = 0;
  #replies = 0;
  /** Initiations with a cookie, by host, in this second. */
  readonly #hosts = new Map<string, number>();

  /**
   * @param publicKey of this node. @param threshold initiations per second beyond which cookies are asked for.
   * @param random random bytes.
   */
  constructor(
    publicKey: Uint8Array,
    readonly threshold: number,
    readonly random: (length: number) => Uint8Array,
  ) {
    this.#key = cookieKey(publicKey);
  }

  /** Whether more initiations come, or came in the second before, than are worth their curve operations. */
  get isUnderLoad(): boolean {
    return this.#initiations > this.threshold || this.#initiationsBefore > this.threshold;
  }

  /** Hosts and secrets remembered. */
  get size(): number {
    return this.#hosts.size + this.#secrets.length;
  }

  /** Counts an initiation whose mac1 is right, and judges it. */
  judge(packet: Uint8Array, from: SocketAddress, now: number): CookieVerdict {
    this.#count(now);
    if (!this.isUnderLoad) return "pass";
    if (this.#bringsCookie(packet, from, now)) {
      return this.#mayPass(from.hostname) ? "pass" : "too_many_of_host";
    }
    if (this.#replies >= COOKIE_REPLIES_PER_SECOND) return "too_many_replies";
    this.#replies++;
    return "reply";
  }

  /** The cookie reply to an initiation: shorter than it, and only of use to who can read what goes to `from`. */
  reply(packet: Uint8Array, from: SocketAddress, now: number): Uint8Array {
    this.#rotate(now);
    const nonce = this.random(COOKIE_NONCE_LENGTH);
    const cookie = mac(this.#secrets[0], addressBytes(from));
    return cookieReplyPacket(
      readU32(packet, 4),
      nonce,
      sealCookie(this.#key, nonce, mac1Field(packet), cookie),
    );
  }

  #count(now: number): void {
    const passed = now - this.#secondStart;
    if (passed >= SECOND) {
      this.#initiationsBefore = passed < 2 * SECOND ? this.#initiations : 0;
      this.#secondStart = now;
      this.#initiations = this.#replies = 0;
      this.#hosts.clear();
    }
    this.#initiations++;
  }

  #bringsCookie(packet: Uint8Array, from: SocketAddress, now: number): boolean {
    const mac2 = mac2Field(packet);
    // Without one there is nothing to compute: most of a flood ends here.
    if (mac2.every((byte) => byte === 0)) return false;
    this.#rotate(now);
    const address = addressBytes(from);
    const input = mac2Input(packet);
    return this.#secrets.some((secret) => equalConstantTime(mac(mac(secret, address), input), mac2));
  }

  /** A host that has an address may still not have all of the node's time. */
  #mayPass(hostname: string): boolean {
    const count = (this.#hosts.get(hostname) ?? 0) + 1;
    if (count > INITIATIONS_PER_HOST || (count === 1 && this.#hosts.size >= MAX_HOSTS_UNDER_LOAD)) {
      return false;
    }
    this.#hosts.set(hostname, count);
    return true;
  }

  #rotate(now: number): void {
    if (now - this.#secretSince < COOKIE_SECRET_LIFETIME) return;
    // After a pause even the newer one is too old for any cookie that is still in use.
    if (now - this.#secretSince >= 2 * COOKIE_SECRET_LIFETIME) this.#secrets.length = 0;
    this.#secrets.unshift(this.random(SECRET_LENGTH));
    this.#secrets.length = Math.min(this.#secrets.length, 2);
    this.#secretSince = now;
  }
}

/** The initiator's side: the cookies that peers gave us. */
export class CookieJar {
  readonly #cookies = new Map<string, { readonly cookie: Uint8Array; readonly at: number }>();

  /** Cookies held. */
  get size(): number {
    return this.#cookies.size;
  }

  /**
   * Reads a cookie reply to `initiation`, which went to the node with `peerKey`. False when the reply is not authentic.
   */
  take(reply: Uint8Array, peerKey: Uint8Array, initiation: Uint8Array, now: number): boolean {
    const { nonce, sealed } = cookieReplyFields(reply);
    const cookie = openCookie(cookieKey(peerKey), nonce, mac1Field(initiation), sealed);
    if (cookie?.length !== COOKIE_LENGTH) return false;
    const key = toHex(peerKey);
    this.#cookies.delete(key);
    this.#cookies.set(key, { cookie, at: now });
    if (this.#cookies.size > MAX_COOKIES) this.#cookies.delete(this.#cookies.keys().next().value!);
    return true;
  }

  /** Writes mac2 of an initiation to the node with `peerKey`, as far as it gave us a cookie that is still good. */
  seal(initiation: Uint8Array, peerKey: Uint8Array, now: number): void {
    const key = toHex(peerKey);
    const held = this.#cookies.get(key);
    const isGood = held !== undefined && now - held.at < COOKIE_SECRET_LIFETIME;
    if (!isGood) this.#cookies.delete(key);
    mac2Field(initiation).set(isGood ? mac(held.cookie, mac2Input(initiation)) : NO_MAC);
  }
}

const NO_MAC = new Uint8Array(COOKIE_LENGTH);

function addressBytes({ hostname, port }: SocketAddress): Uint8Array {
  return encodeUtf8(`${hostname} ${port}`);
}
