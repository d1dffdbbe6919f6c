/**
 * How often something can be done a second.
 *
 * @module
 */

/** The work is measured in so many slices, of which the fastest counts: others of the machine only make it slower. */
const SLICES = 4;

/** Times a second that `action` can be done, measured in about `ms` milliseconds after it was done for a while. */
export function ratePerSecond(action: () => void, ms: number): number {
  const slice = ms / (SLICES + 1);
  let best = 0;
  for (let i = 0; i <= SLICES; i++) {
    const rate = rateOf(action, slice);
    // The first slice finds code that was not compiled yet.
    if (i > 0 && rate > best) best = rate;
  }
  return best;
}

function rateOf(action: () => void, ms: number): number {
  const begin = performance.now();
  let now = begin;
  let count = 0;
  // Looking at the clock costs as much as hashing a few bytes: in growing steps, up to a quarter of the time.
  for (let step = 1; now - begin < ms; step = now - begin < ms / 4 ? step * 2 : step) {
    for (let i = 0; i < step; i++) action();
    count += step;
    now = performance.now();
  }
  return count * 1000 / (now - begin);
}
