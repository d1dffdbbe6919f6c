/**
 * Numbers as people read them. Units are decimal (1 MB = 1,000,000 bytes), as in network rates.
 *
 * @module
 */

const UNITS = ["kB", "MB", "GB", "TB", "PB"];

/** A whole number with commas between thousands: `12,430`. */
export function formatCount(value: number): string {
  return String(value).replace(/\B(?=(?:\d{3})+$)/g, ",");
}

/** A count with its noun, `1 file`, `12,430 files`. */
export function formatPlural(value: number, noun: string, plural: string = `${noun}s`): string {
  return `${formatCount(value)} ${value === 1 ? noun : plural}`;
}

/** Bytes with three significant digits or so: `512 B`, `28.7 MB`, `1.07 GB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${Math.round(bytes)} B`;
  let value = bytes;
  let unit = -1;
  // 999.5 kB is shown as 1.00 MB, not as 1000 kB.
  while (unit < UNITS.length - 1 && (unit < 0 || value >= 999.5)) {
    value /= 1000;
    unit++;
  }
  const digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** Bytes per second. */
export function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`;
}

/** Time that a thing took: `85 ms`, `2.1 s`, `3 min 05 s`, `2 h 03 min`. */
export function formatElapsed(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor(whole % 3600 / 60))} min`;
}

/** Time that is left: `0:07`, `12:30`, `1:02:03`; `--:--` when it cannot be told. */
export function formatEta(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0 || seconds >= 360_000) return "--:--";
  const whole = Math.ceil(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole % 3600 / 60), whole % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

const two = (value: number): string => String(value).padStart(2, "0");

/** Mode bits as `ls -l` writes them, with the file type's letter first: `drwxr-xr-x`. */
export function formatMode(type: "-" | "d" | "l", mode: number): string {
  let text: string = type;
  for (let shift = 6; shift >= 0; shift -= 3) {
    const special = (mode >> (9 + shift / 3)) & 1;
    const letter = shift === 0 ? "t" : "s";
    const execute = (mode >> shift) & 1;
    text += (mode >> shift) & 4 ? "r" : "-";
    text += (mode >> shift) & 2 ? "w" : "-";
    text += special ? (execute ? letter : letter.toUpperCase()) : execute ? "x" : "-";
  }
  return text;
}
