/**
 * `hawser key`: makes or shows a node key.
 *
 * @module
 */

import { generateKeyPair, publicKeyOf } from "../crypto/x25519.ts";
import { encodeNodeId } from "../wire/node_id.ts";
import type { CommandOf } from "./arguments.ts";
import { createKeyFile, readKeyFile } from "./key_file.ts";
import type { Output } from "./output.ts";

/** Runs the command; the result is the node's id, never its secret. */
export function runKey(options: CommandOf<"key">, output: Output): void {
  const created = createKeyFile(options.file, generateKeyPair().secretKey);
  const id = encodeNodeId(publicKeyOf(readKeyFile(options.file)));
  if (created) output.note(`Made a new key in "${options.file}"`);
  output.line(id);
  output.json({ id, file: options.file, created });
}
