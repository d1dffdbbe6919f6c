/**
 * Frames as values, to look at what a session sends.
 *
 * @module
 */

import { type FrameHandler, parseFrames } from "../../src/wire/frame.ts";
import { VarintReader } from "../../src/wire/varint.ts";

/** A parsed frame. */
export type Frame =
  | { readonly type: "ping" }
  | {
    readonly type: "ack";
    readonly largest: number;
    readonly delay: number;
    readonly ranges: readonly number[];
  }
  | { readonly type: "reset_stream"; readonly id: number; readonly code: number; readonly finalSize: number }
  | { readonly type: "stop_sending"; readonly id: number; readonly code: number }
  | {
    readonly type: "stream";
    readonly id: number;
    readonly offset: number;
    readonly data: Uint8Array;
    readonly fin: boolean;
  }
  | { readonly type: "max_data" | "max_streams"; readonly maximum: number }
  | { readonly type: "max_stream_data"; readonly id: number; readonly maximum: number }
  | { readonly type: "blocked"; readonly frameType: number }
  | { readonly type: "path_challenge" | "path_response" | "datagram"; readonly data: Uint8Array }
  | { readonly type: "connection_close"; readonly code: number; readonly reason: string };

/** Collects frames. */
export class FrameLog implements FrameHandler {
  readonly frames: Frame[] = [];
  onPing(): void {
    this.frames.push({ type: "ping" });
  }
  onAck(largest: number, delay: number, ranges: readonly number[]): void {
    this.frames.push({ type: "ack", largest, delay, ranges: [...ranges] });
  }
  onResetStream(id: number, code: number, finalSize: number): void {
    this.frames.push({ type: "reset_stream", id, code, finalSize });
  }
  onStopSending(id: number, code: number): void {
    this.frames.push({ type: "stop_sending", id, code });
  }
  onStream(id: number, offset: number, data: Uint8Array, fin: boolean): void {
    this.frames.push({ type: "stream", id, offset, data: data.slice(), fin });
  }
  onMaxData(maximum: number): void {
    this.frames.push({ type: "max_data", maximum });
  }
  onMaxStreamData(id: number, maximum: number): void {
    this.frames.push({ type: "max_stream_data", id, maximum });
  }
  onMaxStreams(maximum: number): void {
    this.frames.push({ type: "max_streams", maximum });
  }
  onBlocked(frameType: number): void {
    this.frames.push({ type: "blocked", frameType });
  }
  onPathChallenge(data: Uint8Array): void {
    this.frames.push({ type: "path_challenge", data: data.slice() });
  }
  onPathResponse(data: Uint8Array): void {
    this.frames.push({ type: "path_response", data: data.slice() });
  }
  onConnectionClose(code: number, reason: string): void {
    this.frames.push({ type: "connection_close", code, reason });
  }
  onDatagram(data: Uint8Array): void {
    this.frames.push({ type: "datagram", data: data.slice() });
  }
}

/** The frames of a decrypted packet. */
export function framesOf(plaintext: Uint8Array): Frame[] {
  const log = new FrameLog();
  parseFrames(new VarintReader(plaintext), log);
  return log.frames;
}

/** The frames of one type. */
export function only<T extends Frame["type"]>(frames: readonly Frame[], type: T): (Frame & { type: T })[] {
  return frames.filter((frame): frame is Frame & { type: T } => frame.type === type);
}
