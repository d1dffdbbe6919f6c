/** The UDP drivers of Deno, and what they say when they may not. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { MAX_PENDING_SENDS } from "../../src/runtime/udp.ts";
import { bindUdp } from "../../src/runtime/udp_deno.ts";
import { bindUdp as bindNode } from "../../src/runtime/udp_node.ts";
import { Collector, udpSocketTests } from "../compliance/udp_socket.ts";
import { tempDir, tempRoot } from "../support/temp.ts";

const permissions: Deno.PermissionOptions = { net: ["127.0.0.1", "[::1]"] };

// The same call: what the test may do decides.
udpSocketTests("Deno.listenDatagram", bindUdp, permissions);
udpSocketTests("node:dgram", bindNode, permissions);
if (Deno.build.os === "linux") udpSocketTests("Linux FFI", bindUdp, { ...permissions, ffi: true });

for (const bind of [bindUdp, bindNode]) {
  Deno.test(
    `udp, ${bind === bindNode ? "node:dgram" : "Deno.listenDatagram"}: sends on their way are bounded`,
    {
      permissions,
    },
    async () => {
      const socket = await bind("127.0.0.1", 0);
      const collector = new Collector();
      socket.start(collector);
      for (let i = 0; i < MAX_PENDING_SENDS; i++) socket.send(socket.acquire()!, 10, socket.address);
      assert.equal(socket.acquire(), undefined);
      assert.equal(collector.drains, 0);
      await collector.until(() => collector.drains === 1);
      await collector.until(() => collector.datagrams.length === MAX_PENDING_SENDS);
      await socket.close();
      assert.equal(collector.drains, 1);
    },
  );
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

Deno.test("udp: --allow-ffi brings the fast driver", {
  permissions: runs,
  ignore: Deno.build.os !== "linux",
}, async () => {
  const { code, text } = await run(["--allow-net=127.0.0.1", "--allow-ffi"]);
  assert.equal(code, 0, text);
  assert.match(text, /Linux FFI 3000000 bytes/);
});

Deno.test("udp: a missing permission is an error that names the flag", { permissions: runs }, async () => {
  for (const unstable of [[], ["--unstable-net"], ["--allow-ffi"]]) {
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
