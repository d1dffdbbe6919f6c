/**
 * The sending side of the fast UDP driver: datagrams are written one behind the other; those of one size to one peer
 * leave as a train that the kernel cuts (UDP GSO), and all trains in one `sendmmsg`.
 *
 * @module
 */

import { Errno, type Libc } from "./linux_libc.ts";
import { Messages } from "./linux_messages.ts";
import { SOCKADDR_LENGTH, writeSockaddr } from "./linux_sockaddr.ts";
import { DATAGRAM_BUFFER, type UdpAddress } from "./udp.ts";

/** Bytes written before they leave on their own: few enough to stay in the processor's cache. */
const ARENA = 256 * 1024;
/** Trains of one call. */
const MAX_TRAINS = 64;
/** Place of the entry for datagrams that leave alone after all. */
const SPARE = MAX_TRAINS;
/** Datagrams of one train: what Linux takes since 4.18. */
const MAX_TRAIN_DATAGRAMS = 64;
/** Bytes of one train: less than the 65,487 that fit behind the headers of IPv6. */
const MAX_TRAIN_BYTES = 65_000;
/** Destinations remembered. */
const MAX_DESTINATIONS = 4096;

/** What `sendmsg` says when it does not cut. */
const CUTTING_ERRORS: ReadonlySet<number> = new Set([
  Errno.EINVAL,
  Errno.EIO,
  Errno.EMSGSIZE,
  Errno.EOPNOTSUPP,
]);

/** Where datagrams go, as the system wants it. */
interface Destination {
  readonly address: UdpAddress;
  readonly name: Uint8Array;
  readonly nameLength: number;
  /** Whether the runtime permits it. */
  readonly allowed: boolean;
}

/** Datagrams of `size` bytes, the last perhaps shorter, in a row. */
interface Train {
  readonly to: Destination;
  readonly offset: number;
  readonly size: number;
  length: number;
  count: number;
}

/** What a sender needs of its socket. */
export interface LinuxSenderOwner {
  /** Whether datagrams to `to` are permitted; asked once for each. */
  isAllowed(to: UdpAddress): boolean;
  /** The path does not take datagrams of `length` bytes. */
  onTooBig(length: number, to: UdpAddress): void;
  /** The socket takes no more for now: {@linkcode LinuxSender.resume} is to be called when it does. */
  onBlocked(): void;
}

/** Sends through one socket. */
export class LinuxSender {
  readonly #arena = new Uint8Array(ARENA + DATAGRAM_BUFFER);
  readonly #messages = new Messages(MAX_TRAINS + 1, this.#arena);
  readonly #destinations = new Map<string, Destination>();
  #last: Destination | undefined;
  #trains: Train[] = [];
  #at = 0;
  /** Whether the kernel cuts trains. */
  #cuts = true;
  #blocked = false;
  #starved = false;

  constructor(readonly libc: Libc, readonly fd: number, readonly owner: LinuxSenderOwner) {}

  /** Whether datagrams wait for the socket. */
  get isBlocked(): boolean {
    return this.#blocked;
  }

  /** See `UdpSocket.acquire`. */
  acquire(): Uint8Array | undefined {
    if (this.#at > ARENA || this.#trains.length === MAX_TRAINS) this.flush();
    this.#starved = this.#blocked;
    return this.#blocked ? undefined : this.#arena.subarray(this.#at, this.#at + DATAGRAM_BUFFER);
  }

  /** Takes the datagram that was written to the buffer acquired last. */
  send(length: number, to: UdpAddress): void {
    const destination = this.#destination(to);
    if (!destination.allowed) return;
    const offset = this.#at;
    this.#at += length;
    const train = this.#trains.at(-1);
    const fits = train !== undefined && this.#cuts && train.to.name === destination.name &&
      length <= train.size &&
      train.length === train.count * train.size && train.count < MAX_TRAIN_DATAGRAMS &&
      train.length + length <= MAX_TRAIN_BYTES && length > 0;
    if (!fits) {
      this.#trains.push({ to: destination, offset, size: length, length, count: 1 });
      return;
    }
    train.length += length;
    train.count++;
  }

  /** Hands over what is there. */
  flush(): void {
    if (this.#trains.length === 0 || this.#blocked) return;
    const sent = this.#transmit(this.#trains);
    if (sent < this.#trains.length) {
      this.#trains.splice(0, sent);
      this.#blocked = true;
      this.owner.onBlocked();
      return;
    }
    this.#trains.length = 0;
    this.#at = 0;
  }

  /** The socket takes more. Whether somebody waits for a buffer. */
  resume(): boolean {
    this.#blocked = false;
    this.flush();
    const isWanted = this.#starved && !this.#blocked;
    if (isWanted) this.#starved = false;
    return isWanted;
  }

  /** Sends trains; how many are done with, sent or lost. Fewer than all: the socket's buffer is full. */
  #transmit(trains: readonly Train[]): number {
    trains.forEach((train, i) => {
      this.#messages.point(i, train.offset, train.length);
      this.#messages.address(i, train.to.name, train.to.nameLength, train.count > 1 ? train.size : 0);
    });
    const { libc, fd } = this;
    let done = 0;
    while (done < trains.length) {
      const sent = libc.call.sendmmsg(fd, this.#messages.from(done), trains.length - done, 0);
      if (sent > 0) {
        done += sent;
        continue;
      }
      const errno = libc.errno();
      if (errno === Errno.EAGAIN) break;
      if (errno === Errno.EINTR) continue;
      this.#onError(errno, trains[done++]);
    }
    return done;
  }

  /** A train did not leave. */
  #onError(errno: number, train: Train): void {
    if (train.count > 1 && CUTTING_ERRORS.has(errno)) {
      // The kernel or the network device cannot cut, unless it is the path that does not take the size.
      if (!this.#sendSingly(train)) this.#cuts = false;
    } else if (train.count === 1 && errno === Errno.EMSGSIZE) {
      this.owner.onTooBig(train.length, train.to.address);
    }
    // Anything else is a packet lost, which recovery handles: unreachable hosts, full queues, firewalls.
  }

  /** Sends the datagrams of a train one by one. Whether the path refused the size of any. */
  #sendSingly({ to, offset, size, length }: Train): boolean {
    const { libc, fd } = this;
    let isTooBig = false;
    this.#messages.address(SPARE, to.name, to.nameLength, 0);
    for (let at = 0; at < length; at += size) {
      const single = Math.min(size, length - at);
      this.#messages.point(SPARE, offset + at, single);
      if (libc.call.sendmmsg(fd, this.#messages.from(SPARE), 1, 0) > 0) continue;
      if (libc.errno() !== Errno.EMSGSIZE) continue;
      isTooBig = true;
      this.owner.onTooBig(single, to.address);
    }
    return isTooBig;
  }

  #destination(address: UdpAddress): Destination {
    // Sessions give the same object again and again.
    if (this.#last?.address === address) return this.#last;
    const key = `${address.hostname} ${address.port}`;
    let found = this.#destinations.get(key);
    if (found === undefined) {
      const name = new Uint8Array(SOCKADDR_LENGTH);
      const nameLength = writeSockaddr(name, address);
      found = { address, name, nameLength, allowed: this.owner.isAllowed(address) };
      if (this.#destinations.size === MAX_DESTINATIONS) this.#destinations.clear();
      this.#destinations.set(key, found);
    }
    return this.#last = found.address === address ? found : { ...found, address };
  }
}
