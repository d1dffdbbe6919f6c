/**
 * The log: LogTape, loaded with the first message. It costs a start a tenth of its time, and most programs never get a
 * message.
 *
 * @module
 */

/** How serious a message is, in LogTape's words. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/**
 * Writes a message to the log. Silent unless the application configures LogTape. The message arrives a moment after
 * the call, messages in their order.
 *
 * @param part what of the library speaks: its messages have the category `hawser`, `part`.
 * @param message text with `{name}` where a property belongs.
 */
export function log(
  part: "blob" | "directory" | "mesh" | "udp",
  level: LogLevel,
  message: string,
  properties: Readonly<Record<string, unknown>> = {},
): void {
  import("@logtape/logtape").then(
    ({ getLogger }) => getLogger(["hawser", part])[level](message, properties),
    // Without a log nobody can be told so.
    () => {},
  );
}
