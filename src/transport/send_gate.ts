/**
 * When the next packet of a session may go, and of which size: congestion window, pacing and probes of the path's
 * size come together here.
 *
 * @module
 */

import { Pacer } from "./pacer.ts";
import type { PathMtu } from "./path_mtu.ts";
import type { Recovery } from "./recovery.ts";

/** Lets packets through at the rate that the path is thought to carry. */
export class SendGate {
  /** When pacing lets the packet go that waits; `Infinity` when none does. */
  deadline: number = Infinity;
  #pacer = new Pacer();

  /** @param recovery knows the window. @param mtu knows the packet size. */
  constructor(readonly recovery: Recovery, readonly mtu: PathMtu) {}

  /** Whether congestion window and pacing let a full packet go now; if pacing does not, {@linkcode deadline} is set. */
  isOpen(now: number): boolean {
    const { recovery } = this;
    const { size } = this.mtu;
    this.deadline = Infinity;
    if (recovery.bytesInFlight + size > recovery.window && !recovery.repairDue) {
      recovery.appLimited = false;
      return false;
    }
    if (this.#awaitsRoom(now)) return false;
    // On a short path all that is in flight sits in the peer's socket: half of that needs no pacing.
    const burst = recovery.peerReceiveBuffer / 2;
    if (recovery.isShortPath && recovery.bytesInFlight + size <= burst) return true;
    const at = this.#pacer.nextSendTime(now, size, recovery.window, recovery.rtt.smoothed, burst);
    if (at <= now) return true;
    this.deadline = at;
    return false;
  }

  /** Size of the probe to send now, if one is due; the caller knows that an ordinary packet may go. */
  dueProbe(now: number): number | undefined {
    const probe = this.#nextProbe(now);
    return probe === undefined || this.#hasRoom(probe) ? probe : undefined;
  }

  /** Size of the next probe. None before the path is known to work, and the peer to have the keys. */
  #nextProbe(now: number): number | undefined {
    const { rtt, largestAcked } = this.recovery;
    return rtt.sampled && largestAcked >= 0 ? this.mtu.probe(now) : undefined;
  }

  /** A probe may exceed the window, or it would never find room while that is full; but not the peer's socket. */
  #hasRoom(probe: number): boolean {
    const { recovery } = this;
    return !recovery.isShortPath || recovery.bytesInFlight + probe <= Math.max(recovery.window, probe);
  }

  /** Whether a flow that fills the window holds still until a probe has room: it would never have any otherwise. */
  #awaitsRoom(now: number): boolean {
    const { recovery, mtu } = this;
    if (!mtu.isFilled || recovery.appLimited || recovery.repairDue) return false;
    const probe = this.#nextProbe(now);
    return probe !== undefined && !this.#hasRoom(probe);
  }

  /** A packet was sent that counts as in flight. */
  onSent(size: number): void {
    this.#pacer.onSent(size);
  }

  /** Packets take another path from now on. */
  onPathChange(): void {
    this.deadline = Infinity;
    this.#pacer = new Pacer();
  }
}
