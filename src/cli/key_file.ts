/**
 * The file that keeps a node's secret key: one line of bech32m (so that a damaged or foreign file is told from a key),
 * readable by its owner only.
 *
 * @module
 */

import { bech32m } from "@scure/base";
import { DecodeError, FileSystemError, InvalidArgumentError } from "../errors.ts";
import { DENIED_BY_NODE, errorCode, fileError } from "../runtime/file_errors.ts";
import { closeSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from "../runtime/files.ts";
import { hostPlatform } from "../runtime/host.ts";

/** Says what the text is to whoever finds it, and keeps it from being taken for a ticket. */
const PREFIX = "hawsersecret";
/** Length of an X25519 secret key, bytes. */
const KEY_LENGTH = 32;
/** More than any key file has, bytes: a wrong path must not read gigabytes. */
const MAX_FILE_LENGTH = 4096;

const COMMENT = "# Hawser node key. Keep it secret: whoever has it can act as this node.\n";

/** The text of a key file. */
export function encodeKeyFile(secret: Uint8Array): string {
  return `${COMMENT}${bech32m.encode(PREFIX, bech32m.toWords(secret), false)}\n`;
}

/** The secret in the text of a key file. Throws `DecodeError` when there is none; the text is not repeated in it. */
export function decodeKeyFile(text: string, path: string): Uint8Array {
  const lines = text.split("\n").map((line) => line.trim()).filter((line) =>
    line !== "" && !line.startsWith("#")
  );
  const wrong = (problem: string, cause?: unknown) =>
    new DecodeError(`Read key file "${path}": ${problem}`, { cause });
  if (lines.length !== 1 || !lines[0].toLowerCase().startsWith(`${PREFIX}1`)) {
    throw wrong(`it holds no node key; "hawser key" makes one`);
  }
  let secret: Uint8Array;
  try {
    secret = bech32m.fromWords(bech32m.decode(lines[0] as `${string}1${string}`, false).words);
  } catch {
    // The decoder's message quotes its input, which is a secret: it is not kept as the cause.
    throw wrong("the key in it is damaged (wrong checksum)");
  }
  if (secret.length !== KEY_LENGTH) {
    throw wrong(`the key in it has ${secret.length} bytes, not ${KEY_LENGTH}`);
  }
  return secret;
}

/** Reads a key file. Refuses one that others can read. */
export function readKeyFile(path: string): Uint8Array {
  let text: string;
  let mode: number;
  try {
    const file = openSync(path, "r");
    try {
      mode = fstatSync(file).mode;
      const bytes = new Uint8Array(MAX_FILE_LENGTH);
      const length = readSync(file, bytes, 0, bytes.length, 0);
      text = new TextDecoder().decode(bytes.subarray(0, length));
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw keyFileError("Read", path, error);
  }
  if (hostPlatform() !== "windows" && (mode & 0o077) !== 0) {
    const octal = (mode & 0o777).toString(8).padStart(4, "0");
    throw new InvalidArgumentError(
      `Read key file "${path}": others can read or change it (mode ${octal}); run chmod 600 on it`,
    );
  }
  return decodeKeyFile(text, path);
}

/** Makes a key file with mode 0600. Returns `false`, and changes nothing, when the path is taken. */
export function createKeyFile(path: string, secret: Uint8Array): boolean {
  try {
    const file = openSync(path, "wx", 0o600);
    try {
      writeSync(file, new TextEncoder().encode(encodeKeyFile(secret)));
      sync(file);
    } finally {
      closeSync(file);
    }
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw keyFileError("Make", path, error);
  }
}

/** Sees to it that the key outlasts a loss of power, where that is permitted: Node's permission model does not. */
function sync(file: number): void {
  try {
    fsyncSync(file);
  } catch (error) {
    if (errorCode(error) !== DENIED_BY_NODE) throw error;
  }
}

/** Says in words what is most often wrong with a key file's path. */
function keyFileError(action: "Read" | "Make", path: string, error: unknown): Error {
  const code = errorCode(error);
  if (code === "ENOENT") {
    const problem = action === "Read" ? `there is none; "hawser key" makes one` : "its folder does not exist";
    return new FileSystemError(`${action} key file "${path}": ${problem}`, path, code, { cause: error });
  }
  return fileError(error, `${action} key file`, path);
}
