/**
 * What a sent packet carried, kept until it is acknowledged or lost. Packets are never sent again as they were:
 * what they carried is, in new packets, and control frames with their latest values (RFC 9000 §13.3).
 *
 * @module
 */

import type { Stream } from "./stream.ts";

/** A frame to be remembered. PADDING, PING and frames that nobody waits for are not. */
export type SentFrame =
  | {
    readonly kind: "stream";
    readonly stream: Stream;
    readonly offset: number;
    readonly length: number;
    readonly fin: boolean;
  }
  | { readonly kind: "ack"; readonly largest: number }
  | { readonly kind: "max_data" | "max_streams" }
  | { readonly kind: "max_stream_data" | "reset_stream" | "stop_sending"; readonly stream: Stream }
  | { readonly kind: "size_probe"; readonly size: number };
