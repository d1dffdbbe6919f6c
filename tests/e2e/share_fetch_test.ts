/** Sharing and fetching between processes, each with the least permissions. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decodeTicket, encodeTicket } from "../../src/wire/ticket.ts";
import { startNode, until } from "../mesh/nodes.ts";
import { isNode, ownFlag } from "../support/runtime.ts";
import { withTempDir } from "../support/temp.ts";
import { compareTrees, makeSeedTree, makeTree, namesIn, pattern } from "../support/tree.ts";
import { assertDone, fetch, hawser, NET, permissions, readWrite, RunningProcess, share } from "./command.ts";

const MiB = 1024 * 1024;

/** Makes `from` with a tree and an empty `to` in a temporary folder. */
function withFolders(
  make: (from: string) => void,
  work: (from: string, to: string, dir: string) => Promise<void>,
): Promise<void> {
  return withTempDir(async (dir) => {
    const [from, to] = [join(dir, "from"), join(dir, "to")];
    mkdirSync(from);
    mkdirSync(to);
    make(from);
    await work(from, to, dir);
  });
}

function makeSample(from: string): void {
  makeSeedTree(from, 20, { links: false });
  makeTree(from, {
    files: { "big.bin": pattern(9 * MiB, 3), "run.sh": ["#!/bin/sh\n", 0o755], "empty": "" },
    dirs: { "hollow/inside": 0o700 },
  });
}

/** Bytes that the staging folder of a fetch to `to`/dest holds. */
function stagedBytes(to: string): number {
  let bytes = 0;
  const visit = (path: string) => {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      const inner = join(path, entry.name);
      try {
        if (entry.isDirectory()) visit(inner);
        else bytes += statSync(inner).blocks * 512;
      } catch {
        // Gone this moment.
      }
    }
  };
  for (const name of readdirSync(to)) {
    if (name.startsWith(".dest.fetch_")) visit(join(to, name));
  }
  return bytes;
}

/** A loopback port that was free a moment ago. */
async function freePort(): Promise<number> {
  const node = await startNode();
  const port = Number(node.addresses[0].split(":")[1]);
  await node.close();
  return port;
}

Deno.test(
  "e2e: share --once, fetch by ticket, both end well and the trees are equal",
  { permissions },
  () =>
    withFolders(makeSample, async (from, to) => {
      const { process, shared } = await share(from, "--once");
      await using sharing = process;
      await using fetching = fetch(shared.ticket, to);
      const { stdout, stderr } = await assertDone(fetching);
      assert.equal(stderr, "");
      const stats = JSON.parse(stdout.trim().split("\n").at(-1)!);
      assert.equal(stats.installed, true);
      compareTrees(join(to, "dest"), from);
      assert.deepEqual(namesIn(to), ["dest"]);
      const { stdout: told } = await assertDone(sharing);
      assert.match(told, /"event":"fetched"/);
    }),
);

Deno.test(
  "e2e: without one of its permissions a fetch names it",
  { permissions },
  () =>
    withFolders(makeSample, async (from, to) => {
      const { process, shared } = await share(from);
      await using _sharing = process;
      const dest = join(to, "dest");
      const cases: [string[], string][] = [
        [[NET, `--allow-read=${to}`], `--allow-write=${to}`],
        [[NET, `--allow-write=${to}`], `--allow-read=${to}`],
        [readWrite(to), NET],
      ];
      // Node does not tell addresses apart, and older ones leave sockets alone.
      if (!isNode) cases.push([["--allow-net=127.0.0.1:1", ...readWrite(to)], NET]);
      await Promise.all(cases.map(async ([flags, missing]) => {
        if (ownFlag(missing) === "") return;
        await using fetching = hawser(flags, "fetch", shared.ticket, dest);
        const { code, stderr } = await fetching.ended;
        assert.equal(code, 1, stderr);
        assert(stderr.includes(ownFlag(missing)), stderr);
        assert.equal(stderr.trim().split("\n").length, 1, stderr);
      }));
      assert.deepEqual(namesIn(to), []);
      await using fetching = fetch(shared.ticket, to);
      await assertDone(fetching);
      compareTrees(dest, from);
    }),
);

Deno.test(
  "e2e: through a relay that drops 5 %, doubles 2 % and reorders 5 %",
  { permissions },
  () =>
    withFolders((from) => {
      makeSeedTree(from, 60, { links: false });
      writeFileSync(join(from, "big.bin"), pattern(20 * MiB, 5));
    }, async (from, to) => {
      const { process, shared } = await share(from);
      await using _sharing = process;
      const port = shared.addresses[0].split(":")[1];
      const script = new URL("relay_script.ts", import.meta.url).pathname;
      await using relay = new RunningProcess([
        NET,
        "--unstable-net",
        script,
        port,
        "0.05",
        "0.02",
        "0.05",
        "11",
      ]);
      const { address } = await relay.firstJson();
      const ticket = encodeTicket({ ...decodeTicket(shared.ticket), addresses: [address] });
      await using fetching = fetch(ticket, to);
      await assertDone(fetching);
      compareTrees(join(to, "dest"), from);
      assert.deepEqual(namesIn(to), ["dest"]);
    }),
);

Deno.test(
  "e2e: the holder is killed in the middle and started again: the fetch goes on",
  { permissions },
  () =>
    withFolders((from) => {
      for (let i = 0; i < 4; i++) writeFileSync(join(from, `big${i}.bin`), pattern(40 * MiB, i));
      makeSeedTree(from, 20, { links: false });
    }, async (from, to, dir) => {
      const key = join(dir, "node.key");
      await using making = hawser(readWrite(dir), "key", key);
      await assertDone(making);
      const listen = `127.0.0.1:${await freePort()}`;
      const first = await share(from, "--key", key, "--listen", listen);
      await using holder = first.process;
      await using fetching = fetch(first.shared.ticket, to);
      await until(() => stagedBytes(to) > 8 * MiB);
      holder.kill("SIGKILL");
      await holder.ended;
      assert(!existsSync(join(to, "dest")), "the fetch was done before the holder was killed");
      const second = await share(from, "--key", key, "--listen", listen);
      await using _again = second.process;
      assert.equal(second.shared.ticket, first.shared.ticket);
      await assertDone(fetching);
      compareTrees(join(to, "dest"), from);
      assert.deepEqual(namesIn(to), ["dest"]);
    }),
);

Deno.test(
  "e2e: Ctrl-C on a fetch: 130, the old directory untouched, nothing left behind",
  { permissions },
  () =>
    withFolders((from) => {
      for (let i = 0; i < 4; i++) writeFileSync(join(from, `big${i}.bin`), pattern(40 * MiB, i));
    }, async (from, to, dir) => {
      const { process, shared } = await share(from);
      await using sharing = process;
      const old = join(dir, "old");
      for (const root of [join(to, "dest"), old]) makeTree(root, { files: { "keep.txt": "kept" } });
      await using fetching = fetch(shared.ticket, to);
      await until(() => stagedBytes(to) > 4 * MiB);
      fetching.kill("SIGINT");
      const { code, stdout } = await fetching.ended;
      assert.equal(code, 130, stdout);
      compareTrees(join(to, "dest"), old);
      assert.deepEqual(namesIn(to), ["dest"]);
      // The share goes on, and ends at once when it is told to.
      sharing.kill("SIGTERM");
      assert.equal((await sharing.ended).code, 143);
    }),
);

Deno.test(
  "e2e: Ctrl-C on a share with a peer that holds its streams open",
  { permissions },
  () =>
    withFolders(makeSample, async (from) => {
      const { process, shared } = await share(from);
      await using sharing = process;
      const ticket = decodeTicket(shared.ticket);
      const peer = await startNode({ psk: ticket.psk });
      const session = await peer.connect({ id: ticket.nodeId, addresses: ticket.addresses });
      const stream = await session.openStream({ protocol: 0x1100 });
      await stream.writable.getWriter().write(new Uint8Array([33]));
      const begin = performance.now();
      sharing.kill("SIGINT");
      const [{ code, stderr }, { reason, remote }] = await Promise.all([sharing.ended, session.closed]);
      assert.equal(code, 130, stderr);
      assert.deepEqual([reason, remote], ["node closed", true]);
      assert(performance.now() - begin < 4000, "it waited for the peer");
      await peer.close({ signal: AbortSignal.abort() });
    }),
);
