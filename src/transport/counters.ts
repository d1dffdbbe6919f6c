/**
 * What an endpoint counts. Every reason for which a datagram is dropped has its own counter (`protocol.md` 8).
 *
 * @module
 */

/** Datagrams dropped, by reason: each that is dropped counts in exactly one of these. */
export interface DropCounters {
  /** Dropped: first byte is no packet type. */
  unknown_type: number;
  /** Dropped: shorter than its type allows. */
  short_packet: number;
  /** Dropped: a reserved byte is not zero. */
  reserved_not_zero: number;
  /** Dropped: version byte of an initiation is not ours. */
  unsupported_version: number;
  /** Dropped: no session or handshake has this receiver index. */
  unknown_index: number;
  /** Dropped: mac1 is wrong, the packet is not for this key. */
  bad_mac1: number;
  /** Dropped: a handshake message does not authenticate or decode. */
  bad_handshake: number;
  /** Dropped: an initiation's time is not later than one seen from the same key. */
  stale_initiation: number;
  /** Dropped: this node accepts nobody. */
  not_accepting: number;
  /** Dropped: as many sessions as allowed. */
  too_many_sessions: number;
  /** Dropped: both sides connect at once, and this handshake is not the one that counts. */
  simultaneous_open: number;
  /** Dropped: an initiation from this node's own key. */
  own_key: number;
  /** Dropped under load: an initiation without a valid cookie; as far as allowed it was answered with one. */
  cookie_required: number;
  /** Dropped under load: more initiations of one host, or of more hosts, than get through per second. */
  host_over_limit: number;
  /** Dropped: a cookie reply does not authenticate. */
  bad_cookie: number;
  /** Dropped: packet number seen before or too old. */
  replayed: number;
  /** Dropped: a data packet does not authenticate. */
  bad_packet: number;
  /** Dropped: a data packet of the key phase before, whose keys are gone. */
  old_key_phase: number;
  /** Dropped unacknowledged: too many out-of-order pieces held. */
  reassembly_full: number;
}

/** Counters of one endpoint since its start. */
export interface Counters extends DropCounters {
  /** Datagrams received, valid or not. */
  datagramsReceived: number;
  /** Bytes of them. */
  bytesReceived: number;
  /** Datagrams sent. */
  datagramsSent: number;
  /** Bytes of them. */
  bytesSent: number;
  /** Packets judged lost by sessions that ended; live ones tell theirs themselves. */
  packetsLost: number;
  /** Sessions that came to stand. */
  sessionsEstablished: number;
  /** Sessions that ended. */
  sessionsEnded: number;
  /** Errors that nothing expected, in the library or in a callback; each is in the log. */
  internal_errors: number;
  /** Both sides connected at once and both sessions came to stand: one of them fades. */
  sessions_crossed: number;
  /** Key updates that came into effect in sessions, whoever began them. */
  key_updates: number;
  /** Packets of a session came from another address than the peer's, and both were challenged. */
  path_validations: number;
  /** The other address answered, the peer's did not: the session moved. */
  path_changes: number;
  /** The peer's address answered: the session stayed. */
  paths_kept: number;
  /** Neither answered in time: the session stayed. */
  path_failures: number;
  /** Half-open handshakes given up for newer ones. */
  half_open_evicted: number;
  /** Cookie replies sent: the node was under load. */
  cookies_sent: number;
  /** Cookies received from peers under load. */
  cookies_received: number;
  /** Handshake packets not sent because the socket took none for too long. */
  outbox_full: number;
}

/** All counters at zero. */
export function zeroCounters(): Counters {
  return {
    datagramsReceived: 0,
    bytesReceived: 0,
    datagramsSent: 0,
    bytesSent: 0,
    packetsLost: 0,
    sessionsEstablished: 0,
    sessionsEnded: 0,
    internal_errors: 0,
    sessions_crossed: 0,
    key_updates: 0,
    path_validations: 0,
    path_changes: 0,
    paths_kept: 0,
    path_failures: 0,
    half_open_evicted: 0,
    cookies_sent: 0,
    cookies_received: 0,
    outbox_full: 0,
    ...zeroDrops(),
  };
}

function zeroDrops(): DropCounters {
  return {
    unknown_type: 0,
    short_packet: 0,
    reserved_not_zero: 0,
    unsupported_version: 0,
    unknown_index: 0,
    bad_mac1: 0,
    bad_handshake: 0,
    stale_initiation: 0,
    not_accepting: 0,
    too_many_sessions: 0,
    simultaneous_open: 0,
    own_key: 0,
    cookie_required: 0,
    host_over_limit: 0,
    bad_cookie: 0,
    replayed: 0,
    bad_packet: 0,
    old_key_phase: 0,
    reassembly_full: 0,
  };
}

/** Datagrams dropped, for whatever reason. */
export function datagramsDropped(counters: Readonly<Counters>): number {
  return DROP_REASONS.reduce((sum, reason) => sum + counters[reason], 0);
}

const DROP_REASONS = Object.keys(zeroDrops()) as (keyof DropCounters)[];
