/**
 * Every constant of the transport with its reason. Times are milliseconds, sizes bytes.
 *
 * @module
 */

/** UDP payload every path carries (RFC 9000 §14): packets start at this size. */
export const BASE_DATAGRAM_SIZE = 1200;
/** Sizes probed upward on any path (`protocol.md` 6): Ethernet with and without tunnels in between. */
export const PATH_PROBE_SIZES: readonly number[] = [1400, 1452];
/** Further sizes on loopback, whose MTU is 64 KiB. */
export const LOOPBACK_PROBE_SIZES: readonly number[] = [4096, 16384, 61440];
/** Probes of one size before the search gives it up (RFC 8899 §5.1.2 MAX_PROBES). */
export const MAX_PROBES = 3;
/** Probe time-outs in a row after which packets shrink to the base size: the path may have become a black hole. */
export const BLACK_HOLE_TIMEOUTS = 3;
/** Longest DATAGRAM frame taken: any that fits a packet (RFC 9221 §3 recommends this number). */
export const MAX_DATAGRAM_FRAME = 65_535;
/** Full packets lost one after another, over more than a round trip, that mean the same while small ones still pass. */
export const BLACK_HOLE_LOSSES = 6;
/** After this time a search that ended below the largest size begins again (RFC 8899 §5.1.1 PMTU_RAISE_TIMER). */
export const PMTU_RAISE_TIME = 600_000;
/** Largest datagram this implementation builds or receives. */
export const MAX_DATAGRAM_SIZE = 65507;

/** Round-trip time before the first sample (`protocol.md` 5). */
export const INITIAL_RTT = 100;
/** The same for loopback and private addresses. */
export const INITIAL_RTT_LOCAL = 50;
/** RFC 9002 §6.1.2: the least time a packet may be judged late by. */
export const TIMER_GRANULARITY = 1;
/**
 * Probe time-outs grow up to the idle time-out over this number: an outage of two thirds of that time is over before
 * the last two rounds of probes, and one of these may be lost.
 */
export const PROBES_PER_IDLE_TIMEOUT = 6;
/** RFC 9002 §6.1.1 kPacketThreshold. */
export const PACKET_THRESHOLD = 3;
/** Where that threshold stops growing on a path that reorders (RFC 9002 §6.1.1 lets it grow). */
export const MAX_PACKET_THRESHOLD = 128;
/** RFC 9002 §6.1.2 kTimeThreshold. */
export const TIME_THRESHOLD: number = 9 / 8;
/** Where that threshold stops growing on a path that reorders: what is later than this costs less to send again. */
export const MAX_TIME_THRESHOLD: number = 3 / 2;
/** Packets judged lost that are remembered in case that they arrive after all. */
export const MAX_REMEMBERED_LOSSES = 4096;
/** How long they are, in probe time-outs. */
export const REMEMBERED_LOSS_TIMEOUTS = 3;
/** RFC 9002 §7.6.1 kPersistentCongestionThreshold. */
export const PERSISTENT_CONGESTION_THRESHOLD = 3;
/** ACK at the latest after this time (`protocol.md` 5). */
export const MAX_ACK_DELAY = 5;
/** ACK at the latest for every second packet ... */
export const ACK_EVERY_PACKETS = 2;
/** ... or this many bytes: with datagrams of tens of kilobytes two of them are a whole window. */
export const ACK_EVERY_BYTES: number = 16 * 1024;
/** While packets come fast and in order, fewer ACKs do: so many in a round trip still clock the sender ... */
export const ACKS_PER_ROUND_TRIP = 16;
/** ... but none for more packets than this: as many as a sender may send in a burst. */
export const ACK_EVERY_PACKETS_STEADY = 10;
/**
 * On a short path what is in flight sits in our own socket, and the sender's window is that socket's size: a quarter of
 * it at a time keeps the sender at work, and an ACK costs both sides as much as a packet.
 */
export const ACKS_PER_SHORT_ROUND_TRIP = 4;
/** There an ACK is due for so many packets at the latest: a quarter of the least socket ... */
export const ACK_EVERY_PACKETS_SHORT = 22;
/** ... in bytes. */
export const ACK_EVERY_BYTES_SHORT: number = 32 * 1024;
/** After a gap in the packet numbers so many packets are acknowledged at once: the sender's window is small. */
export const QUICK_ACKS = 24;
/** ACK ranges kept and sent (`protocol.md` 5). */
export const MAX_ACK_RANGES = 64;
/** Longest ACK frame: leaves room for other frames in the smallest packet. */
export const MAX_ACK_LENGTH = 512;
/** ACK delays are told in units of this power of two, microseconds (RFC 9000 §18.2 default). */
export const ACK_DELAY_EXPONENT = 3;
/** Packet numbers behind the highest that are still told from replays (`protocol.md` 2.3). */
export const REPLAY_WINDOW = 4096;

/** RFC 9002 §7.2: first congestion window in packets. */
export const INITIAL_WINDOW_PACKETS = 10;
/** RFC 9002 §7.2: least congestion window in packets. */
export const MINIMUM_WINDOW_PACKETS = 2;
/** Pacing rate over cwnd / srtt (RFC 9002 §7.7). */
export const PACING_GAIN = 1.25;
/** Packets sent back to back at most (RFC 9002 §7.7) ... */
export const PACING_BURST_PACKETS = 10;
/** ... or what this time is worth at the pacing rate, because timers of an event loop are no finer. */
export const PACING_BURST_TIME = 2;
/**
 * Below this round-trip time nothing but the receiver's socket can hold what is in flight, so the congestion window
 * stops at its size: more would only be dropped there.
 */
export const SHORT_PATH_RTT = 2;

/** Initiator's schedule (`protocol.md` 2.1): the wait after each initiation; after the last one comes the time-out. */
export const HANDSHAKE_RESENDS: readonly number[] = [250, 500, 1_000, 2_000, 4_000];
/** Share by which each of these delays is stretched at random. */
export const HANDSHAKE_JITTER = 0.1;
/** Responses that fail under our mesh key before the peer counts as not accepting us. */
export const HANDSHAKE_REFUSALS = 2;
/** Initiations are padded to this size, so that a response is never the longer (`protocol.md` 2). */
export const INITIATION_PARAMETERS_LENGTH = 256;
/** Half-open handshakes a responder keeps; the oldest goes (`protocol.md` 8). */
export const MAX_HALF_OPEN = 1024;
/** Handshake packets that wait for a socket that takes no more; further ones count as lost on the way. */
export const MAX_OUTBOX = 1024;
/** A half-open handshake ends after this time: the initiator's whole schedule. */
export const HALF_OPEN_TIMEOUT = 10_000;
/**
 * A peer's handshake that arrives this soon after ours is done may have begun before: resends take so long. What it
 * makes does not end ours.
 */
export const CROSSING_TIME = 10_000;
/** A session that only its streams keep ends after this silence even if nobody set an idle time-out. */
export const FADING_IDLE_TIMEOUT = 30_000;
/** Sessions of one node (`protocol.md` 8). */
export const MAX_SESSIONS = 4096;
/** Initiators whose last handshake time is remembered; the oldest goes. */
export const MAX_KNOWN_INITIATORS = 65_536;

/** Initiations per second beyond which a node asks for cookies (`protocol.md` 2.1). */
export const COOKIE_THRESHOLD = 100;
/** A cookie's secret makes cookies for this time, and takes them for as long again: two are kept. */
export const COOKIE_SECRET_LIFETIME = 120_000;
/** Cookie replies per second at most, 4 MiB of them: well above what an event loop can make, yet a bound. */
export const COOKIE_REPLIES_PER_SECOND = 65_536;
/** Initiations per second that one host gets through under load, each with a cookie; as many as WireGuard lets. */
export const INITIATIONS_PER_HOST = 20;
/** Hosts counted in one second under load; further ones wait for the next. */
export const MAX_HOSTS_UNDER_LOAD = 1024;
/** Cookies kept for peers to connect to; the oldest goes. */
export const MAX_COOKIES = 1024;

/** Bytes sent to an address that has not answered, for each byte that came from there (RFC 9000 §8.1). */
export const AMPLIFICATION_LIMIT = 3;
/** Challenges to an address that wants to be the peer's, one probe time-out apart (RFC 9000 §8.2.4). */
export const PATH_CHALLENGES = 3;
/** Challenges to the address in use meanwhile: of two hardly both get lost, and one answer keeps the session there. */
export const PATH_OLD_CHALLENGES = 2;
/** After the address in use has answered, packets from elsewhere do not make it prove itself again for this time. */
export const PATH_QUIET_TIME = 1_000;
/** PATH_RESPONSEs that wait to be sent; more challenges than these are not answered. */
export const MAX_PATH_RESPONSES = 8;
/** Addresses that a response went to: the peer may confirm the handshake from each. */
export const MAX_RESPONSE_ADDRESSES = 8;

/** Packets sent under one key before the next one is taken (`protocol.md` 2.3) ... */
export const KEY_UPDATE_PACKETS: number = 2 ** 22;
/** ... or the time after which it is. */
export const KEY_UPDATE_INTERVAL = 600_000;
/** Packets sent under one key at most: a session whose peer does not follow its key updates ends then. */
export const MAX_PACKETS_PER_KEY: number = 2 ** 32;

/** Bytes that the application may hand to one stream before it is told to wait. */
export const SEND_BUFFER: number = 1024 * 1024;
/** Out-of-order pieces that one session keeps; a packet that would add more is dropped unacknowledged ... */
export const MAX_REASSEMBLY_SEGMENTS = 8192;
/** ... where this many bytes make up for one piece: those of full packets are bounded by flow control alone. */
export const REASSEMBLY_SEGMENT_SIZE = 512;
/** Received pieces shorter than this share of their packet are copied out, so that they do not hold it all. */
export const COPY_OUT_SHARE: number = 1 / 4;
/** Received pieces shorter than this are copied too: gathered they cost their reader less than one array per packet. */
export const SMALL_PIECE = 4096;

/** Share of the link that lower priorities keep while a higher one is busy (`protocol.md` 4): one in so many bytes. */
export const STARVATION_SHARE = 16;
/** Priorities of streams, 0 the highest. */
export const PRIORITIES = 8;

/** How a session behaves; every field has a default. */
export interface TransportOptions {
  /** Silence after which a session ends, milliseconds; the smaller of both sides' counts. @default 30000 */
  readonly idleTimeout: number;
  /** Sends a PING at a third of the idle time-out even while no stream is open. @default false */
  readonly keepAlive: boolean;
  /** Largest datagram sent, bytes. @default 61440 on loopback, 1452 elsewhere */
  readonly maxDatagramSize: number | undefined;
  /** Bytes of datagrams that this node's socket queues; the driver knows. @default 131072 */
  readonly receiveBuffer: number;
  /** First credit for all streams together, bytes. @default 16 MiB */
  readonly connectionWindow: number;
  /** Where growth of that credit stops. @default 64 MiB */
  readonly maxConnectionWindow: number;
  /** First credit of each stream, bytes. @default 1 MiB */
  readonly streamWindow: number;
  /** Where growth of that credit stops. @default 16 MiB */
  readonly maxStreamWindow: number;
  /** Streams that a peer may have open. @default 1024 */
  readonly maxStreams: number;
  /**
   * Unreliable datagrams that wait to be sent, and those that wait to be read: bytes of each, 64 more counted for each
   * datagram. The oldest goes when there is no room. 0 takes none from peers. @default 256 KiB
   */
  readonly datagramQueue: number;
  /** Program name and version told to peers. @default "hawser" */
  readonly agent: string;
}

/** Defaults of {@linkcode TransportOptions}. */
export const DEFAULT_TRANSPORT: TransportOptions = {
  idleTimeout: 30_000,
  keepAlive: false,
  maxDatagramSize: undefined,
  receiveBuffer: 128 * 1024,
  connectionWindow: 16 * 1024 * 1024,
  maxConnectionWindow: 64 * 1024 * 1024,
  streamWindow: 1024 * 1024,
  maxStreamWindow: 16 * 1024 * 1024,
  maxStreams: 1024,
  datagramQueue: 256 * 1024,
  agent: "hawser",
};

/** Limits that only tests change. */
export interface EndpointLimits {
  /** See {@linkcode COOKIE_THRESHOLD}. */
  readonly cookieThreshold: number;
  /** See {@linkcode KEY_UPDATE_PACKETS}. */
  readonly keyUpdatePackets: number;
  /** See {@linkcode KEY_UPDATE_INTERVAL}. */
  readonly keyUpdateInterval: number;
  /** See {@linkcode MAX_PACKETS_PER_KEY}. */
  readonly maxPacketsPerKey: number;
}

/** The limits of every node. */
export const DEFAULT_LIMITS: EndpointLimits = {
  cookieThreshold: COOKIE_THRESHOLD,
  keyUpdatePackets: KEY_UPDATE_PACKETS,
  keyUpdateInterval: KEY_UPDATE_INTERVAL,
  maxPacketsPerKey: MAX_PACKETS_PER_KEY,
};

/**
 * Codes of CONNECTION_CLOSE, RESET_STREAM and STOP_SENDING. Below 0x100 the transport errors of RFC 9000 §20.1 with
 * their numbers, from 0x100 ours, from 0x1000 (`APPLICATION`) the application's own.
 */
export const ErrorCode = {
  NO_ERROR: 0x00,
  INTERNAL_ERROR: 0x01,
  FLOW_CONTROL_ERROR: 0x03,
  STREAM_LIMIT_ERROR: 0x04,
  STREAM_STATE_ERROR: 0x05,
  FINAL_SIZE_ERROR: 0x06,
  FRAME_ENCODING_ERROR: 0x07,
  PROTOCOL_VIOLATION: 0x0a,
  /** The peer's `authorize` said no. */
  NOT_AUTHORIZED: 0x100,
  /** A newer session of the same peer took this one's place. */
  SESSION_REPLACED: 0x101,
  /** Nobody serves the stream's protocol number. */
  UNKNOWN_PROTOCOL: 0x102,
  /** The application gave up the stream or the session. */
  CANCELLED: 0x103,
  /** The session's silence exceeded the idle time-out; never sent. */
  IDLE_TIMEOUT: 0x104,
  /** The first code that the library leaves to applications; they may use all up to 2^53 - 1. */
  APPLICATION: 0x1000,
} as const;
