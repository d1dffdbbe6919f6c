/**
 * Nodes, sessions and streams.
 *
 * @module
 */

export * from "./node.ts";
export type { NodeOptions, PeerInfo } from "./node_options.ts";
export {
  APPLICATION_PROTOCOL,
  type DatagramMetrics,
  type OpenStreamOptions,
  Session,
  type SessionCloseInfo,
  type SessionMetrics,
} from "./session.ts";
export { MeshStream } from "./mesh_stream.ts";
export { ErrorCode, type TransportOptions } from "../transport/config.ts";
export { type Counters, datagramsDropped, type DropCounters } from "../transport/counters.ts";
