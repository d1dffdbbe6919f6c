/** Files by the C library of Linux: what is made, and that nothing is where it does not work out; what is read. */
import assert from "node:assert/strict";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import fc from "fast-check";
import { type FileSymbols, LinuxFiles, linuxFiles, openCalls } from "../../src/runtime/linux_files.ts";
import { tempPermissions, withTempDir } from "../support/temp.ts";

const permissions: Deno.PermissionOptionsObject = { ...tempPermissions, ffi: true, sys: ["umask"] };
/** Making links takes more. */
const links: Deno.PermissionOptionsObject = { ...permissions, read: true, write: true };
const isLinux = Deno.build.os === "linux";

function test(
  name: string,
  work: (dir: string, files: LinuxFiles) => void,
  more: Deno.PermissionOptionsObject = permissions,
): void {
  Deno.test({
    name: `linux files: ${name}`,
    permissions: more,
    ignore: !isLinux,
    fn: () => withTempDir((dir) => work(dir, linuxFiles()!)),
  });
}

test("makes files of any content, by any name", (dir, files) => {
  const names = fc.string({ unit: "binary", minLength: 1, maxLength: 40 })
    .filter((name) => !/[\0/]/.test(name) && name.isWellFormed() && name !== "." && name !== "..");
  let made = 0;
  fc.assert(
    fc.property(names, fc.uint8Array({ maxLength: 20_000 }), fc.nat(500), (name, bytes, before) => {
      const path = join(dir, `${made++}`);
      mkdirSync(path);
      // A view in the middle of something else.
      const whole = new Uint8Array(before + bytes.length + 7).fill(0xee);
      whole.set(bytes, before);
      assert.ok(files.makeFile(`${path}/${name}`, whole.subarray(before, before + bytes.length)));
      assert.deepEqual(readdirSync(path), [name]);
      assert.deepEqual(new Uint8Array(readFileSync(`${path}/${name}`)), bytes);
    }),
    { numRuns: 200 },
  );
});

test("takes the umask from the mode, and from that of every new file", (dir, files) => {
  const mask = process.umask();
  for (const mode of [0o644, 0o600, 0o777, 0o666, undefined]) {
    const path = join(dir, `mode ${mode}`);
    assert.ok(files.makeFile(path, new Uint8Array(1), mode));
    assert.equal(lstatSync(path).mode & 0o7777, (mode ?? 0o666) & ~mask);
  }
});

test("makes nothing where something is, or no directory", (dir, files) => {
  writeFileSync(join(dir, "there"), "old");
  mkdirSync(join(dir, "dir"));
  for (const name of ["there", "dir", "there/below", "missing/below", "", `${"n".repeat(256)}`]) {
    assert.equal(files.makeFile(`${dir}/${name}`, new Uint8Array(3)), false, name);
  }
  assert.equal(files.makeFile(`${dir}/nul\0`, new Uint8Array(3)), false);
  assert.equal(files.makeFile(`${dir}/${"x/".repeat(2_100)}y`, new Uint8Array(3)), false);
  assert.deepEqual(readdirSync(dir).sort(), ["dir", "there"]);
  assert.equal(readFileSync(join(dir, "there"), "utf8"), "old");
});

test("makes nothing where a link is on the way, or at the end", (dir, files) => {
  mkdirSync(join(dir, "real"));
  symlinkSync("real", join(dir, "link"));
  symlinkSync("real/target", join(dir, "last"));
  for (const name of ["link/file", "link/../file", "last"]) {
    assert.equal(files.makeFile(`${dir}/${name}`, new Uint8Array(3)), false, name);
  }
  assert.deepEqual(readdirSync(join(dir, "real")), []);
  assert.equal(existsSync(join(dir, "file")), false);
  assert.ok(files.makeFile(`${dir}/real/file`, new Uint8Array(3)));
}, links);

test("reads what is there, from anywhere", (dir, files) => {
  const path = join(dir, "file");
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 9_000 }),
      fc.nat(10_000),
      fc.nat(10_000),
      (content, position, length) => {
        writeFileSync(path, content);
        const room = new Uint8Array(length + 10).fill(0xee);
        const count = files.read(path, room.subarray(5, 5 + length), position);
        const expected = content.subarray(position, position + length);
        assert.equal(count, expected.length);
        assert.deepEqual(room.subarray(5, 5 + count), expected);
        assert.ok(room.every((byte, i) => byte === 0xee || (i >= 5 && i < 5 + count)));
      },
    ),
    { numRuns: 200 },
  );
});

test("reads nothing where there is no file, or a link on the way", (dir, files) => {
  mkdirSync(join(dir, "real"));
  writeFileSync(join(dir, "real", "file"), "content");
  symlinkSync("real", join(dir, "link"));
  symlinkSync("real/file", join(dir, "last"));
  assert.equal(new Deno.Command("mkfifo", { args: [join(dir, "fifo")] }).outputSync().code, 0);
  const room = new Uint8Array(7);
  for (const name of ["missing", "real", "link/file", "last", "real/file/below", "fifo", "nul\0"]) {
    assert.equal(files.read(`${dir}/${name}`, room, 0), 0, name);
  }
  assert.equal(files.read(`${dir}/real/file`, room, 0), 7);
}, { ...links, run: ["mkfifo"] });

/** The C library with some calls in another way. */
function callsWith(calls: Partial<FileSymbols>): FileSymbols {
  return { ...openCalls()!, ...calls };
}

test("what was not written whole, or not closed, is gone", (dir) => {
  const call = openCalls()!;
  const broken: Partial<FileSymbols>[] = [
    { write: () => 2n },
    { write: () => -1n },
    { close: (fd: number) => (call.close(fd), -1) },
  ];
  for (const calls of broken) {
    const path = join(dir, "file");
    assert.equal(new LinuxFiles(callsWith(calls)).makeFile(path, new Uint8Array(3)), false);
    assert.equal(existsSync(path), false);
  }
});

test("a system without the call is asked once", (dir) => {
  for (const [errno, times] of [[38, 1], [1, 1], [2, 3]]) {
    let asked = 0;
    const syscall = () => (asked++, -1n);
    const memory = Int32Array.of(errno);
    const files = new LinuxFiles(
      callsWith({ syscall, __errno_location: () => Deno.UnsafePointer.of(memory) }),
    );
    for (let i = 0; i < 3; i++) assert.equal(files.makeFile(join(dir, "file"), new Uint8Array(1)), false);
    assert.equal(asked, times);
  }
});

Deno.test("linux files: none without permission", { permissions: tempPermissions }, () => {
  assert.equal(linuxFiles(), undefined);
});
