/** What SECURITY.md says of tests and limits is true. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import * as directory from "../../src/directory/limits.ts";
import * as transport from "../../src/transport/config.ts";
import { TARGETS } from "../fuzz/targets.ts";

const ROOT = new URL("../../", import.meta.url);
const permissions = { read: true };

const page = readFileSync(new URL("SECURITY.md", ROOT), "utf8");

/** Names of tests as the file writes them; what a template fills in is anything. */
function namesIn(file: string): RegExp[] {
  const source = readFileSync(new URL(file, ROOT), "utf8");
  const names = source.matchAll(
    /(?:Deno\.test|testInTempDir)\(\s*(?:\{\s*name:\s*)?(?:"((?:[^"\\]|\\.)*)"|`([^`]*)`)/g,
  );
  return [...names].map(([, text, template]) => {
    const parts = (text ?? template).split(/\$\{[^}]*\}/);
    return new RegExp(`^${parts.map((part) => part.replace(/[.*+?^$()|[\]\\{}]/g, "\\$&")).join(".+")}$`);
  });
}

/** File and name of every test that the page names: in a cell of a table, or in brackets. */
function citations(): { file: string; name: string }[] {
  const text = page.replaceAll(/\n(?!\n|\||#)/g, " ");
  const found = text.matchAll(/`(tests\/[a-z0-9_/]+_test\.ts)`: ([^|]*?)(?= *\||\)[.,;]|\) |\),)/g);
  return [...found].map(([, file, name]) => ({ file, name: name.trim() }));
}

Deno.test("SECURITY.md: every test that it names exists", { permissions }, () => {
  const all = citations();
  const mentioned = page.match(/`tests\/[a-z0-9_/]+_test\.ts`:/g)!.length;
  assert.equal(all.length, mentioned, "a name could not be read");
  assert.ok(all.length > 25);
  for (const { file, name } of all) {
    assert.ok(namesIn(file).some((pattern) => pattern.test(name)), `${file} has no test "${name}"`);
  }
});

Deno.test("SECURITY.md: the targets of the fuzzer that it names exist", { permissions }, () => {
  const named = [...page.matchAll(/fuzz ([a-z_]+): hostile input/g)].map(([, name]) => name);
  assert.ok(named.length >= 3);
  for (const name of named) assert.ok(TARGETS.some((target) => target.name === name), name);
});

Deno.test("SECURITY.md: its limits are those of the code", { permissions }, () => {
  const constants: Record<string, unknown> = { ...transport, ...directory };
  const rows = [...page.matchAll(/\| `([A-Z_]+)` +\| (\d+) +\|/g)];
  assert.ok(rows.length >= 15);
  for (const [, name, value] of rows) assert.equal(constants[name], Number(value), name);
  const { maxStreams, streamWindow, maxStreamWindow, connectionWindow, maxConnectionWindow, datagramQueue } =
    transport.DEFAULT_TRANSPORT;
  const mib = 2 ** 20;
  assert.deepEqual(
    [maxStreams, streamWindow, maxStreamWindow, connectionWindow, maxConnectionWindow, datagramQueue],
    [1024, mib, 16 * mib, 16 * mib, 64 * mib, mib / 4],
  );
});
