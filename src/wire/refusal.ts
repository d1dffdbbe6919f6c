/**
 * What a holder says when it does not do what it was asked for: the same in every protocol that has refusals.
 *
 * @module
 */

import { LimitExceededError } from "../errors.ts";
import type { PostcardReader } from "./postcard.ts";

/** Greatest length of a refusal's text, UTF-8 bytes. */
export const MAX_REFUSAL_MESSAGE = 1024;

/** Why a holder refuses: not allowed, try later, more than it serves, or not a request it understands. */
export type RefusalCode = "FORBIDDEN" | "BUSY" | "TOO_LARGE" | "BAD_REQUEST";

/** In the order of their numbers on the wire. */
export const REFUSAL_CODES: readonly RefusalCode[] = ["FORBIDDEN", "BUSY", "TOO_LARGE", "BAD_REQUEST"];

/** Cuts text so that its UTF-8 form is at most {@linkcode MAX_REFUSAL_MESSAGE} bytes. */
export function clipRefusal(text: string): string {
  const bytes = new Uint8Array(MAX_REFUSAL_MESSAGE);
  const { read } = new TextEncoder().encodeInto(text, bytes);
  return text.slice(0, read);
}

/**
 * Reads a refusal's text. Throws `DecodeError` when malformed, `LimitExceededError` when it is too long.
 *
 * @param what the kind of message that it is in, for messages.
 */
export function readRefusal(reader: PostcardReader, what: string): string {
  const before = reader.remaining;
  const message = reader.string();
  const length = before - reader.remaining;
  // Two bytes of length at most go with the longest text that is allowed.
  if (length <= MAX_REFUSAL_MESSAGE + 2) return message;
  const text = `Decode ${what}: ${length} message bytes exceed the limit of ${MAX_REFUSAL_MESSAGE}`;
  throw new LimitExceededError(text, "message bytes", length, MAX_REFUSAL_MESSAGE);
}
