/**
 * The receiving side of the fast UDP driver: many datagrams by one `recvmmsg`, and those that the kernel joined (UDP
 * GRO) taken apart again.
 *
 * @module
 */

import { Errno, type Libc } from "./linux_libc.ts";
import { Messages } from "./linux_messages.ts";
import { readSockaddr } from "./linux_sockaddr.ts";
import { DATAGRAM_BUFFER, type UdpAddress } from "./udp.ts";

/** Messages of one call: a turn of the event loop stays short. */
const MAX_MESSAGES = 16;
/** Senders whose address is remembered as text. */
const MAX_SENDERS = 1024;

/** What came of a call. */
export type Received = "some" | "nothing";

/** Receives through one socket. */
export class LinuxReceiver {
  readonly #buffer = new Uint8Array(MAX_MESSAGES * DATAGRAM_BUFFER);
  readonly #messages = new Messages(MAX_MESSAGES, this.#buffer);
  readonly #senders = new Map<string, UdpAddress>();
  /** The last sender as the system tells it, and as text. */
  readonly #lastName = new Uint8Array(32);
  #last: UdpAddress | undefined;

  constructor(readonly libc: Libc, readonly fd: number) {
    for (let i = 0; i < MAX_MESSAGES; i++) {
      this.#messages.point(i, i * DATAGRAM_BUFFER, DATAGRAM_BUFFER);
      this.#messages.expect(i);
    }
  }

  /**
   * Takes what is there, at most a call's worth. Throws when the socket is of no use any more.
   *
   * @param onDatagram is given views that are valid during the call only.
   */
  receive(onDatagram: (datagram: Uint8Array, from: UdpAddress) => void): Received {
    const { libc } = this;
    const count = libc.call.recvmmsg(this.fd, this.#messages.headers, MAX_MESSAGES, 0, null);
    if (count < 0) {
      const errno = libc.errno();
      if (errno === Errno.EAGAIN) return "nothing";
      if (PASSING_ERRORS.has(errno)) return "some";
      throw new Error(libc.errorText(errno));
    }
    for (let i = 0; i < count; i++) {
      const begin = i * DATAGRAM_BUFFER;
      const end = begin + this.#messages.receivedLength(i);
      const segment = this.#messages.receivedSegment(i) || DATAGRAM_BUFFER;
      const from = this.#sender(this.#messages.receivedName(i));
      this.#messages.expect(i);
      let at = begin;
      // A datagram may be empty.
      do {
        onDatagram(this.#buffer.subarray(at, Math.min(end, at + segment)), from);
        at += segment;
      } while (at < end);
    }
    return "some";
  }

  #sender(name: Uint8Array): UdpAddress {
    // Most datagrams come from whom the one before came from.
    if (this.#last !== undefined && isEqual(name, this.#lastName)) return this.#last;
    const read = readSockaddr(name);
    const key = `${read.hostname} ${read.port}`;
    let known = this.#senders.get(key);
    if (known === undefined) {
      if (this.#senders.size === MAX_SENDERS) this.#senders.clear();
      this.#senders.set(key, known = read);
    }
    this.#lastName.set(name);
    return this.#last = known;
  }
}

/** Linux tells ICMP errors of earlier sends here: they say nothing about the socket. */
const PASSING_ERRORS: ReadonlySet<number> = new Set([
  Errno.EINTR,
  Errno.ECONNREFUSED,
  Errno.ECONNRESET,
  Errno.EHOSTUNREACH,
]);

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
