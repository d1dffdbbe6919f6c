/**
 * The requester's side of a manifest that is asked for as a difference (`content.md` 2): one question, one answer.
 * Whatever goes wrong, the manifest can still be fetched as it is; so there is one try and no error.
 *
 * @module
 */

import { loadBlake3 } from "../crypto/blake3.ts";
import { HashMismatchError, PeerSilentError, TransferProtocolError } from "../errors.ts";
import { frameMessage, MessageReader } from "../mesh/messages.ts";
import { ErrorCode, type Session } from "../mesh/mod.ts";
import { monotonicNow } from "../mesh/socket_loop.ts";
import { log } from "../runtime/logging.ts";
import type { Stream } from "../transport/stream.ts";
import { equalBytes, toHex } from "../wire/bytes.ts";
import { encodeFingerprints, MAX_DELTA_CHUNKS } from "../wire/manifest_delta.ts";
import { decodeTransferHeader, encodeTransferControl, MAX_HEADER_LENGTH } from "../wire/transfer_message.ts";
import { applyDelta, groupsToOffer } from "./manifest_groups.ts";
import type { DeltaRequest } from "./source.ts";
import { PING_AFTER, silentAfter } from "./transfer_holder.ts";
import { BLOB_TRANSFER_PROTOCOL } from "./transfer_server.ts";

/** Priority of the stream: that of small chunks. */
const PRIORITY = 2;
/** How often the holder is looked at, milliseconds. */
const CHECK_INTERVAL = 500;

/**
 * Asks the peer of a session. Resolves with the verified manifest, or with `undefined` when the peer does not give it.
 * Rejects with the signal's reason only.
 *
 * @param patience milliseconds in which the answer has to begin, and `leastBytes` or the rest of it to come.
 */
export async function fetchDelta(
  session: Session,
  request: DeltaRequest,
  patience: number,
  leastBytes: number,
  signal?: AbortSignal,
): Promise<Uint8Array | undefined> {
  if (!session.isOpen || request.chunks.length > MAX_DELTA_CHUNKS) return undefined;
  try {
    return await new DeltaFetch(session, patience, leastBytes).run(request, signal);
  } catch (error) {
    signal?.throwIfAborted();
    log("blob", "debug", "No manifest by its difference: {error}", { error });
    return undefined;
  }
}

class DeltaFetch {
  readonly #stop = new AbortController();
  /** When the holder had last shown that it delivers. */
  #progressAt = monotonicNow();
  #checkedAt = monotonicNow();

  constructor(readonly session: Session, readonly patience: number, readonly leastBytes: number) {}

  async run({ chunks, base }: DeltaRequest, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    const blake3 = await loadBlake3();
    const groups = groupsToOffer(base);
    if (groups === undefined) return undefined;
    const message = encodeTransferControl({
      kind: "request-delta",
      hashes: chunks.map(({ hash }) => hash),
      shift: groups.shift,
      fingerprints: encodeFingerprints(groups.prints),
    });
    const length = chunks.reduce((sum, { size }) => sum + size, 0);
    const delta = await this.#ask(message, length, signal);
    const manifest = applyDelta(base, groups, delta, length);
    let at = 0;
    for (const { hash, size } of chunks) {
      const actual = blake3.hash(manifest.subarray(at, at += size));
      if (!equalBytes(actual, hash)) {
        throw new HashMismatchError(toHex(hash), toHex(actual), this.session.peerName);
      }
    }
    return manifest;
  }

  /** Sends the request; the difference that comes. */
  async #ask(message: Uint8Array, length: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const stop = signal === undefined ? this.#stop.signal : AbortSignal.any([this.#stop.signal, signal]);
    const timer = setInterval(() => this.#check(), CHECK_INTERVAL);
    try {
      const options = { protocol: BLOB_TRANSFER_PROTOCOL, priority: PRIORITY, signal: stop };
      const { transport } = await this.session.openStream(options);
      try {
        transport.write(frameMessage(message));
        const delta = await this.#receive(transport, length, stop);
        transport.finish();
        transport.stop(ErrorCode.CANCELLED);
        return delta;
      } catch (error) {
        transport.abort(ErrorCode.CANCELLED);
        throw error;
      } finally {
        transport.onReadable = undefined;
      }
    } finally {
      clearInterval(timer);
    }
  }

  async #receive(stream: Stream, length: number, stop: AbortSignal): Promise<Uint8Array> {
    let wake = () => {};
    stop.addEventListener("abort", () => wake(), { once: true });
    const reader = new MessageReader(() => stream.read(), MAX_HEADER_LENGTH);
    const next = async <T>(take: () => T | undefined): Promise<T> => {
      for (;;) {
        const value = take();
        if (value !== undefined) return value;
        if (stream.error !== undefined) throw stream.error;
        if (stream.ended) throw this.#breach("it ended its stream before it answered");
        await new Promise<void>((resolve) => stream.onReadable = wake = resolve);
        stop.throwIfAborted();
      }
    };
    const header = decodeTransferHeader(await next(() => reader.message()));
    this.#progressAt = monotonicNow();
    if (header.kind !== "delta") throw this.#breach(`it answers "${header.kind}"`);
    const { totalLength, deltaLength } = header;
    // Also the bound of what is reserved: no difference is longer than what it makes.
    if (totalLength !== BigInt(length) || deltaLength > length) {
      throw this.#breach(`it makes ${totalLength} bytes of ${deltaLength}, the reference says ${length}`);
    }
    const delta = new Uint8Array(deltaLength);
    let proven = 0;
    for (let at = 0; at < deltaLength;) {
      const piece = await next(() => reader.raw(deltaLength - at));
      delta.set(piece, at);
      at += piece.length;
      if (at - proven < this.leastBytes) continue;
      proven = at;
      this.#progressAt = monotonicNow();
    }
    return delta;
  }

  #check(): void {
    const now = monotonicNow();
    const elapsed = now - this.#checkedAt;
    this.#checkedAt = now;
    // The event loop stood still: what arrived meanwhile is still in the socket.
    if (elapsed > 2 * CHECK_INTERVAL) return;
    const { silence } = this.session;
    const waited = now - this.#progressAt;
    if (silence > silentAfter(this.session) || waited > this.patience) {
      const message = `Fetch manifest: holder ${this.session.peerName} silent for ${Math.round(waited)} ms`;
      this.#stop.abort(new PeerSilentError(message, waited));
    } else if (silence > PING_AFTER) this.session.ping();
  }

  #breach(what: string): TransferProtocolError {
    return new TransferProtocolError(`Fetch manifest: holder ${this.session.peerName}: ${what}`);
  }
}
