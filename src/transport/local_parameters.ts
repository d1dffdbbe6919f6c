/**
 * The transport parameters of a node, from its options.
 *
 * @module
 */

import type { TransportParameters } from "../wire/transport_parameters.ts";
import { ACK_DELAY_EXPONENT, MAX_ACK_DELAY, MAX_DATAGRAM_FRAME, type TransportOptions } from "./config.ts";

/** What a node tells peers of itself, from its options. */
export function localParameters(options: TransportOptions, maxDatagramSize: number): TransportParameters {
  return {
    maxIdleTimeout: options.idleTimeout,
    maxUdpPayloadSize: maxDatagramSize,
    initialMaxData: options.connectionWindow,
    initialMaxStreamDataBidiLocal: options.streamWindow,
    initialMaxStreamDataBidiRemote: options.streamWindow,
    initialMaxStreamsBidi: options.maxStreams,
    ackDelayExponent: ACK_DELAY_EXPONENT,
    maxAckDelay: MAX_ACK_DELAY,
    maxDatagramFrameSize: options.datagramQueue > 0 ? MAX_DATAGRAM_FRAME : 0,
    receiveBuffer: options.receiveBuffer,
    agent: options.agent,
    features: 0,
  };
}
