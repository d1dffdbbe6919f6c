/**
 * Processes that are killed in the middle of a fetch and started again, on the other runtime or the same. A relay between
 * the two falls silent at a certain byte, so that nobody is done when somebody is killed.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { createSocket } from "node:dgram";
import { join } from "node:path";
import { BEAT_TIMEOUT } from "../../src/runtime/lock_holder.ts";
import { decodeTicket, encodeTicket } from "../../src/wire/ticket.ts";
import { UdpRelay } from "../support/relay.ts";
import { withTempDir } from "../support/temp.ts";
import { compareTrees, makeSeedTree, makeTree, namesIn, pattern } from "../support/tree.ts";
import { deno, fetch, node, pairs, permissions, type Runtime, share } from "./programs.ts";

const MiB = 1024 * 1024;
/** Size of the tree, and how much of it has passed when somebody is killed. */
const FILES = 8;
const FILE_SIZE = 5 * MiB;
const PASSED = 16 * MiB;

/** A loopback port that was free a moment ago. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createSocket("udp4").once("error", reject);
    socket.bind(0, "127.0.0.1", () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}

/** Makes the locks that killed processes left below `parent` as old as they are after a while. */
function outlive(parent: string): void {
  const past = new Date(Date.now() - 2 * BEAT_TIMEOUT);
  for (const name of namesIn(parent)) {
    if (name.startsWith(".dest.fetch_")) utimesSync(join(parent, name, "lock"), past, past);
  }
}

/** What a test gets: a tree, a holder of it that can come back, and the ticket to it through the relay. */
interface Scene {
  readonly from: string;
  readonly to: string;
  readonly relay: UdpRelay;
  readonly ticket: string;
  /** Kills the holder and starts it again, with the same key, port and content. */
  restart(runtime: Runtime): Promise<void>;
}

/** Makes the tree and shares it on `runtime`. */
function withShare(runtime: Runtime, work: (scene: Scene) => Promise<void>): Promise<void> {
  return withTempDir(async (dir) => {
    const [from, to, key] = ["from", "to", "node.key"].map((name) => join(dir, name));
    makeSeedTree(from, 20, { links: false });
    for (let i = 0; i < FILES; i++) writeFileSync(join(from, `big${i}.bin`), pattern(FILE_SIZE, i));
    mkdirSync(to);
    await using making = runtime.start(
      [`--allow-read=${dir}`, `--allow-write=${dir}`],
      "src/cli/mod.ts",
      "key",
      key,
    );
    assert.equal((await making.ended).code, 0);

    const port = await freePort();
    const start = (runtime: Runtime) => share(runtime, from, { key, listen: `127.0.0.1:${port}` });
    let { program, shared } = await start(runtime);
    const relay = await UdpRelay.start(port);
    try {
      const ticket = encodeTicket({ ...decodeTicket(shared.ticket), addresses: [relay.address] });
      const restart = async (runtime: Runtime) => {
        await program.kill();
        const again = await start(runtime);
        program = again.program;
        assert.equal(again.shared.ticket, shared.ticket);
      };
      await work({ from, to, relay, ticket, restart });
    } finally {
      await program[Symbol.asyncDispose]();
      await relay.close();
    }
  });
}

for (const [first, fetching] of pairs) {
  for (const second of [deno, node]) {
    Deno.test(
      `cross: ${first.name} shares and is killed, ${second.name} shares again, ${fetching.name} goes on`,
      { permissions },
      () =>
        withShare(first, async ({ from, to, relay, ticket, restart }) => {
          const cut = relay.cutAfter(PASSED);
          await using fetcher = fetch(fetching, ticket, to);
          await cut;
          assert(!existsSync(join(to, "dest")));
          await restart(second);
          relay.isDead = false;
          const { fetchedBytes } = await fetcher.finish();
          assert(Number(fetchedBytes) >= FILES * FILE_SIZE);
          compareTrees(join(to, "dest"), from);
          assert.deepEqual(namesIn(to), ["dest"]);
        }),
    );
  }
}

for (const [first, second] of pairs) {
  for (const sharing of [deno, node]) {
    Deno.test(
      `cross: ${sharing.name} shares, ${first.name} fetches and is killed, ${second.name} fetches the rest`,
      { permissions },
      () =>
        withShare(sharing, async ({ from, to, relay, ticket }) => {
          const dest = join(to, "dest");
          const old = { files: { "keep.txt": "kept", "run.sh": ["old", 0o700] } } as const;
          makeTree(dest, old);
          makeTree(join(to, "old"), old);
          const cut = relay.cutAfter(PASSED);
          await using killed = fetch(first, ticket, to);
          await cut;
          await killed.kill();
          assert.equal((await killed.ended).signal, "SIGKILL");
          compareTrees(dest, join(to, "old"));
          // Deno may not ask whether Node's process lives, and waits until it has not been heard of for a while.
          outlive(to);

          relay.isDead = false;
          await using fetcher = fetch(second, ticket, to);
          const { resumed } = await fetcher.finish();
          assert.equal(resumed, true);
          compareTrees(dest, from);
          assert.deepEqual(namesIn(to), ["dest", "old"]);
        }),
    );
  }
}
