/**
 * A set of numbers kept as sorted, disjoint, non-adjacent half-open ranges: acknowledged and lost parts of a stream.
 *
 * @module
 */

/** Sorted half-open ranges. */
export class RangeSet {
  /** Flat pairs: start, end, start, end, ... */
  readonly #bounds: number[] = [];

  /** Number of ranges. */
  get size(): number {
    return this.#bounds.length / 2;
  }

  /** Start of the lowest range; `undefined` when empty. */
  get start(): number | undefined {
    return this.#bounds[0];
  }

  /** End of the lowest range; `undefined` when empty. */
  get end(): number | undefined {
    return this.#bounds[1];
  }

  /** Adds [start, end). */
  add(start: number, end: number): void {
    if (start >= end) return;
    const bounds = this.#bounds;
    // The common cases: append, or extend the last range.
    const last = bounds.length - 1;
    if (last < 0 || start > bounds[last]) {
      bounds.push(start, end);
      return;
    }
    let low = 0;
    while (low < bounds.length && bounds[low + 1] < start) low += 2;
    let high = low;
    while (high < bounds.length && bounds[high] <= end) high += 2;
    if (high > low) {
      start = Math.min(start, bounds[low]);
      end = Math.max(end, bounds[high - 1]);
    }
    bounds.splice(low, high - low, start, end);
  }

  /** Takes [start, end) out. */
  remove(start: number, end: number): void {
    if (start >= end) return;
    const bounds = this.#bounds;
    let low = 0;
    while (low < bounds.length && bounds[low + 1] <= start) low += 2;
    let high = low;
    while (high < bounds.length && bounds[high] < end) high += 2;
    if (high === low) return;
    const rest: number[] = [];
    if (bounds[low] < start) rest.push(bounds[low], start);
    if (bounds[high - 1] > end) rest.push(end, bounds[high - 1]);
    bounds.splice(low, high - low, ...rest);
  }

  /** Drops everything below `limit`. */
  removeBelow(limit: number): void {
    if (this.#bounds.length > 0 && this.#bounds[0] < limit) this.remove(this.#bounds[0], limit);
  }

  /** The parts of [start, end) that are not in the set, as flat pairs. */
  gaps(start: number, end: number): number[] {
    const out: number[] = [];
    const bounds = this.#bounds;
    for (let i = 0; i < bounds.length && start < end; i += 2) {
      if (bounds[i + 1] <= start) continue;
      if (bounds[i] >= end) break;
      if (bounds[i] > start) out.push(start, bounds[i]);
      start = bounds[i + 1];
    }
    if (start < end) out.push(start, end);
    return out;
  }

  /** Empties the set. */
  clear(): void {
    this.#bounds.length = 0;
  }
}
