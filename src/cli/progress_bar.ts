/**
 * A progress bar on one line of a terminal, with rate and remaining time. Nothing is written where nobody looks.
 *
 * @module
 */

import type { TextOutput } from "../runtime/process.ts";
import { formatBytes, formatCount, formatEta, formatRate } from "./format.ts";

/** Least time between two drawings, ms: ten per second look fluent and cost nothing. */
const REDRAW_MS = 100;
/** The rate is that of this span, ms: long enough to be calm, short enough to follow a change. */
const RATE_WINDOW_MS = 5000;
/** Least time between two samples of the rate, ms. */
const SAMPLE_MS = 250;
/** Widest bar, columns. */
const MAX_BAR = 40;
/** Narrowest bar worth drawing, columns. */
const MIN_BAR = 8;

/** How far a piece of work is. */
export interface Progress {
  /** What is going on, one word, such as `fetch`. */
  readonly label: string;
  /** Bytes done. */
  readonly bytes: number;
  /** Bytes in all, once known. */
  readonly totalBytes?: number;
  /** Files done. */
  readonly files?: number;
  /** Files in all; a single one is not counted out. */
  readonly totalFiles?: number;
}

/** Bytes per second over the last seconds. */
export class RateMeter {
  #samples: { at: number; bytes: number }[] = [];

  /** Notes that `bytes` in all are done at `now` (ms). */
  add(now: number, bytes: number): void {
    const last = this.#samples.at(-1);
    if (last !== undefined && now - last.at < SAMPLE_MS) return;
    this.#samples.push({ at: now, bytes });
    while (this.#samples.length > 2 && now - this.#samples[1].at >= RATE_WINDOW_MS) this.#samples.shift();
  }

  /** The rate at `now`, with `bytes` in all; 0 as long as it cannot be told. */
  rate(now: number, bytes: number): number {
    const first = this.#samples[0];
    if (first === undefined || now - first.at < SAMPLE_MS) return 0;
    return Math.max(0, (bytes - first.bytes) * 1000 / (now - first.at));
  }
}

/**
 * One line, shorter than `columns`, without control characters. Parts that do not fit are left out, the least
 * important first.
 */
export function renderProgress(progress: Progress, rate: number, columns: number): string {
  const { label, bytes, totalBytes, files = 0, totalFiles = 0 } = progress;
  const width = Math.max(1, columns - 1);
  if (totalBytes === undefined) {
    const parts = [label, formatBytes(bytes), ...(rate > 0 ? [formatRate(rate)] : [])];
    return parts.join("  ").slice(0, width);
  }
  const share = totalBytes === 0 ? 1 : Math.min(1, bytes / totalBytes);
  const percent = `${Math.floor(share * 100)} %`.padStart(5);
  const eta = rate > 0 ? (totalBytes - bytes) / rate : Infinity;
  const tail = [
    percent,
    `${formatBytes(bytes)} of ${formatBytes(totalBytes)}`,
    formatRate(rate),
    `ETA ${formatEta(eta)}`,
    ...(totalFiles > 1 ? [`${formatCount(files)} of ${formatCount(totalFiles)} files`] : []),
  ];
  const room = () => width - label.length - tail.join("  ").length - 6;
  while (tail.length > 1 && room() < MIN_BAR) tail.pop();
  const text = tail.join("  ");
  const bar = Math.min(MAX_BAR, room());
  if (bar < MIN_BAR) return `${label}  ${text.trimStart()}`.slice(0, width);
  const done = Math.floor(share * bar);
  const head = done < bar && done > 0 ? ">" : "";
  return `${label}  [${"=".repeat(done - head.length)}${head}${" ".repeat(bar - done)}] ${text}`;
}

/** Draws {@linkcode Progress} on a terminal, at most ten times a second. */
export class ProgressBar {
  #output: TextOutput;
  #now: () => number;
  #enabled: boolean;
  #meter = new RateMeter();
  #drawnAt = -Infinity;
  #label = "";
  #shown = false;

  /** @param output where to draw. @param now monotonic clock, ms. @param enabled `false` draws nothing. */
  constructor(output: TextOutput, now: () => number, enabled: boolean) {
    this.#output = output;
    this.#now = now;
    this.#enabled = enabled && output.isTerminal;
  }

  /** Shows a new state; cheap enough to be called for every piece. */
  update(progress: Progress): void {
    if (!this.#enabled) return;
    const now = this.#now();
    if (progress.label !== this.#label) {
      this.#label = progress.label;
      this.#meter = new RateMeter();
    }
    this.#meter.add(now, progress.bytes);
    if (now - this.#drawnAt < REDRAW_MS) return;
    this.#drawnAt = now;
    this.#shown = true;
    const rate = this.#meter.rate(now, progress.bytes);
    this.#output.write(`\r${renderProgress(progress, rate, this.#output.columns)}\x1b[K`);
  }

  /** Takes the bar off the screen, so that other text starts on a clean line. The next update draws it again. */
  clear(): void {
    if (!this.#shown) return;
    this.#shown = false;
    this.#drawnAt = -Infinity;
    this.#output.write("\r\x1b[K");
  }
}
