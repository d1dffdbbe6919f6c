/**
 * The system's cipher library in Node: its own copy of OpenSSL is reached through `node:crypto` only.
 *
 * @module
 */

import type { SystemCipher } from "./libcrypto.ts";

/** There is none. */
export function loadSystemCipher(): SystemCipher | undefined {
  return undefined;
}
