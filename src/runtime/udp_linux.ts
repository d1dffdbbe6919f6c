/**
 * UDP on Linux through the C library, in Deno under `--allow-ffi`: many datagrams per system call, and large kernel
 * buffers. Ten times as many datagrams a second as `Deno.listenDatagram`.
 *
 * @module
 */

import { SocketError } from "../errors.ts";
import { nextTurn } from "./host.ts";
import { type Libc, loadLibc } from "./linux_libc.ts";
import { SOL_UDP, UDP_GRO } from "./linux_messages.ts";
import { LinuxReceiver } from "./linux_receive.ts";
import { LinuxSender } from "./linux_send.ts";
import { AF_INET, AF_INET6, readSockaddr, SOCKADDR_LENGTH, writeSockaddr } from "./linux_sockaddr.ts";
import { log } from "./logging.ts";
import { permissions } from "./permissions_deno.ts";
import { DEFAULT_RECEIVE_BUFFER, type UdpAddress, type UdpHandlers, type UdpSocket } from "./udp.ts";

/** `SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC`. */
const SOCKET_TYPE = 2 | 0o4000 | 0o2000000;
/** `EFD_NONBLOCK | EFD_CLOEXEC`. */
const EVENT_FLAGS = 0o4000 | 0o2000000;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_RCVBUFFORCE = 33;
/** `IPPROTO_IP`, `IP_MTU_DISCOVER` and their counterparts of IPv6. */
const MTU_DISCOVERY = { [AF_INET]: { level: 0, option: 10 }, [AF_INET6]: { level: 41, option: 23 } } as const;
/** `IP_PMTUDISC_PROBE`: never fragment, the sizes are ours to find out (RFC 8899). */
const PROBE = 3;
const POLLIN = 1;
const POLLOUT = 4;
/** Bytes of two `pollfd`. */
const POLL_LENGTH = 16;
/** A wait is begun anew after this time, milliseconds: the thread of one that nobody minds any more ends. */
const POLL_TIMEOUT = 10_000;

/** Asked of the system; Linux grants up to `net.core.rmem_max`, more to the superuser. */
const WANTED_BUFFER = 4 * 1024 * 1024;
/** Told to peers at most: more in flight makes a transfer no faster, and costs its sender 25 MiB of memory. */
const TOLD_BUFFER = 1024 * 1024;

/**
 * Binds a socket that the runtime permits; `undefined` when the C library cannot be used. Throws `SocketError` when the
 * system does not let it.
 *
 * @param libc another C library than the system's, for tests.
 */
export function bindLinuxUdp(
  hostname: string,
  port: number,
  libc: Libc | undefined = loadLibc(),
): UdpSocket | undefined {
  if (libc === undefined) return undefined;
  const { call } = libc;
  const family = hostname.includes(":") ? AF_INET6 : AF_INET;
  const fail = (): never => {
    const reason = libc.errorText(libc.errno());
    if (fd >= 0) call.close(fd);
    throw new SocketError(`Bind UDP socket at ${hostname}:${port}: ${reason}`);
  };
  const fd = call.socket(family, SOCKET_TYPE, 0);
  if (fd < 0) fail();
  const name = new Uint8Array(new ArrayBuffer(SOCKADDR_LENGTH));
  if (call.bind(fd, name, writeSockaddr(name, { hostname, port })) < 0) fail();
  if (call.getsockname(fd, name, number(SOCKADDR_LENGTH)) < 0) fail();
  const wake = call.eventfd(0, EVENT_FLAGS);
  if (wake < 0) fail();
  // Each of these is asked for; where the kernel does not know it the socket works without.
  const set = (level: number, option: number, value: number) =>
    call.setsockopt(fd, level, option, number(value), 4) === 0;
  set(MTU_DISCOVERY[family].level, MTU_DISCOVERY[family].option, PROBE);
  set(SOL_UDP, UDP_GRO, 1);
  set(SOL_SOCKET, SO_SNDBUF, WANTED_BUFFER);
  if (!set(SOL_SOCKET, SO_RCVBUFFORCE, WANTED_BUFFER)) set(SOL_SOCKET, SO_RCVBUF, WANTED_BUFFER);
  const granted = number(0);
  call.getsockopt(fd, SOL_SOCKET, SO_RCVBUF, granted, number(4));
  // Linux reports twice what was asked for: the other half is its own overhead.
  const usable = new DataView(granted.buffer).getInt32(0, true) / 2;
  const receiveBuffer = Math.max(DEFAULT_RECEIVE_BUFFER, Math.min(TOLD_BUFFER, usable));
  return new LinuxUdpSocket(libc, fd, wake, readSockaddr(name), receiveBuffer);
}

/** An `int` in memory. */
function number(value: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(new ArrayBuffer(8));
  new DataView(bytes.buffer).setInt32(0, value, true);
  return bytes;
}

class LinuxUdpSocket implements UdpSocket {
  readonly driver = "Linux FFI";
  readonly #libc: Libc;
  readonly #fd: number;
  /** An `eventfd` that ends a wait. */
  readonly #wake: number;
  readonly #sender: LinuxSender;
  #handlers: UdpHandlers | undefined;
  #closing = false;
  #receiving: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor(
    libc: Libc,
    fd: number,
    wake: number,
    readonly address: UdpAddress,
    readonly receiveBuffer: number,
  ) {
    this.#libc = libc;
    this.#fd = fd;
    this.#wake = wake;
    this.#sender = new LinuxSender(libc, fd, {
      isAllowed,
      onTooBig: (length, to) => this.#handlers?.onTooBig(length, to),
      onBlocked: () => this.#endWait(),
    });
  }

  start(handlers: UdpHandlers): void {
    this.#handlers = handlers;
    this.#receiving = this.#receive(handlers);
  }

  acquire(): Uint8Array | undefined {
    return this.#sender.acquire();
  }

  release(): void {
    // It was not taken out of anything.
  }

  send(_buffer: Uint8Array, length: number, to: UdpAddress): void {
    this.#sender.send(length, to);
  }

  flush(): void {
    this.#sender.flush();
  }

  close(): Promise<void> {
    return this.#closed ??= this.#close();
  }

  async #close(): Promise<void> {
    this.#sender.flush();
    this.#closing = true;
    this.#endWait();
    await this.#receiving;
    this.#libc.call.close(this.#fd);
    this.#libc.call.close(this.#wake);
  }

  #endWait(): void {
    this.#libc.call.eventfd_write(this.#wake, 1n);
  }

  async #receive(handlers: UdpHandlers): Promise<void> {
    const receiver = new LinuxReceiver(this.#libc, this.#fd);
    const wait = new Wait(this.#libc, this.#fd, this.#wake);
    const onDatagram = (datagram: Uint8Array, from: UdpAddress) => handlers.onDatagram(datagram, from);
    try {
      // What waits to be sent leaves before the socket closes.
      while (!this.#closing || this.#sender.isBlocked) {
        if (this.#closing || receiver.receive(onDatagram) === "nothing") {
          const events = await wait.until(
            (this.#closing ? 0 : POLLIN) | (this.#sender.isBlocked ? POLLOUT : 0),
          );
          if ((events & POLLOUT) !== 0 && this.#sender.resume()) handlers.onDrain();
        } else {
          handlers.onBatchEnd();
          await nextTurn();
        }
      }
    } catch (error) {
      handlers.onFailure(error as Error);
    } finally {
      wait.free();
    }
  }
}

/** Waiting for a socket on another thread. */
class Wait {
  readonly #libc: Libc;
  /** Not on the JavaScript heap, for the thread may outlive it. */
  readonly #memory: Deno.PointerValue;
  readonly #words: Int16Array;
  readonly #wake: number;
  readonly #drained = new Uint8Array(new ArrayBuffer(8));

  constructor(libc: Libc, fd: number, wake: number) {
    this.#libc = libc;
    this.#wake = wake;
    this.#memory = libc.call.calloc(1n, BigInt(POLL_LENGTH));
    const memory = Deno.UnsafePointerView.getArrayBuffer(this.#memory!, POLL_LENGTH);
    new Int32Array(memory).set([fd, 0, wake, 0]);
    this.#words = new Int16Array(memory);
    this.#words[6] = POLLIN;
  }

  /** Resolves with those of `events` that are there, 0 when the wait was ended. */
  async until(events: number): Promise<number> {
    this.#words[2] = events;
    await this.#libc.call.poll(this.#memory, 2n, POLL_TIMEOUT);
    if (this.#words[7] !== 0) this.#libc.call.eventfd_read(this.#wake, this.#drained);
    return this.#words[3];
  }

  /** Gives the memory back; nothing waits any more. */
  free(): void {
    this.#libc.call.free(this.#memory);
  }
}

function isAllowed({ hostname, port }: UdpAddress): boolean {
  const host = hostname.split("%")[0];
  const allowed = permissions.mayUseNetwork(host, port);
  if (!allowed) {
    // As in the other drivers, whose runtime refuses the send: a packet lost. Connecting asks before it sends.
    log("udp", "warn", "Datagrams to {host} are dropped: run with {flag}", {
      host,
      flag: permissions.networkFlag(host, port),
    });
  }
  return allowed;
}
