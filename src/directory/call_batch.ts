/**
 * Batches of file calls, as one thread gives them to another, and their results.
 *
 * @module
 */

import { fileCalls } from "#file_calls";
import { errorCode } from "../runtime/file_errors.ts";
import type { Look } from "../runtime/look.ts";

/** Calls of one kind, done one after another. All of it can be sent to a thread. */
export interface CallBatch {
  /** What is done. */
  readonly call: "makeDirectory" | "makeFile" | "linkFile" | "removeTree";
  /** Absolute path that each call is about, the new one where there are two. */
  readonly paths: readonly string[];
  /** Where the paths begin, unless they are absolute. */
  readonly base?: string;
  /** Where the files are that `linkFile` makes other names of, at the same paths. */
  readonly fromBase?: string;
  /** Where somebody else may take the batch before it is begun: then nothing of it is done. */
  readonly claim?: BatchClaim;
  /** By call: of which file `linkFile` makes another name. */
  readonly from?: readonly string[];
  /** By call: the mode to make a file with, or -1 for that of every new file. */
  readonly modes?: readonly number[];
  /** What files are made of, one after another. */
  readonly content?: Uint8Array;
  /** By call: where in `content` its file ends. */
  readonly ends?: readonly number[];
  /** Whether files are flushed to the disk. */
  readonly durable?: boolean;
  /** Whether what is made is looked at. */
  readonly look?: boolean;
  /** Whether the calls after one that failed are done too. */
  readonly goesOn?: boolean;
}

/** Who does a batch, in memory that threads share. */
export interface BatchClaim {
  /** By batch: 0 for nobody, 1 for the hand, 2 for somebody else. */
  readonly cells: Int32Array;
  /** Number of the batch. */
  readonly index: number;
}

/** Values of the cells of a claim. */
const CLAIM = { nobody: 0, hand: 1, other: 2 } as const;

/** What a call threw, as far as it can be sent to a thread. */
export interface FailedCall {
  /** Its number in the batch. */
  readonly index: number;
  readonly name: string;
  readonly message: string;
  readonly code: string | undefined;
  readonly permission: string | undefined;
}

/** What became of a batch. */
export interface BatchResult {
  /** How many calls were done or tried: less than all after one that failed, or when the thread was told to stop. */
  readonly done: number;
  /** Those that failed, and are undone. */
  readonly failed: readonly FailedCall[];
  /** By call: how what it made looks, for {@linkcode lookOf}. */
  readonly looks: Float64Array;
}

const LOOK_NUMBERS = 9;
const KINDS = [undefined, "file", "dir", "symlink", "other"] as const;
const NO_BYTES = new Uint8Array(0);

/**
 * Does a batch. Throws nothing.
 *
 * @param isStopped is asked before each call. @param again whether a thread that broke may have begun it: what is in the way is
 * its work then, and made anew.
 */
export function runBatch(batch: CallBatch, isStopped: () => boolean, again = false): BatchResult {
  const { paths, claim } = batch;
  if (claim !== undefined && !takes(claim, again)) return { done: 0, failed: [], looks: new Float64Array(0) };
  const looks = new Float64Array(batch.look ? paths.length * LOOK_NUMBERS : 0);
  const failed: FailedCall[] = [];
  let done = 0;
  for (; done < paths.length && !isStopped(); done++) {
    try {
      if (again) callAgain(batch, done);
      else call(batch, done);
      if (batch.look) noteLook(looks, done, fileCalls.look(pathOf(batch, done)));
    } catch (error) {
      failed.push(failedCall(done, error));
      if (batch.goesOn) continue;
      done++;
      break;
    }
  }
  return { done, failed, looks };
}

function call(batch: CallBatch, index: number): void {
  const path = pathOf(batch, index);
  if (batch.call === "makeDirectory") fileCalls.makeDirectory(path);
  else if (batch.call === "linkFile") fileCalls.linkFile(fromOf(batch, index), path);
  else if (batch.call === "removeTree") fileCalls.removeTree(path);
  else {
    const { content = NO_BYTES, ends = [], modes, durable = false } = batch;
    const bytes = content.subarray(index === 0 ? 0 : ends[index - 1], ends[index]);
    const mode = modes?.[index] ?? -1;
    fileCalls.makeFile(path, bytes, mode < 0 ? undefined : mode, durable);
  }
}

function pathOf({ base, paths }: CallBatch, index: number): string {
  return base === undefined ? paths[index] : `${base}/${paths[index]}`;
}

function fromOf({ from, fromBase, paths }: CallBatch, index: number): string {
  return fromBase === undefined ? from![index] : `${fromBase}/${paths[index]}`;
}

/** Takes a batch that a hand was given, unless the hand has begun it. */
export function takeBatch({ cells, index }: BatchClaim): boolean {
  return Atomics.compareExchange(cells, index, CLAIM.nobody, CLAIM.other) === CLAIM.nobody;
}

/** Takes a batch for the hand, unless somebody else has it. */
function takes({ cells, index }: BatchClaim, again: boolean): boolean {
  const before = Atomics.compareExchange(cells, index, CLAIM.nobody, CLAIM.hand);
  return before === CLAIM.nobody || (again && before === CLAIM.hand);
}

function callAgain(batch: CallBatch, index: number): void {
  try {
    call(batch, index);
  } catch (error) {
    if (errorCode(error) === "ENOENT" && batch.call === "removeTree") return;
    if (errorCode(error) !== "EEXIST") throw error;
    if (batch.call === "makeDirectory") return;
    fileCalls.removeFile(pathOf(batch, index));
    call(batch, index);
  }
}

function failedCall(index: number, error: unknown): FailedCall {
  const { name, message, permission } = error as Error & { readonly permission?: string };
  return { index, name, message, code: errorCode(error), permission };
}

/** An error like the one that a call threw. */
export function errorOf({ name, message, code, permission }: FailedCall): Error {
  return Object.assign(new Error(message), { name, code, permission });
}

function noteLook(looks: Float64Array, index: number, look: Look | undefined): void {
  if (look === undefined) return;
  const at = index * LOOK_NUMBERS;
  looks[at] = KINDS.indexOf(look.kind);
  looks[at + 1] = look.mode;
  looks[at + 2] = look.size;
  looks[at + 3] = look.mtimeMs;
  looks[at + 4] = look.ctimeMs;
  looks[at + 5] = look.ino;
  looks[at + 6] = look.dev;
  looks[at + 7] = look.nlink;
  looks[at + 8] = look.uid;
}

/** How what a call made looks; `undefined` where that has to be looked up. */
export function lookOf({ looks }: BatchResult, index: number): Look | undefined {
  const at = index * LOOK_NUMBERS;
  const kind = KINDS[looks[at]];
  if (kind === undefined) return undefined;
  return {
    kind,
    mode: looks[at + 1],
    size: looks[at + 2],
    mtimeMs: looks[at + 3],
    ctimeMs: looks[at + 4],
    ino: looks[at + 5],
    dev: looks[at + 6],
    nlink: looks[at + 7],
    uid: looks[at + 8],
  };
}
