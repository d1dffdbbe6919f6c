/**
 * Codecs without state: from bytes to values and back, nothing else. Every decoder throws
 * {@linkcode HawserError}s only, whatever the bytes are.
 *
 * @module
 */

export * from "./address.ts";
export * from "./blob_ref.ts";
export * from "./bytes.ts";
export * from "./dir_manifest.ts";
export * from "./dir_outline.ts";
export * from "./node_id.ts";
export * from "./offer_message.ts";
export * from "./postcard.ts";
export * from "./ticket.ts";
export * from "./transfer_message.ts";
export * from "./tree_changes.ts";
export * from "./varint.ts";
