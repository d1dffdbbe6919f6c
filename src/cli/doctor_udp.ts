/**
 * Ceilings of UDP: datagrams from one socket to another on loopback, for each driver.
 *
 * @module
 */

import { udpDrivers } from "#udp";
import { PermissionDeniedError } from "../errors.ts";
import { permissions } from "#permissions";
import type { UdpDriver, UdpSocket } from "../runtime/udp.ts";
import type { Ceiling, Skipped } from "./doctor_report.ts";

/** Where the sockets are. */
export const LOOPBACK = "127.0.0.1";
/** Datagrams of the Internet, of a network with jumbo frames, of loopback. */
const DATAGRAM_SIZES = [1_452, 8_900, 61_440];
/** Before and while it is counted, ms. */
const WARM_UP = 40;
const TIME = 120;
/** Of the receiver's queue that much is filled at once: the system counts its own overhead in it, up to as much again. */
const QUEUE_SHARE = 0.5;
/** Datagrams under way at once, at most and at least. */
const MAX_WINDOW = 256;
const MIN_WINDOW = 2;
/** After so long without an arrival what is under way is lost, ms. */
const LOSS_TIME = 10;

/** The flag that sockets on loopback need; `undefined` when they are permitted. */
export function missingNetworkFlag(): string | undefined {
  return permissions.mayUseNetwork(LOOPBACK, 0)
    ? undefined
    : permissions.networkFlag(LOOPBACK, 0).replace(/:0$/, "");
}

/** What was measured, and how large a queue the system grants each driver. */
export interface UdpFindings {
  readonly ceilings: Ceiling[];
  readonly skipped: Skipped[];
  /** Bytes that the system queues for a socket, by driver. */
  readonly receiveBuffers: Readonly<Record<string, number>>;
}

/** Measures every driver that can be used here. */
export async function measureUdp(): Promise<UdpFindings> {
  const ceilings: Ceiling[] = [];
  const skipped: Skipped[] = [];
  const receiveBuffers: Record<string, number> = {};
  for (const driver of udpDrivers()) {
    const { name, missing } = driver;
    if (missing !== undefined) {
      skipped.push({ what: `UDP through ${name}`, reason: missing, isFaster: ceilings.length === 0 });
      continue;
    }
    try {
      for (const size of DATAGRAM_SIZES) {
        const { perSecond, receiveBuffer } = await measureDriver(driver, size);
        receiveBuffers[name] = receiveBuffer;
        ceilings.push({ resource: "udp", action: "send", driver: name, size, perSecond });
      }
    } catch (error) {
      const flag = error instanceof PermissionDeniedError ? missingNetworkFlag() : undefined;
      const reason = flag === undefined ? (error as Error).message : `run with ${flag}`;
      skipped.push({ what: `UDP through ${name}`, reason, isFaster: false });
    }
  }
  return { ceilings, skipped, receiveBuffers };
}

async function measureDriver(
  driver: UdpDriver,
  size: number,
): Promise<{ perSecond: number; receiveBuffer: number }> {
  const from = await driver.bind(LOOPBACK, 0);
  try {
    const to = await driver.bind(LOOPBACK, 0);
    try {
      const stream = new DatagramStream(from, to, size);
      await pause(WARM_UP);
      const [received, begin] = [stream.received, performance.now()];
      await pause(TIME);
      const perSecond = (stream.received - received) * 1000 / (performance.now() - begin);
      stream.stop();
      return { perSecond, receiveBuffer: to.receiveBuffer };
    } finally {
      await to.close();
    }
  } finally {
    await from.close();
  }
}

/** Keeps as many datagrams under way as the receiver's queue takes. */
class DatagramStream {
  received = 0;
  readonly #window: number;
  readonly #timer: ReturnType<typeof setInterval>;
  #underWay = 0;
  #receivedBefore = 0;
  #stopped = false;

  constructor(readonly from: UdpSocket, readonly to: UdpSocket, readonly size: number) {
    const fits = Math.floor(to.receiveBuffer * QUEUE_SHARE / size);
    this.#window = Math.max(MIN_WINDOW, Math.min(MAX_WINDOW, fits));
    const ignore = { onDrain() {}, onTooBig() {}, onFailure() {} };
    to.start({
      ...ignore,
      onDatagram: () => {
        this.received++;
        this.#underWay = Math.max(0, this.#underWay - 1);
      },
      onBatchEnd: () => this.#send(),
    });
    from.start({ ...ignore, onDatagram() {}, onBatchEnd() {}, onDrain: () => this.#send() });
    this.#timer = setInterval(() => this.#forgetLost(), LOSS_TIME);
    this.#send();
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
  }

  #send(): void {
    if (this.#stopped) return;
    while (this.#underWay < this.#window) {
      const buffer = this.from.acquire();
      if (buffer === undefined) break;
      this.from.send(buffer, this.size, this.to.address);
      this.#underWay++;
    }
    this.from.flush();
  }

  #forgetLost(): void {
    if (this.received === this.#receivedBefore) this.#underWay = 0;
    this.#receivedBefore = this.received;
    this.#send();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
