/**
 * States and events of streams, sessions and handshakes, and what comes of each pair. `states_test.ts` drives the real
 * objects through all of them; `docs/states.md` is made of this by `deno task docs:states`.
 *
 * @module
 */

/** One table: outcomes by event, then by state. `—` is nothing; `→` leads to another state. */
export interface StateTable {
  readonly title: string;
  readonly note: string;
  readonly outcomes: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** Sending part of a stream (RFC 9000 §3.1). */
export const SENDING_TABLE: StateTable = {
  title: "Sending part of a stream (RFC 9000 §3.1)",
  note:
    '"Ready" and "Send" are one state here, `send`. In every state but `send` nothing that the application writes goes anywhere.',
  outcomes: {
    "application writes": {
      "send": "sends STREAM",
      "data_sent": "—",
      "data_recvd": "—",
      "reset_sent": "—",
      "reset_recvd": "—",
    },
    "application ends": {
      "send": "sends STREAM+FIN",
      "data_sent": "—",
      "data_recvd": "—",
      "reset_sent": "—",
      "reset_recvd": "—",
    },
    "application resets": {
      "send": "→ reset_sent; sends RESET_STREAM",
      "data_sent": "→ reset_sent; sends RESET_STREAM",
      "data_recvd": "—",
      "reset_sent": "—",
      "reset_recvd": "—",
    },
    "all sent is acknowledged": {
      "send": "—",
      "data_sent": "→ data_recvd",
      "data_recvd": "—",
      "reset_sent": "→ reset_recvd",
      "reset_recvd": "—",
    },
    "all sent is lost": {
      "send": "sends STREAM",
      "data_sent": "sends STREAM+FIN",
      "data_recvd": "—",
      "reset_sent": "sends RESET_STREAM",
      "reset_recvd": "—",
    },
    "STOP_SENDING comes": {
      "send": "→ reset_sent; sends RESET_STREAM; application gets StreamResetError",
      "data_sent": "→ reset_sent; sends RESET_STREAM; application gets StreamResetError",
      "data_recvd": "—",
      "reset_sent": "—",
      "reset_recvd": "—",
    },
    "MAX_STREAM_DATA comes": {
      "send": "—",
      "data_sent": "—",
      "data_recvd": "—",
      "reset_sent": "—",
      "reset_recvd": "—",
    },
    "session ends": {
      "send": "→ reset_recvd; application gets SessionClosedError",
      "data_sent": "→ reset_recvd; application gets SessionClosedError",
      "data_recvd": "application gets SessionClosedError",
      "reset_sent": "→ reset_recvd; application gets SessionClosedError",
      "reset_recvd": "application gets SessionClosedError",
    },
  },
};

/** Receiving part of a stream (RFC 9000 §3.2). */
export const RECEIVING_TABLE: StateTable = {
  title: "Receiving part of a stream (RFC 9000 §3.2)",
  note:
    "`reset_recvd` is left in the call in which it is entered: the application is told at once. The final size in this table is 50.",
  outcomes: {
    "next data comes": {
      "recv": "—",
      "recv, stopped": "—",
      "size_known": "—",
      "data_recvd": "—",
      "data_read": "—",
      "reset_read": "—",
    },
    "all the rest comes, with FIN": {
      "recv": "→ data_recvd",
      "recv, stopped": "→ data_read",
      "size_known": "→ data_recvd",
      "data_recvd": "—",
      "data_read": "—",
      "reset_read": "—",
    },
    "FIN comes, a gap before it": {
      "recv": "→ size_known",
      "recv, stopped": "→ data_read",
      "size_known": "—",
      "data_recvd": "—",
      "data_read": "—",
      "reset_read": "—",
    },
    "data beyond the final size": {
      "recv": "—",
      "recv, stopped": "—",
      "size_known": "→ reset_read; session closes with FINAL_SIZE_ERROR",
      "data_recvd": "session closes with FINAL_SIZE_ERROR",
      "data_read": "session closes with FINAL_SIZE_ERROR",
      "reset_read": "session closes with FINAL_SIZE_ERROR",
    },
    "another final size": {
      "recv": "→ size_known",
      "recv, stopped": "→ data_read",
      "size_known": "→ reset_read; session closes with FINAL_SIZE_ERROR",
      "data_recvd": "session closes with FINAL_SIZE_ERROR",
      "data_read": "session closes with FINAL_SIZE_ERROR",
      "reset_read": "session closes with FINAL_SIZE_ERROR",
    },
    "data beyond the credit": {
      "recv": "→ reset_read; session closes with FLOW_CONTROL_ERROR",
      "recv, stopped": "→ reset_read; session closes with FLOW_CONTROL_ERROR",
      "size_known": "→ reset_read; session closes with FINAL_SIZE_ERROR",
      "data_recvd": "session closes with FINAL_SIZE_ERROR",
      "data_read": "session closes with FINAL_SIZE_ERROR",
      "reset_read": "session closes with FINAL_SIZE_ERROR",
    },
    "RESET_STREAM comes": {
      "recv": "→ reset_read; application gets StreamResetError",
      "recv, stopped": "→ reset_read",
      "size_known": "→ reset_read; application gets StreamResetError",
      "data_recvd": "—",
      "data_read": "—",
      "reset_read": "—",
    },
    "RESET_STREAM, another size": {
      "recv": "→ reset_read; session closes with FINAL_SIZE_ERROR",
      "recv, stopped": "→ reset_read; session closes with FINAL_SIZE_ERROR",
      "size_known": "→ reset_read; session closes with FINAL_SIZE_ERROR",
      "data_recvd": "session closes with FINAL_SIZE_ERROR",
      "data_read": "session closes with FINAL_SIZE_ERROR",
      "reset_read": "session closes with FINAL_SIZE_ERROR",
    },
    "application reads all": {
      "recv": "—",
      "recv, stopped": "—",
      "size_known": "—",
      "data_recvd": "→ data_read",
      "data_read": "—",
      "reset_read": "—",
    },
    "application stops": {
      "recv": "→ recv, stopped; sends STOP_SENDING",
      "recv, stopped": "—",
      "size_known": "→ size_known, stopped; sends STOP_SENDING",
      "data_recvd": "→ data_read",
      "data_read": "—",
      "reset_read": "—",
    },
    "session ends": {
      "recv": "→ reset_read; application gets SessionClosedError",
      "recv, stopped": "→ reset_read; application gets SessionClosedError",
      "size_known": "→ reset_read; application gets SessionClosedError",
      "data_recvd": "application gets SessionClosedError",
      "data_read": "application gets SessionClosedError",
      "reset_read": "—",
    },
  },
};

/** Session (RFC 9000 §10). */
export const SESSION_TABLE: StateTable = {
  title: "Session (RFC 9000 §10)",
  note:
    "`closing`: this side closed and answers what still comes; `draining`: the peer closed, it is told once that it was heard.",
  outcomes: {
    "a valid packet comes": {
      "open": "—",
      "closing": "sends CONNECTION_CLOSE APPLICATION",
      "draining": "—",
      "gone": "—",
    },
    "CONNECTION_CLOSE comes": {
      "open": "→ draining; sends CONNECTION_CLOSE NO_ERROR; application gets SessionClosedError",
      "closing": "→ gone",
      "draining": "—",
      "gone": "—",
    },
    "a malformed frame comes": {
      "open": "→ closing; sends CONNECTION_CLOSE FRAME_ENCODING_ERROR; application gets ProtocolError",
      "closing": "sends CONNECTION_CLOSE APPLICATION",
      "draining": "—",
      "gone": "—",
    },
    "application closes": {
      "open": "→ closing; sends CONNECTION_CLOSE APPLICATION; application gets SessionClosedError",
      "closing": "—",
      "draining": "—",
      "gone": "—",
    },
    "a newer session replaces it": {
      "open": "→ gone; sends CONNECTION_CLOSE SESSION_REPLACED; application gets SessionReplacedError",
      "closing": "—",
      "draining": "—",
      "gone": "—",
    },
    "idle time-out passes": {
      "open": "→ gone; application gets PeerSilentError",
      "closing": "→ gone; sends CONNECTION_CLOSE APPLICATION",
      "draining": "→ gone",
      "gone": "—",
    },
    "application opens a stream": {
      "open": "sends STREAM",
      "closing": "throws SessionClosedError",
      "draining": "throws SessionClosedError",
      "gone": "throws SessionClosedError",
    },
    "application sends a datagram": {
      "open": "sends DATAGRAM",
      "closing": "throws SessionClosedError",
      "draining": "throws SessionClosedError",
      "gone": "throws SessionClosedError",
    },
    "application pings": {
      "open": "sends PING",
      "closing": "—",
      "draining": "—",
      "gone": "—",
    },
  },
};

/** Handshake (`protocol.md` 2.1). */
export const HANDSHAKE_TABLE: StateTable = {
  title: "Handshake (`protocol.md` 2.1)",
  note:
    "What arrives is dropped and counted unless it authenticates; the counter is named. `lingering`: closed, and still there to answer stragglers.",
  outcomes: {
    "the initiation comes (again)": {
      "initiating": "drops it: bad_mac1",
      "half_open": "sends response",
      "established, initiator": "drops it: bad_mac1",
      "established, responder": "drops it: stale_initiation",
      "gone": "drops it: stale_initiation",
    },
    "the response comes (again)": {
      "initiating": "→ established; sends data",
      "half_open": "drops it: bad_mac1",
      "established, initiator": "drops it: unknown_index",
      "established, responder": "drops it: bad_mac1",
      "gone": "drops it: bad_mac1",
    },
    "a response comes that does not authenticate": {
      "initiating": "drops it: bad_handshake",
      "half_open": "drops it: unknown_index",
      "established, initiator": "drops it: unknown_index",
      "established, responder": "drops it: unknown_index",
      "gone": "drops it: unknown_index",
    },
    "a data packet comes": {
      "initiating": "drops it: unknown_index",
      "half_open": "→ established",
      "established, initiator": "sends data",
      "established, responder": "sends data",
      "gone": "drops it: unknown_index",
    },
    "a data packet comes twice": {
      "initiating": "drops it: unknown_index",
      "half_open": "→ established; drops it: replayed",
      "established, initiator": "sends data; drops it: replayed",
      "established, responder": "sends data; drops it: replayed",
      "gone": "drops it: unknown_index",
    },
    "a data packet comes that does not authenticate": {
      "initiating": "drops it: unknown_index",
      "half_open": "drops it: bad_packet",
      "established, initiator": "drops it: bad_packet",
      "established, responder": "drops it: bad_packet",
      "gone": "drops it: unknown_index",
    },
    "ten seconds pass": {
      "initiating": "→ gone; sends initiation; application gets HandshakeTimeoutError",
      "half_open": "→ gone",
      "established, initiator": "sends data",
      "established, responder": "sends data",
      "gone": "—",
    },
    "application gives up": {
      "initiating": "→ gone; application gets NodeClosedError",
      "half_open": "→ gone",
      "established, initiator": "→ lingering; sends data; application gets SessionClosedError",
      "established, responder": "→ lingering; sends data; application gets SessionClosedError",
      "gone": "—",
    },
  },
};

/** All tables, in the order of the page. */
export const STATE_TABLES: readonly StateTable[] = [
  SENDING_TABLE,
  RECEIVING_TABLE,
  SESSION_TABLE,
  HANDSHAKE_TABLE,
];
