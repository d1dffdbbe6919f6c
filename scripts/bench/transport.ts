/**
 * The transport alone: two processes on loopback, one stream, bytes from memory to nowhere. Prints seconds, CPU seconds
 * and peak memory of both sides. Runs under Deno and, compiled, under Node.
 *
 * Usage: `transport.ts [--mib 1024] [--size 61440] [--runs 3] [--profile folder] [--flags "flags of deno run"]`
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { MeshNode } from "../../mod.ts";
import type { TransportOptions } from "../../src/mesh/mod.ts";

const MIB = 2 ** 20;
/** Bytes of one write. */
const PIECE = 256 * 1024;
const PSK = new Uint8Array(32).fill(5);
const LISTEN = "127.0.0.1:0";

/** What a process tells of itself at its end. */
interface Report {
  readonly driver: string;
  readonly ms?: number;
  readonly cpu: number;
  readonly lost: number;
  readonly sent: number;
}

function option(name: string, fallback: string): string {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : process.argv[at + 1];
}

function transport(): Partial<TransportOptions> {
  return { maxDatagramSize: Number(option("size", "61440")) };
}

function report(node: MeshNode, ms?: number): void {
  const { user, system } = process.cpuUsage();
  const { counters, driver } = node.metrics();
  const [lost, sent] = [counters.packetsLost, counters.datagramsSent];
  const told: Report = { driver, ms, cpu: (user + system) / 1e6, lost, sent };
  console.log(JSON.stringify(told));
  process.stdin.resume();
}

async function send(): Promise<void> {
  const node = await MeshNode.start({ psk: PSK, listen: LISTEN, transport: transport() });
  const sessions = node.incoming();
  console.log(JSON.stringify({ id: [...node.id], addresses: node.addresses }));
  const session = (await sessions.next()).value!;
  const { transport: stream } = (await session.streams().next()).value!;
  let left = Number(option("mib", "1024")) * MIB;
  const piece = new Uint8Array(PIECE).fill(7);
  const pump = () => {
    while (left > 0 && stream.writable) {
      stream.write(piece);
      left -= PIECE;
    }
    if (left === 0) stream.finish();
  };
  stream.onWritable = pump;
  pump();
  await session.closed;
  report(node);
  process.stdin.once("end", () => void node.close());
}

async function receive(): Promise<void> {
  const node = await MeshNode.start({ psk: PSK, listen: LISTEN, transport: transport() });
  const peer = JSON.parse(option("peer", ""));
  const session = await node.connect({ id: new Uint8Array(peer.id), addresses: peer.addresses });
  const begin = performance.now();
  const { transport: stream } = await session.openStream();
  stream.finish();
  let received = 0;
  await new Promise<void>((resolve) => {
    stream.onReadable = () => {
      for (let piece = stream.readView(); piece !== undefined; piece = stream.readView()) {
        received += piece.length;
      }
      if (stream.ended) resolve();
    };
  });
  const ms = performance.now() - begin;
  if (received !== Number(option("mib", "1024")) * MIB) throw new Error(`received ${received} bytes`);
  await session.close();
  report(node, ms);
  process.stdin.once("end", () => void node.close());
}

/** This script in another role, as a process of its own. */
class Side {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(role: string, ...args: readonly string[]) {
    const options = process.argv.slice(2);
    const folder = option("profile", "");
    const profile = folder === "" ? [] : [
      "--cpu-prof",
      `--cpu-prof-dir=${folder}`,
      `--cpu-prof-name=${role}.cpuprofile`,
    ];
    const flags = "Deno" in globalThis ? ["run", ...option("flags", "-A --unstable-net").split(" ")] : [];
    const script = fileURLToPath(import.meta.url);
    this.#child = spawn(
      process.execPath,
      [...flags, ...profile, script, "--role", role, ...options, ...args],
      {
        stdio: ["pipe", "pipe", "inherit"],
      },
    );
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  /** Its next line. */
  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error("the process ended early");
    return value;
  }

  /** Most memory that it had at once, MiB. */
  get peak(): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, "utf8");
    return Number(/VmHWM:\s*(\d+)/.exec(status)![1]) / 1024;
  }

  /** Waits a second for its end, then brings it about. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    this.#child.stdin!.end();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 1000);
    await new Promise((resolve) => this.#child.once("exit", resolve));
    clearTimeout(timer);
  }

  /** What it tells at its end. */
  async report(): Promise<Report & { readonly peak: number }> {
    const report: Report = JSON.parse(await this.line());
    return { ...report, peak: this.peak };
  }
}

/** One transfer between two new processes. */
async function run(mib: number): Promise<void> {
  const sides = [new Side("send")];
  try {
    const receiver = new Side("receive", "--peer", await sides[0].line());
    sides.push(receiver);
    const received = await receiver.report();
    const sent = await sides[0].report();
    const seconds = received.ms! / 1000;
    console.log(
      `${received.driver}: ${seconds.toFixed(2)} s, ${(mib / seconds).toFixed(0)} MiB/s, ` +
        `CPU ${sent.cpu.toFixed(2)} + ${received.cpu.toFixed(2)} s, ` +
        `peak ${sent.peak.toFixed(0)} / ${received.peak.toFixed(0)} MiB, ` +
        `lost ${sent.lost} of ${sent.sent}, acknowledgements ${received.sent}`,
    );
  } finally {
    for (const side of sides) await side.end();
  }
}

async function main(): Promise<void> {
  for (let i = 0; i < Number(option("runs", "3")); i++) await run(Number(option("mib", "1024")));
}

const roles: Record<string, () => Promise<void>> = { send, receive };
await (roles[option("role", "")] ?? main)();
