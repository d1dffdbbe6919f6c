/**
 * What limits a transfer. Both nodes run in one process, one after the other on its one thread, so that what a
 * resource could do alone says how much of the time it took: achieved ÷ ceiling.
 *
 * @module
 */

import { bytesPerSecond, type Ceiling, type Resource, type Share, type Transfer } from "./doctor_report.ts";

/** The parts of a transfer's time, the greatest first. */
export function sharesOf(transfer: Transfer, ceilings: readonly Ceiling[]): Share[] {
  const { kind, perSecond: achieved } = transfer;
  const found = kind === "bytes"
    ? [
      part("udp", udpCeiling(transfer, ceilings)),
      part("encryption", together(nearest(ceilings, "encryption", transfer.datagramSize))),
      part("hash", together(nearest(ceilings, "hash", Infinity))),
    ]
    : [
      part(
        "files",
        together(ceilings.filter(({ resource }) => resource === "files"), ({ perSecond }) => perSecond),
      ),
    ];
  const shares: Share[] = found.filter(({ ceiling }) => ceiling > 0)
    .map(({ resource, ceiling }) => ({ resource, ceiling, share: Math.min(1, achieved / ceiling) }));
  const rest = 1 - shares.reduce((sum, { share }) => sum + share, 0);
  // Ceilings were measured at other moments than the transfer: together they can come to more than all of it.
  if (rest > 0) shares.push({ resource: "hawser", ceiling: achieved / rest, share: rest });
  return shares.sort((a, b) => b.share - a.share);
}

function part(resource: Resource, ceiling: number): { resource: Resource; ceiling: number } {
  return { resource, ceiling };
}

function udpCeiling({ driver, datagramSize }: Transfer, ceilings: readonly Ceiling[]): number {
  return together(nearest(ceilings.filter((ceiling) => ceiling.driver === driver), "udp", datagramSize));
}

/** Ceilings of the first driver named, which is the one in use, at the size nearest to `size`. */
function nearest(ceilings: readonly Ceiling[], resource: Resource, size: number): Ceiling[] {
  const all = ceilings.filter((ceiling) => ceiling.resource === resource);
  const ofDriver = all.filter(({ driver }) => driver === all[0].driver);
  const distance = (ceiling: Ceiling) => Math.abs(ceiling.size - size);
  const least = Math.min(...ofDriver.map(distance));
  return ofDriver.filter((ceiling) => size === Infinity || distance(ceiling) === least);
}

/** What can be done when every action is done to everything: packets are sealed and opened. 0 when there is none. */
function together(ceilings: readonly Ceiling[], rate: (ceiling: Ceiling) => number = bytesPerSecond): number {
  const time = ceilings.reduce((sum, ceiling) => sum + 1 / rate(ceiling), 0);
  return time === 0 ? 0 : 1 / time;
}
