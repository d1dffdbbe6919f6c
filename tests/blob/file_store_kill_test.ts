import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { FileBlobStore } from "../../src/blob/file_store.ts";
import { nobleBlake3 } from "../../src/crypto/blake3.ts";
import { LockedError } from "../../src/errors.ts";
import { patterned } from "../support/patterned.ts";
import { isNode } from "../support/runtime.ts";
import { seeded } from "../support/seeded.ts";
import { tempPermissions, withTempDir } from "../support/temp.ts";

const deno = Deno.execPath();
const child = fileURLToPath(new URL("./file_store_child.ts", import.meta.url));
const permissions = { ...tempPermissions, run: [deno] };

/** Starts the child on the store; its output, line by line. */
function start(
  path: string,
  firstSize: number,
): { process: Deno.ChildProcess; lines: AsyncGenerator<string> } {
  // Node's permission model forbids syncs.
  const rights = isNode ? ["--allow-all"] : [`--allow-read=${path}`, `--allow-write=${path}`];
  const process = new Deno.Command(deno, {
    args: ["run", "--quiet", "--no-prompt", "--cached-only", ...rights, child, path, String(firstSize)],
    stdout: "piped",
  }).spawn();
  return { process, lines: linesOf(process.stdout) };
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
}

/** What the child said of each blob last. */
type Said = Map<number, string>;

async function runAndKill(path: string, firstSize: number, afterLines: number, said: Said): Promise<void> {
  const { process, lines } = start(path, firstSize);
  let count = 0;
  // What it wrote before it died is in the pipe and counts.
  for await (const line of lines) {
    if (count === afterLines) process.kill("SIGKILL");
    count++;
    if (line !== "open") said.set(Number(line.slice(1)), line[0]);
  }
  assert.equal((await process.status).signal, "SIGKILL");
}

async function checkAll(path: string, said: Said): Promise<void> {
  const blake3 = nobleBlake3();
  await using store = await FileBlobStore.open(path);
  assert.deepEqual(store.recovery.damaged, []);
  assert.equal(store.recovery.skippedBytes, 0);
  for (const [size, what] of said) {
    const bytes = patterned(size);
    const hash = blake3.hash(bytes);
    if (what === "+") assert.deepEqual(await store.get(hash), bytes, `blob of ${size} bytes`);
    if (what === "-") assert.equal(await store.has(hash), false, `deleted blob of ${size} bytes`);
  }
  assert.deepEqual((await store.verify()).damaged, []);
}

for (const lane of [1, 2]) {
  Deno.test(
    `file store kill: nothing acknowledged is lost in 10 kills, lane ${lane}`,
    { permissions },
    () =>
      withTempDir(async (folder) => {
        const path = join(folder, "store");
        const random = seeded(lane);
        const said: Said = new Map();
        for (let round = 0; round < 10; round++) {
          // From "just opened" to "after some collections".
          const afterLines = Math.floor(random() ** 2 * 300);
          // Past all sizes so far, those of puts that were not acknowledged included.
          await runAndKill(path, Math.max(100, ...said.keys()) + 8, afterLines, said);
          await checkAll(path, said);
        }
        assert(said.size > 100);
      }),
  );
}

Deno.test(
  "file store kill: another process is locked out, until it is killed",
  { permissions },
  () =>
    withTempDir(async (folder) => {
      const path = join(folder, "store");
      const { process, lines } = start(path, 1);
      assert.equal((await lines.next()).value, "open");
      await assert.rejects(FileBlobStore.open(path), LockedError);
      process.kill("SIGKILL");
      await process.status;
      await lines.return(undefined);
      await (await FileBlobStore.open(path)).close();
    }),
);
