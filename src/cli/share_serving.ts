/**
 * What all kinds of `hawser share` have in common once they serve.
 *
 * @module
 */

import type { ScanStats } from "../directory/scan.ts";
import type { MeshNode } from "../mesh/node.ts";
import type { Session } from "../mesh/session.ts";
import { shortNodeId } from "../wire/node_id.ts";
import { errorText } from "./error_text.ts";
import type { FetchWatch } from "./fetch_watch.ts";
import { formatBytes, formatPlural } from "./format.ts";
import type { Output } from "./output.ts";

/** Resolves at the first complete fetch when `once`, else never; rejects when the signal aborts or `work` fails. */
export function untilServed(
  node: MeshNode,
  watch: FetchWatch,
  output: Output,
  once: boolean,
  signal: AbortSignal,
  work?: Promise<void>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    work?.catch(reject);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    if (signal.aborted) reject(signal.reason);
    const onEnd = async (session: Session): Promise<void> => {
      const { code } = await session.closed;
      const bytes = watch.closed(session, code);
      const peer = shortNodeId(session.peerId);
      output.detail(`${peer} is gone (${code})`);
      if (bytes === undefined) return;
      output.note(`${peer} has fetched it (${formatBytes(bytes)} sent)`);
      output.json({ event: "fetched", peer: session.peerName, bytes });
      if (once) resolve();
    };
    const accept = async (): Promise<void> => {
      for await (const session of node.incoming()) {
        output.detail(`${shortNodeId(session.peerId)} is here`);
        onEnd(session).catch(reject);
      }
    };
    accept().catch(reject);
  });
}

/** Warns of files that cannot be served any more, of each once, however often it is asked for. */
export function warnOnce(output: Output): (error: Error) => void {
  const warned = new Set<string>();
  return (error) => {
    const text = errorText(error);
    if (warned.has(text)) return;
    warned.add(text);
    output.warn(text);
  };
}

/** How much was read. */
export function contentText({ files, bytes }: ScanStats): string {
  return `${formatPlural(files, "file")}, ${formatBytes(bytes)}`;
}

/** Names what is not part of what was read. */
export function warnOfSkipped({ skipped }: ScanStats, output: Output): void {
  for (const { path, reason } of skipped) output.warn(`left out "${path}": ${reason}`);
}
