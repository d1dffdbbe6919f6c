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
    const low = this.#firstEndingAt(start);
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
    let low = this.#firstEndingAt(start);
    if (bounds[low + 1] === start) low += 2;
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
    for (let i = this.#firstEndingAt(start); i < bounds.length && start < end; i += 2) {
      if (bounds[i] >= end) break;
      if (bounds[i] > start) out.push(start, bounds[i]);
      start = Math.max(start, bounds[i + 1]);
    }
    if (start < end) out.push(start, end);
    return out;
  }

  /** Empties the set. */
  clear(): void {
    this.#bounds.length = 0;
  }

  /** Index of the first range that ends at `offset` or behind it. */
  #firstEndingAt(offset: number): number {
    const bounds = this.#bounds;
    let low = 0;
    let high = bounds.length / 2;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (bounds[2 * middle + 1] < offset) low = middle + 1;
      else high = middle;
    }
    return 2 * low;
  }
}
