/**
 * Where each kind of text goes: results to standard output, the rest to standard error, nothing besides JSON lines to
 * standard output under `--json`.
 *
 * @module
 */

import type { CliIo } from "./io.ts";
import { type Progress, ProgressBar } from "./progress_bar.ts";
import { safeJson, safeText } from "./safe_text.ts";

/** The options every command has. */
export interface OutputOptions {
  /** One JSON object per line on standard output. */
  readonly json: boolean;
  /** More on standard error, stacks of errors too. */
  readonly verbose: boolean;
  /** Nothing on standard error but errors. */
  readonly quiet: boolean;
}

/** Writes what a command says. Text passed in is made safe to print here. */
export class Output {
  #io: CliIo;
  #options: OutputOptions;
  #bar: ProgressBar;

  /** @param io the process. @param options from the command line. */
  constructor(io: CliIo, options: OutputOptions) {
    this.#io = io;
    this.#options = options;
    this.#bar = new ProgressBar(io.stderr, io.now, !options.quiet);
  }

  /** A line of the result, for people and pipes; nothing under `--json`. */
  line(text: string = ""): void {
    if (this.#options.json) return;
    this.#bar.clear();
    this.#io.stdout.write(`${safeText(text)}\n`);
  }

  /** Many lines of the result at once. */
  lines(texts: Iterable<string>): void {
    if (this.#options.json) return;
    this.#bar.clear();
    this.#writeLines(texts, safeText);
  }

  /** One JSON object of the result; nothing without `--json`. */
  json(value: unknown): void {
    if (this.#options.json) this.#io.stdout.write(`${safeJson(value)}\n`);
  }

  /** Many JSON objects at once, one per line. */
  jsonLines(values: Iterable<unknown>): void {
    if (this.#options.json) this.#writeLines(values, safeJson);
  }

  /** Something good to know, on standard error, unless quiet. */
  note(text: string): void {
    if (this.#options.quiet || this.#options.json) return;
    this.#bar.clear();
    this.#io.stderr.write(`${safeText(text)}\n`);
  }

  /** Something that went not as it should but does not end the command; also when quiet. */
  warn(text: string): void {
    this.#bar.clear();
    this.#io.stderr.write(`hawser: ${safeText(text)}\n`);
  }

  /** A detail, with `--verbose` only. */
  detail(text: string): void {
    if (!this.#options.verbose) return;
    this.#bar.clear();
    this.#io.stderr.write(`${safeText(text)}\n`);
  }

  /** Moves the progress bar, where there is one. */
  progress(progress: Progress): void {
    this.#bar.update(progress);
  }

  /** Takes the progress bar away. */
  endProgress(): void {
    this.#bar.clear();
  }

  /** A write per line costs more than the line: 12,000 names go out in a few pieces. */
  #writeLines<T>(values: Iterable<T>, format: (value: T) => string): void {
    let piece = "";
    for (const value of values) {
      piece += `${format(value)}\n`;
      if (piece.length < 1 << 16) continue;
      this.#io.stdout.write(piece);
      piece = "";
    }
    this.#io.stdout.write(piece);
  }
}
