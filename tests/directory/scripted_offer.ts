/**
 * Offers without a network: what a holder would send, piece by piece.
 *
 * @module
 */

import type {
  DirectoryOffer,
  OfferSource,
  RequestOfferOptions,
} from "../../src/directory/directory_offer.ts";
import { scanDir } from "../../src/directory/scan.ts";
import { type BlobRef, chunksOf, decodeBlobRef } from "../../src/wire/blob_ref.ts";
import { concatBytes, fromHex } from "../../src/wire/bytes.ts";
import type { DirEntry } from "../../src/wire/dir_manifest.ts";
import type { OutlineEntry } from "../../src/wire/dir_outline.ts";

/** What there is to send of a directory. */
export interface OfferedTree {
  readonly ref: BlobRef;
  readonly outline: OutlineEntry[];
  /** In the order in which they are sent. */
  readonly hashes: Uint8Array[];
}

/** Reads the directory `root`. */
export async function offeredTree(root: string): Promise<OfferedTree> {
  const { ref, entries } = await scanDir(root);
  return { ref, ...outlineAndHashes(entries) };
}

/** Takes a manifest apart. */
export function outlineAndHashes(entries: readonly DirEntry[]): Omit<OfferedTree, "ref"> {
  const hashes: Uint8Array[] = [];
  const outline = entries.map((entry): OutlineEntry => {
    if (entry.kind !== "file") return entry;
    const ref = decodeBlobRef(entry.blob)!;
    const { kind, path, mode } = entry;
    if (ref.size > 0) hashes.push(...chunksOf(ref).map(({ hash }) => hash));
    if (ref.kind === "manifest") hashes.push(fromHex(ref.uri.slice("mesh://".length))!);
    return { kind, path, mode, size: ref.size };
  });
  return { outline, hashes };
}

/** One thing that a holder sends: hashes, an error in place of them, or a wait. */
export type Step = readonly Uint8Array[] | Error | Promise<void>;

/** An answer that goes as it is written down. */
export class ScriptedOffer implements DirectoryOffer {
  readonly holder = "scripted";
  readonly ref: Promise<BlobRef>;
  isClosed = false;
  readonly #steps: Step[];
  #settle!: { resolve: (ref: BlobRef) => void; reject: (reason: unknown) => void };
  readonly #end: BlobRef | Error | undefined;

  /** @param end what it ends with; never, when there is none. */
  constructor(readonly outline: OutlineEntry[] | undefined, steps: readonly Step[], end?: BlobRef | Error) {
    this.#steps = [...steps];
    this.#end = end;
    this.ref = new Promise((resolve, reject) => this.#settle = { resolve, reject });
    this.ref.catch(() => {});
    if (outline === undefined) this.#finish();
  }

  async nextHashes(): Promise<Uint8Array | undefined> {
    const step = this.#steps.shift();
    if (step instanceof Promise) {
      await step;
      return this.nextHashes();
    }
    if (step === undefined) {
      this.#finish();
      await this.ref;
      return undefined;
    }
    if (!(step instanceof Error)) return concatBytes(step);
    this.#settle.reject(step);
    throw step;
  }

  close(): void {
    this.isClosed = true;
    this.#settle.reject(new Error("the offer was closed"));
  }

  #finish(): void {
    if (this.#end instanceof Error) this.#settle.reject(this.#end);
    else if (this.#end !== undefined) this.#settle.resolve(this.#end);
  }
}

/** Gives these answers one after the other, and remembers how it was asked. */
export class ScriptedSource implements OfferSource {
  readonly asked: (boolean | undefined)[] = [];
  readonly given: DirectoryOffer[] = [];
  readonly #answers: (DirectoryOffer | Error)[];

  constructor(...answers: (DirectoryOffer | Error)[]) {
    this.#answers = answers;
  }

  ask({ live }: RequestOfferOptions = {}): Promise<DirectoryOffer> {
    this.asked.push(live);
    const answer = this.#answers.shift() ?? new Error("asked too often");
    if (answer instanceof Error) return Promise.reject(answer);
    this.given.push(answer);
    return Promise.resolve(answer);
  }
}

/** Cuts `hashes` into steps of so many, the rest in one. */
export function inSteps(hashes: readonly Uint8Array[], ...counts: number[]): Uint8Array[][] {
  const steps: Uint8Array[][] = [];
  let at = 0;
  for (const count of [...counts, hashes.length]) {
    const step = hashes.slice(at, at += count);
    if (step.length > 0) steps.push(step);
  }
  return steps;
}
