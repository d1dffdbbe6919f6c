/** The UDP drivers behind one interface, and what they say when they may not. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { SocketError } from "../../src/errors.ts";
import {
  MAX_PENDING_SENDS,
  type UdpAddress,
  type UdpHandlers,
  type UdpSocket,
} from "../../src/runtime/udp.ts";
import { bindUdp as bindDeno } from "../../src/runtime/udp_deno.ts";
import { bindUdp as bindNode } from "../../src/runtime/udp_node.ts";
import { tempDir, tempRoot } from "../support/temp.ts";

const permissions: Deno.PermissionOptions = { net: ["127.0.0.1", "[::1]"] };

/** Collects what a socket is told. */
class Collector implements UdpHandlers {
  readonly datagrams: { bytes: Uint8Array; from: UdpAddress }[] = [];
  readonly failures: Error[] = [];
  readonly tooBig: number[] = [];
  drains = 0;
  #wake: (() => void) | undefined;

  onDatagram(datagram: Uint8Array, from: UdpAddress): void {
    this.datagrams.push({ bytes: datagram.slice(), from });
    this.#wake?.();
  }
  onDrain(): void {
    this.drains++;
    this.#wake?.();
  }
  onTooBig(length: number): void {
    this.tooBig.push(length);
    this.#wake?.();
  }
  onFailure(error: Error): void {
    this.failures.push(error);
    this.#wake?.();
  }
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#wake = resolve);
  }
}

function send(socket: UdpSocket, bytes: Uint8Array, to: UdpAddress): void {
  const buffer = socket.acquire()!;
  buffer.set(bytes);
  socket.send(buffer, bytes.length, to);
}

const drivers = { "Deno.listenDatagram": bindDeno, "node:dgram": bindNode };
for (const [name, bind] of Object.entries(drivers)) {
  for (const host of ["127.0.0.1", "::1"]) {
    Deno.test(`udp, ${name}: datagrams of every size reach ${host}`, { permissions }, async () => {
      const [a, b] = [await bind(host, 0), await bind(host, 0)];
      assert.equal(a.driver, name);
      assert.equal(a.address.hostname, host);
      assert(a.address.port > 0);
      assert(a.receiveBuffer >= 128 * 1024);
      const [atA, atB] = [new Collector(), new Collector()];
      a.start(atA);
      b.start(atB);
      for (const size of [1, 1200, 1452, 16_384, 61_440]) {
        send(a, new Uint8Array(size).fill(size % 251), b.address);
        await atB.until(() => atB.datagrams.length > 0);
        const { bytes, from } = atB.datagrams.pop()!;
        assert.deepEqual(bytes, new Uint8Array(size).fill(size % 251));
        assert.equal(from.port, a.address.port);
        assert.equal(from.hostname, host);
        send(b, bytes.subarray(0, 1), from);
        await atA.until(() => atA.datagrams.length > 0);
        atA.datagrams.pop();
      }
      await Promise.all([a.close(), b.close()]);
      assert.deepEqual([...atA.failures, ...atB.failures], []);
    });
  }

  Deno.test(`udp, ${name}: buffers run out and come back`, { permissions }, async () => {
    const socket = await bind("127.0.0.1", 0);
    const collector = new Collector();
    socket.start(collector);
    const buffers = Array.from({ length: MAX_PENDING_SENDS }, () => socket.acquire()!);
    assert(buffers.every((buffer) => buffer.length >= 65_507));
    assert.equal(socket.acquire(), undefined);
    socket.release(buffers.pop()!);
    buffers.push(socket.acquire()!);
    assert.equal(socket.acquire(), undefined);
    assert.equal(collector.drains, 0);
    for (const buffer of buffers) socket.send(buffer, 10, socket.address);
    await collector.until(() => collector.drains === 1);
    await collector.until(() => collector.datagrams.length === MAX_PENDING_SENDS);
    await socket.close();
    assert.equal(collector.drains, 1);
  });

  Deno.test(`udp, ${name}: a peer that is not there is no failure`, { permissions }, async () => {
    const gone = await bind("127.0.0.1", 0);
    const { address } = gone;
    await gone.close();
    const [socket, other] = [await bind("127.0.0.1", 0), await bind("127.0.0.1", 0)];
    const collector = new Collector();
    socket.start(collector);
    for (let i = 0; i < 5; i++) send(socket, new Uint8Array(10), address);
    send(other, new Uint8Array([1]), socket.address);
    await collector.until(() => collector.datagrams.length === 1);
    assert.deepEqual(collector.failures, []);
    await Promise.all([socket.close(), other.close()]);
  });

  Deno.test(`udp, ${name}: a datagram too big for the path is told`, { permissions }, async () => {
    const socket = await bind("127.0.0.1", 0);
    const collector = new Collector();
    socket.start(collector);
    const buffer = socket.acquire()!;
    socket.send(buffer, 65_520, socket.address);
    await collector.until(() => collector.tooBig.length === 1);
    assert.deepEqual(collector.tooBig, [65_520]);
    await socket.close();
  });

  Deno.test(
    `udp, ${name}: what was sent before close still leaves; close twice is once`,
    { permissions },
    async () => {
      const [a, b] = [await bind("127.0.0.1", 0), await bind("127.0.0.1", 0)];
      const collector = new Collector();
      a.start(new Collector());
      b.start(collector);
      for (let i = 0; i < 10; i++) send(a, new Uint8Array([i]), b.address);
      await Promise.all([a.close(), a.close()]);
      await collector.until(() => collector.datagrams.length === 10);
      await b.close();
    },
  );

  Deno.test(`udp, ${name}: an address in use is SocketError`, {
    permissions,
  }, async () => {
    const socket = await bind("127.0.0.1", 0);
    await assert.rejects(bind("127.0.0.1", socket.address.port), (error: SocketError) => {
      assert(error instanceof SocketError);
      assert.match(error.message, new RegExp(`^Bind UDP socket at 127.0.0.1:${socket.address.port}: `));
      return true;
    });
    await socket.close();
  });
}

/** Writes the project's configuration without its unstable features to `folder`, with paths that hold from there. */
function stableConfig(folder: string): string {
  const root = new URL("../../", import.meta.url);
  const config = JSON.parse(readFileSync(new URL("deno.json", root), "utf8"));
  for (const [name, target] of Object.entries<string>(config.imports)) {
    if (target.startsWith(".")) config.imports[name] = new URL(target, root).href;
  }
  const path = join(folder, "deno.json");
  writeFileSync(path, JSON.stringify({ imports: config.imports, nodeModulesDir: config.nodeModulesDir }));
  return path;
}

/** Runs the script with two nodes and just these flags. */
async function run(flags: string[], args: string[] = []): Promise<{ code: number; text: string }> {
  using folder = tempDir();
  const script = fileURLToPath(new URL("two_nodes_script.ts", import.meta.url));
  const config = ["--config", stableConfig(folder.path), "--no-lock", "--cached-only"];
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", ...config, ...flags, script, ...args],
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  return { code, text: decoder.decode(stdout) + decoder.decode(stderr) };
}

const runs: Deno.PermissionOptions = { run: true, read: true, write: [tempRoot] };

Deno.test(
  "udp: without --unstable-net node:dgram carries the whole transfer",
  { permissions: runs },
  async () => {
    const { code, text } = await run(["--allow-net=127.0.0.1"]);
    assert.equal(code, 0, text);
    assert.match(text, /node:dgram 3000000 bytes/);
    const fast = await run(["--allow-net=127.0.0.1", "--unstable-net"]);
    assert.equal(fast.code, 0, fast.text);
    assert.match(fast.text, /Deno.listenDatagram 3000000 bytes/);
  },
);

Deno.test("udp: a missing permission is an error that names the flag", { permissions: runs }, async () => {
  for (const unstable of [[], ["--unstable-net"]]) {
    const bind = await run(unstable, ["bind"]);
    assert.equal(bind.code, 3, bind.text);
    assert.match(
      bind.text,
      /PermissionDeniedError: Bind UDP socket at 127\.0\.0\.1:0: .* --allow-net=127\.0\.0\.1:0/,
    );
    const connect = await run(["--allow-net=127.0.0.1", ...unstable], ["connect"]);
    assert.equal(connect.code, 3, connect.text);
    assert.match(connect.text, /PermissionDeniedError: Connect: .* --allow-net=192\.0\.2\.7:4000/);
  }
});
