/**
 * A peer as a source of offers: asked over sessions that come and go (`content.md` 5).
 *
 * @module
 */

import { PING_AFTER, silentAfter } from "../blob/transfer_holder.ts";
import { PeerSilentError, TransferRefusedError } from "../errors.ts";
import { delay } from "../mesh/abort.ts";
import type { Session } from "../mesh/mod.ts";
import { monotonicNow } from "../mesh/socket_loop.ts";
import type { DirectoryOffer, OfferSource, RequestOfferOptions } from "./directory_offer.ts";
import { isOfferLost } from "./offer_loss.ts";
import { requestOffer } from "./offer_request.ts";

/** How often the session is looked at, milliseconds. */
const CHECK_INTERVAL = 500;
/** First and greatest delay between attempts, milliseconds. */
const FIRST_BACKOFF = 250;
const MAX_BACKOFF = 4_000;
/** Times that a busy holder is asked again. */
const MAX_BUSY = 20;
/** Milliseconds after which a session that is lost then was none of a row of failures. */
const LASTING = 5_000;

/** Options of {@linkcode toOfferSource}. */
export interface OfferSourceOptions {
  /** Milliseconds after which a peer is given up that was lost and not reached again. @default 30000 */
  readonly retryTimeout?: number;
}

/**
 * A source of offers over a session, which stays the caller's; one that drops is replaced by a new one to the same peer.
 * A peer that falls silent while something is waited for is noticed.
 */
export function toOfferSource(session: Session, options: OfferSourceOptions = {}): OfferSource {
  const { retryTimeout = 30_000 } = options;
  let current = session;
  return {
    async ask(options: RequestOfferOptions = {}): Promise<DirectoryOffer> {
      const attempts = new Attempts(retryTimeout);
      for (;;) {
        try {
          const { signal } = options;
          const isLost = !current.isOpen || current.silence > silentAfter(current);
          if (isLost) current = await current.node.reconnect(current, { signal });
          attempts.connected();
          return await watched(current, options);
        } catch (error) {
          options.signal?.throwIfAborted();
          await attempts.failed(error, options.signal);
        }
      }
    },
  };
}

/** Decides whether there is another attempt, and waits before it. */
class Attempts {
  #losses = 0;
  #busy = 0;
  #since: number | undefined;
  #connectedAt: number | undefined;

  constructor(readonly retryTimeout: number) {}

  /** Notes that there is a session. */
  connected(): void {
    this.#connectedAt = monotonicNow();
  }

  /** Throws the error when there is no use in going on. */
  async failed(error: unknown, signal: AbortSignal | undefined): Promise<void> {
    if (error instanceof TransferRefusedError && error.code === "BUSY" && this.#busy++ < MAX_BUSY) {
      return await delay(FIRST_BACKOFF, signal);
    }
    if (!isOfferLost(error)) throw error;
    const now = monotonicNow();
    if (this.#connectedAt !== undefined && now - this.#connectedAt > LASTING) {
      this.#losses = 0;
      this.#since = undefined;
    }
    this.#connectedAt = undefined;
    this.#since ??= now;
    if (now - this.#since > this.retryTimeout) throw error;
    // The first attempt comes at once: most losses are a restart.
    if (this.#losses++ === 0) return;
    await delay(Math.min(FIRST_BACKOFF * 2 ** (this.#losses - 2), MAX_BACKOFF), signal);
  }
}

/** Asks over a session that is looked at until the offer is over. */
async function watched(session: Session, options: RequestOfferOptions): Promise<DirectoryOffer> {
  const stop = new AbortController();
  let checkedAt = monotonicNow();
  const timer = setInterval(() => {
    const now = monotonicNow();
    const elapsed = now - checkedAt;
    checkedAt = now;
    // The event loop stood still: what arrived meanwhile is still in the socket, so nobody is judged silent.
    if (elapsed > 2 * CHECK_INTERVAL) return;
    const { silence } = session;
    if (silence > silentAfter(session)) {
      const message = `Fetch directory: holder ${session.peerName.slice(0, 10)} silent for ${
        Math.round(silence)
      } ms`;
      stop.abort(new PeerSilentError(message, silence));
    } else if (silence > PING_AFTER) session.ping();
  }, CHECK_INTERVAL);
  const over = () => clearInterval(timer);
  try {
    const signal = options.signal === undefined
      ? stop.signal
      : AbortSignal.any([options.signal, stop.signal]);
    const offer = await requestOffer(session, { ...options, signal });
    offer.ref.then(over, over);
    return offer;
  } catch (error) {
    over();
    throw error;
  }
}
