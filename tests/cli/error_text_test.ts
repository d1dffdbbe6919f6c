import assert from "node:assert/strict";
import { errorJson, errorStack, errorText } from "../../src/cli/error_text.ts";
import {
  BlobNotFoundError,
  DiskFullError,
  FileSystemError,
  HandshakeTimeoutError,
  HashMismatchError,
  NotAuthorizedError,
  PeerSilentError,
  PermissionDeniedError,
} from "../../src/errors.ts";

Deno.test("the errors of a fetch are told apart", () => {
  const texts = [
    new HandshakeTimeoutError("Connect: no answer", ["127.0.0.1:1"]),
    new PeerSilentError("Fetch: peer is silent", 30_000),
    new NotAuthorizedError("Connect: refused"),
    new HashMismatchError("aa", "bb"),
    new DiskFullError('Write "x": ENOSPC', "x", "ENOSPC"),
    new BlobNotFoundError("Fetch blob: nobody has it", "aa"),
    new PermissionDeniedError("Fetch: add --allow-write=/x", ["--allow-write=/x"]),
  ].map(errorText);
  assert.equal(new Set(texts).size, texts.length);
  assert.match(texts[0], /no answer; is the share still running/);
  assert.equal(texts[4], 'Write "x": no space left; make room and fetch again');
  assert.equal(texts[6], "Fetch: add --allow-write=/x");
});

Deno.test("an error is one safe line", () => {
  assert.equal(errorText(new Error("a\n  b\x1b[1m")), "a b\\x1b[1m");
  assert.equal(errorText(new TypeError("odd")), "TypeError: odd");
  assert.equal(errorText("just text"), "just text");
  assert.equal(errorText(new FileSystemError('Read "x": EXYZ', "x", "EXYZ")), 'Read "x": EXYZ');
  assert.equal(
    errorText(new FileSystemError('Read "x": ENOENT', "x", "ENOENT")),
    'Read "x": no such file or directory',
  );
});

Deno.test("the stack shows causes and is safe line by line", () => {
  const stack = errorStack(new Error("outer", { cause: new Error("in\x1bner") }));
  assert.match(stack, /^Error: outer\n/);
  assert.match(stack, /\nCaused by: Error: in\\x1bner\n/);
  assert.equal(errorStack("x"), "x");
});

Deno.test("errorJson keeps name and message", () => {
  assert.deepEqual(errorJson(new NotAuthorizedError("no")), {
    error: { name: "NotAuthorizedError", message: "no" },
  });
  assert.deepEqual(errorJson(1), { error: { name: "Error", message: "1" } });
});
