import assert from "node:assert/strict";
import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createKeyFile, decodeKeyFile, encodeKeyFile, readKeyFile } from "../../src/cli/key_file.ts";
import { tempPermissions, withTempDir } from "../support/temp.ts";

const secret = Uint8Array.from({ length: 32 }, (_, i) => i * 7 & 255);
const permissions = tempPermissions;

Deno.test("a key file goes round and is readable by its owner only", { permissions }, () => {
  return withTempDir((path) => {
    const file = join(path, "key");
    assert.equal(createKeyFile(file, secret), true);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.deepEqual(readKeyFile(file), secret);
    assert.match(readFileSync(file, "utf8"), /^# [^\n]+\nhawsersecret1[a-z0-9]{58}\n$/);
  });
});

Deno.test("a key file is never overwritten", { permissions }, () => {
  return withTempDir((path) => {
    const file = join(path, "key");
    createKeyFile(file, secret);
    assert.equal(createKeyFile(file, new Uint8Array(32)), false);
    assert.deepEqual(readKeyFile(file), secret);
  });
});

Deno.test("a key file that others can read is refused", { permissions }, () => {
  return withTempDir((path) => {
    const file = join(path, "key");
    createKeyFile(file, secret);
    chmodSync(file, 0o640);
    assert.throws(() => readKeyFile(file), { name: "InvalidArgumentError", message: /mode 0640.*chmod 600/ });
  });
});

Deno.test("what is wrong with a key file is said, its contents are not", { permissions }, () => {
  return withTempDir((path) => {
    const file = join(path, "key");
    assert.throws(() => readKeyFile(file), { name: "FileSystemError", message: /"hawser key" makes one/ });
    assert.throws(() => createKeyFile(join(path, "no", "key"), secret), { message: /folder does not exist/ });
    assert.throws(() => readKeyFile(path), { name: "FileSystemError" });
    writeFileSync(file, "", { mode: 0o600 });
    assert.throws(() => readKeyFile(file), { name: "DecodeError", message: /holds no node key/ });
    writeFileSync(file, "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n");
    assert.throws(() => readKeyFile(file), { name: "DecodeError", message: /holds no node key/ });
    writeFileSync(file, new Uint8Array(100_000).fill(255));
    assert.throws(() => readKeyFile(file), { name: "DecodeError" });
  });
});

Deno.test("a damaged key is told by its checksum", () => {
  const text = encodeKeyFile(secret);
  for (let at = text.indexOf("1") + 1; at < text.length - 1; at += 5) {
    const damaged = text.slice(0, at) + (text[at] === "q" ? "p" : "q") + text.slice(at + 1);
    assert.throws(() => decodeKeyFile(damaged, "key"), (error: Error) => {
      assert.equal(error.name, "DecodeError");
      assert.ok(!error.message.includes(damaged.slice(-30, -1)), "the secret is in the message");
      assert.equal(error.cause, undefined);
      return true;
    });
  }
});

Deno.test("a missing permission names the flag", { permissions: "none" }, () => {
  assert.throws(() => readKeyFile("/etc/hostname"), {
    name: "PermissionDeniedError",
    message: /--allow-read=\/etc\/hostname/,
  });
  assert.throws(() => createKeyFile("/tmp/key", secret), {
    name: "PermissionDeniedError",
    message: /--allow-write=\/tmp\/key/,
  });
});
