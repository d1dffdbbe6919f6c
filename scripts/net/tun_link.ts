/**
 * A link between two tunnel devices, for kernels without netem: what is sent into one comes out of the other after a
 * delay, or not at all. Makes the devices, says so in a line of JSON, and runs until these are gone; whoever started it
 * moves each device into its network namespace. Arguments: both names, delay one way in milliseconds, share lost.
 *
 * @module
 */

import { seeded } from "../../tests/support/seeded.ts";

const O_RDWR = 2;
const O_NONBLOCK = 0x800;
const TUNSETIFF = 0x400454ca;
/** Packets without a header of the driver's own. */
const IFF_TUN_NO_PI = 0x1001;
const POLLIN = 1;
/** What `poll` says of a device that is gone. */
const POLLGONE = 0x38;
/** Packets that wait on a link; more would be a queue of seconds at any rate that these tests reach. */
const MAX_QUEUED = 20_000;

const libc = Deno.dlopen("libc.so.6", {
  open: { parameters: ["buffer", "i32"], result: "i32" },
  ioctl: { parameters: ["i32", "u64", "buffer"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  poll: { parameters: ["buffer", "u64", "i32"], result: "i32", nonblocking: true },
}).symbols;

interface Packet {
  readonly at: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** One direction. */
class Direction {
  readonly #queue: Packet[] = [];
  readonly #buffer = new Uint8Array(65_536);

  constructor(
    readonly from: number,
    readonly to: number,
    readonly delay: number,
    readonly loss: number,
    readonly random: () => number,
  ) {}

  /** When the next packet comes out. */
  get next(): number {
    return this.#queue[0]?.at ?? Infinity;
  }

  /** Takes what was sent. */
  take(now: number): void {
    for (;;) {
      const length = Number(libc.read(this.from, this.#buffer, BigInt(this.#buffer.length)));
      if (length <= 0) return;
      if (this.random() < this.loss || this.#queue.length >= MAX_QUEUED) continue;
      this.#queue.push({ at: now + this.delay, bytes: this.#buffer.slice(0, length) });
    }
  }

  /** Lets out what has been under way for long enough. */
  deliver(now: number): void {
    while (this.next <= now) {
      const { bytes } = this.#queue.shift()!;
      libc.write(this.to, bytes, BigInt(bytes.length));
    }
  }
}

function openDevice(name: string): number {
  const device = libc.open(new TextEncoder().encode("/dev/net/tun\0"), O_RDWR | O_NONBLOCK);
  const request = new Uint8Array(40);
  request.set(new TextEncoder().encode(name));
  new DataView(request.buffer).setUint16(16, IFF_TUN_NO_PI, true);
  if (device < 0 || libc.ioctl(device, BigInt(TUNSETIFF), request) < 0) {
    throw new Error(`Make tunnel device: "${name}" is refused, want root and /dev/net/tun`);
  }
  return device;
}

const [nameA, nameB] = Deno.args;
const [delay, loss] = Deno.args.slice(2).map(Number);
const [a, b] = [openDevice(nameA), openDevice(nameB)];
const random = seeded(1);
const directions = [new Direction(a, b, delay, loss, random), new Direction(b, a, delay, loss, random)];
console.log(JSON.stringify({ ready: true }));

const fds = new Uint8Array(16);
const view = new DataView(fds.buffer);
for (const [i, device] of [a, b].entries()) {
  view.setInt32(8 * i, device, true);
  view.setInt16(8 * i + 4, POLLIN, true);
}
for (;;) {
  const next = Math.min(...directions.map((direction) => direction.next));
  const wait = Math.min(1_000, Math.max(0, Math.ceil(next - performance.now())));
  await libc.poll(fds, 2n, wait);
  // The namespaces were taken down, and the devices with them.
  if (((view.getInt16(6, true) | view.getInt16(14, true)) & POLLGONE) !== 0) Deno.exit(0);
  for (const direction of directions) direction.take(performance.now());
  for (const direction of directions) direction.deliver(performance.now());
}
