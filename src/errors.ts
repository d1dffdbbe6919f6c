/**
 * Every error that Hawser throws, in one flat list. Each class sets its own `name`, accepts `ErrorOptions`
 * (`cause`) and carries what it knows as fields, so that callers tell errors apart by `instanceof` or by
 * `name`, never by reading the message.
 *
 * @module
 */

/** Base of every error thrown by this library. */
export class HawserError extends Error {
  /** Name of the class, stable across versions. */
  override readonly name: string = "HawserError";
}

// --- input and formats -------------------------------------------------------------------------------------

/** Thrown before any work when an option or argument is not usable. */
export class InvalidArgumentError extends HawserError {
  /** Always `InvalidArgumentError`. */
  override readonly name: string = "InvalidArgumentError";
}

/** Thrown when bytes or text do not have the form that their format demands. */
export class DecodeError extends HawserError {
  /** Always `DecodeError`. */
  override readonly name: string = "DecodeError";
}

/** Thrown when a format declares a version that this release does not read. */
export class UnsupportedVersionError extends HawserError {
  /** Always `UnsupportedVersionError`. */
  override readonly name: string = "UnsupportedVersionError";
  /**
   * Makes the error.
   *
   * @param what the format, for the message.
   * @param version the version found.
   */
  constructor(what: string, readonly version: number, options?: ErrorOptions) {
    super(`Decode ${what}: version ${version} is not supported`, options);
  }
}

/** Thrown when something valid was asked for that this release cannot do. */
export class UnsupportedError extends HawserError {
  /** Always `UnsupportedError`. */
  override readonly name: string = "UnsupportedError";
}

/** Thrown when input exceeds a limit; the limit is an option or a documented constant. */
export class LimitExceededError extends HawserError {
  /** Always `LimitExceededError`. */
  override readonly name: string = "LimitExceededError";
  /**
   * Makes the error.
   *
   * @param limit the limit's name.
   * @param actual what was found.
   * @param maximum what is allowed.
   */
  constructor(
    message: string,
    readonly limit: string,
    readonly actual: number,
    readonly maximum: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

// --- content -----------------------------------------------------------------------------------------------

/** Thrown when nobody who was asked has the blob. */
export class BlobNotFoundError extends HawserError {
  /** Always `BlobNotFoundError`. */
  override readonly name: string = "BlobNotFoundError";
  /**
   * Makes the error.
   *
   * @param hash BLAKE3 address, hex.
   */
  constructor(message: string, readonly hash: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** Thrown when bytes do not hash to their address: corrupted at rest, or sent by a wrong or hostile holder. */
export class HashMismatchError extends HawserError {
  /** Always `HashMismatchError`. */
  override readonly name: string = "HashMismatchError";
  /**
   * Makes the error.
   *
   * @param expected address, hex.
   * @param actual what the bytes hash to, hex.
   * @param holder who sent them.
   */
  constructor(
    readonly expected: string,
    readonly actual: string,
    readonly holder?: string,
    options?: ErrorOptions,
  ) {
    super(
      `Verify blob${holder ? ` from "${holder}"` : ""}: expected hash ${expected}, bytes hash to ${actual}`,
      options,
    );
  }
}

/** Thrown when content is longer or shorter than its reference declares. */
export class SizeMismatchError extends HawserError {
  /** Always `SizeMismatchError`. */
  override readonly name: string = "SizeMismatchError";
  /**
   * Makes the error.
   *
   * @param expected declared size, bytes.
   * @param actual size found, bytes.
   */
  constructor(message: string, readonly expected: number, readonly actual: number, options?: ErrorOptions) {
    super(message, options);
  }
}

/** Thrown when a file served in place is no longer what was hashed. */
export class SourceChangedError extends HawserError {
  /** Always `SourceChangedError`. */
  override readonly name: string = "SourceChangedError";
  /**
   * Makes the error.
   *
   * @param path the file.
   */
  constructor(readonly path: string, detail: string, options?: ErrorOptions) {
    super(`Read "${path}": file changed since it was hashed (${detail})`, options);
  }
}

/** Thrown when a holder refuses a request; `code` is a {@linkcode RefusalCode}. */
export class TransferRefusedError extends HawserError {
  /** Always `TransferRefusedError`. */
  override readonly name: string = "TransferRefusedError";
  /**
   * Makes the error.
   *
   * @param code why, as the holder says.
   */
  constructor(message: string, readonly code: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** Thrown when a peer breaks the protocol of blob transfers or of offers (`content.md` 2 and 5). */
export class TransferProtocolError extends HawserError {
  /** Always `TransferProtocolError`. */
  override readonly name: string = "TransferProtocolError";
}

/** Thrown when the holder of an offered directory could not read it; the message has its words. */
export class OfferFailedError extends HawserError {
  /** Always `OfferFailedError`. */
  override readonly name: string = "OfferFailedError";
}

/** Thrown when a store's files are damaged, or a store is used after `close`. */
export class StoreError extends HawserError {
  /** Always `StoreError`. */
  override readonly name: string = "StoreError";
}

/** Thrown when another process has the store or the destination open. */
export class LockedError extends HawserError {
  /** Always `LockedError`. */
  override readonly name: string = "LockedError";
  /**
   * Makes the error.
   *
   * @param path the locked file.
   */
  constructor(message: string, readonly path: string, options?: ErrorOptions) {
    super(message, options);
  }
}

// --- directories -------------------------------------------------------------------------------------------

/** Thrown when a manifest entry would be written outside the destination, or not as itself. */
export class UnsafePathError extends HawserError {
  /** Always `UnsafePathError`. */
  override readonly name: string = "UnsafePathError";
  /**
   * Makes the error.
   *
   * @param path the entry's path, as found.
   */
  constructor(message: string, readonly path: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** Thrown when a directory manifest is well formed but contradicts itself. */
export class ManifestError extends HawserError {
  /** Always `ManifestError`. */
  override readonly name: string = "ManifestError";
}

/** Thrown when a file system call fails; `cause` is the system's error, `code` its name such as `EACCES`. */
export class FileSystemError extends HawserError {
  /** Always `FileSystemError`. */
  override readonly name: string = "FileSystemError";
  /**
   * Makes the error.
   *
   * @param path what the call was about.
   * @param code system error name, if known.
   */
  constructor(message: string, readonly path: string, readonly code?: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** Thrown when the file system has no room for what is to be written. */
export class DiskFullError extends FileSystemError {
  /** Always `DiskFullError`. */
  override readonly name: string = "DiskFullError";
}

/** Thrown before any work when the runtime's permissions do not suffice; the message names the flags. */
export class PermissionDeniedError extends HawserError {
  /** Always `PermissionDeniedError`. */
  override readonly name: string = "PermissionDeniedError";
  /**
   * Makes the error.
   *
   * @param flags command-line flags to add, such as `--allow-read=/srv`.
   */
  constructor(message: string, readonly flags: readonly string[], options?: ErrorOptions) {
    super(message, options);
  }
}

// --- peers, sessions, streams ------------------------------------------------------------------------------

/** Thrown when nobody answered the handshake within its schedule (`protocol.md` 2.1). */
export class HandshakeTimeoutError extends HawserError {
  /** Always `HandshakeTimeoutError`. */
  override readonly name: string = "HandshakeTimeoutError";
  /**
   * Makes the error.
   *
   * @param addresses where the peer was looked for.
   */
  constructor(message: string, readonly addresses: readonly string[], options?: ErrorOptions) {
    super(message, options);
  }
}

/** Thrown when the peer is there but does not accept this node: mesh key differs, or its `authorize` said no. */
export class NotAuthorizedError extends HawserError {
  /** Always `NotAuthorizedError`. */
  override readonly name: string = "NotAuthorizedError";
}

/** Thrown when a peer that answered earlier says nothing any more. */
export class PeerSilentError extends HawserError {
  /** Always `PeerSilentError`. */
  override readonly name: string = "PeerSilentError";
  /**
   * Makes the error.
   *
   * @param silentMs how long nothing was heard, milliseconds.
   */
  constructor(message: string, readonly silentMs: number, options?: ErrorOptions) {
    super(message, options);
  }
}

/** Thrown by work on a session that ended; `code` is the application's or transport's error code. */
export class SessionClosedError extends HawserError {
  /** Always `SessionClosedError`. */
  override readonly name: string = "SessionClosedError";
  /**
   * Makes the error.
   *
   * @param code error code of CONNECTION_CLOSE.
   * @param remote whether the peer closed it.
   * @param reason text for people that came with the code.
   */
  constructor(
    message: string,
    readonly code: number,
    readonly remote: boolean,
    readonly reason: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Thrown by streams of a session that a newer one from the same peer replaced: the peer restarted. */
export class SessionReplacedError extends SessionClosedError {
  /** Always `SessionReplacedError`. */
  override readonly name: string = "SessionReplacedError";
}

/** Thrown when a peer breaks the transport protocol; the session is closed with `code`. */
export class ProtocolError extends HawserError {
  /** Always `ProtocolError`. */
  override readonly name: string = "ProtocolError";
  /**
   * Makes the error.
   *
   * @param code transport error code, RFC 9000 §20.1.
   */
  constructor(message: string, readonly code: number, options?: ErrorOptions) {
    super(message, options);
  }
}

/** Thrown by a stream that either side abandoned with RESET_STREAM or STOP_SENDING. */
export class StreamResetError extends HawserError {
  /** Always `StreamResetError`. */
  override readonly name: string = "StreamResetError";
  /**
   * Makes the error.
   *
   * @param code application error code.
   * @param remote whether the peer did it.
   */
  constructor(message: string, readonly code: number, readonly remote: boolean, options?: ErrorOptions) {
    super(message, options);
  }
}

/** Thrown when the local address cannot be bound, or the socket fails. */
export class SocketError extends HawserError {
  /** Always `SocketError`. */
  override readonly name: string = "SocketError";
}

/** Thrown by work on a node that was closed. */
export class NodeClosedError extends HawserError {
  /** Always `NodeClosedError`. */
  override readonly name: string = "NodeClosedError";
}
