/**
 * File calls that end at a chosen one, and the disk as a loss of power would leave it then.
 *
 * @module
 */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { OpenMode } from "../../src/blob/file_store_files.ts";
import { QuickFiles } from "./file_store_support.ts";

/** Thrown by every call from the crash on. */
export class Crash extends Error {
  override name = "Crash";
}

/** What is known to be on the disk of a file. */
interface Durable {
  /** Its content when it was last synced. */
  content: Uint8Array;
  /** Whether the folder was synced since it was created. */
  isListed: boolean;
}

/** Random numbers from 0 to below 1. */
export type Random = () => number;

/** Runs the store's file calls until call number `crashAt`, and keeps account of what is durable. */
export class CrashingFiles extends QuickFiles {
  /** Calls so far that change something. */
  calls = 0;
  readonly #folder: string;
  #crashAt: number;
  readonly #durable = new Map<string, Durable>();
  /** Removed, but the folder was not synced since: content at removal. */
  readonly #removed = new Map<string, Durable & { latest: Uint8Array }>();

  /** @param previous Another process's calls on the same folder, of which not everything is durable yet. */
  constructor(folder: string, crashAt = Infinity, previous?: CrashingFiles) {
    super(folder);
    this.#folder = folder;
    this.#crashAt = crashAt;
    if (previous !== undefined) {
      for (const [name, durable] of previous.#durable) this.#durable.set(name, { ...durable });
      for (const [name, removed] of previous.#removed) this.#removed.set(name, removed);
      return;
    }
    // What is there already got there long ago.
    for (const name of existsSync(folder) ? this.list() : []) {
      this.#durable.set(name, { content: this.#read(name), isListed: true });
    }
  }

  override open(name: string, mode: OpenMode): number {
    this.#step(mode === "create");
    const fd = super.open(name, mode);
    if (mode === "create") this.#durable.set(name, { content: new Uint8Array(0), isListed: false });
    return fd;
  }

  override write(fd: number, name: string, bytes: Uint8Array, length: number, position: number): void {
    // The call that is interrupted may have done a part of its work.
    this.#step(true, () => super.write(fd, name, bytes, length >> 1, position));
    super.write(fd, name, bytes, length, position);
  }

  override truncate(fd: number, name: string, size: number): void {
    this.#step(true);
    super.truncate(fd, name, size);
  }

  override async sync(fd: number, name: string): Promise<void> {
    this.#step(true);
    const content = this.#read(name);
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.#step(true);
    this.#markDurable(name, content);
    this.size(fd, name);
  }

  override syncNow(_fd: number, name: string): void {
    this.#step(true);
    this.#markDurable(name, this.#read(name));
  }

  override syncFolder(): void {
    this.#step(true);
    for (const durable of this.#durable.values()) durable.isListed = true;
    this.#removed.clear();
  }

  override unlink(name: string): void {
    this.#step(true);
    const durable = this.#durable.get(name);
    if (durable !== undefined) this.#removed.set(name, { ...durable, latest: this.#read(name) });
    this.#durable.delete(name);
    super.unlink(name);
  }

  /** The process is killed between two calls. */
  kill(): void {
    this.#crashAt = this.calls;
  }

  /** Whether the crash happened. */
  get isDown(): boolean {
    return this.calls >= this.#crashAt;
  }

  /** Makes `target` the folder as a loss of power leaves it: of what was not synced, anything may be there. */
  losePower(target: string, random: Random): void {
    mkdirSync(target);
    for (const [name, durable] of this.#durable) {
      if (durable.isListed || random() < 0.5) {
        writeFileSync(join(target, name), mixed(durable.content, this.#read(name), random));
      }
    }
    for (const [name, removed] of this.#removed) {
      if (random() < 0.5) writeFileSync(join(target, name), mixed(removed.content, removed.latest, random));
    }
  }

  #step(changes: boolean, interrupted: () => void = () => {}): void {
    if (this.isDown) throw new Crash("the process is gone");
    if (!changes) return;
    if (++this.calls < this.#crashAt) return;
    interrupted();
    throw new Crash("power went");
  }

  #read(name: string): Uint8Array {
    return new Uint8Array(readFileSync(join(this.#folder, name)));
  }

  #markDurable(name: string, content: Uint8Array): void {
    const durable = this.#durable.get(name);
    if (durable === undefined) throw new Error(`sync of unknown file "${name}"`);
    durable.content = content;
  }
}

/** Content between what was synced and what was written last: some pages reached the disk, some are zeros. */
function mixed(old: Uint8Array, latest: Uint8Array, random: Random): Uint8Array {
  const grown = Math.max(0, latest.length - old.length);
  const sizes = [old.length, latest.length, old.length + Math.floor(random() * (grown + 1))];
  const out = new Uint8Array(sizes[Math.floor(random() * sizes.length)]);
  out.set(old.subarray(0, out.length));
  const page = 1 + Math.floor(random() * 512);
  const keep = random();
  for (let at = 0; at < out.length; at += page) {
    if (random() > keep) continue;
    const piece = latest.subarray(at, Math.min(at + page, out.length));
    out.set(piece, at);
  }
  return out;
}
