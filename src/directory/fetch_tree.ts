/**
 * Fetching a directory: manifest, checks, staging, content, install (`content.md` 4, `formats.md` 5.2 and 5.4).
 *
 * @module
 */

import type { ChunkSource } from "../blob/source.ts";
import { existsSync } from "../runtime/files.ts";
import { yieldToEventLoop } from "../runtime/host.ts";
import { resolve } from "../runtime/path.ts";
import type { BlobRef } from "../wire/blob_ref.ts";
import { requireRead, requireSymlinks } from "./access.ts";
import { verifyTree } from "./compare.ts";
import { type Destination, resolveDestination, statOf } from "./destination.ts";
import type { DirectoryOffer, OfferSource } from "./directory_offer.ts";
import { FetchAhead } from "./fetch_ahead.ts";
import type { FetchDirOptions, FetchDirStats } from "./fetch_options.ts";
import { FetchHand } from "./fetch_hand.ts";
import { FetchMemory, fetchOptionsText } from "./fetch_memory.ts";
import { EarlyContent } from "./early_content.ts";
import { openUnlessHere, UnchangedTarget } from "./fetch_target.ts";
import { FetchWork } from "./fetch_work.ts";
import { checkFreeSpace } from "./free_space.ts";
import { INSTALL_CALLS, type InstallCalls, installTree } from "./install.ts";
import type { KnownTree } from "./known_tree.ts";
import { type LocalTree, type LocalTreeOptions, readLocalTree } from "./local_tree.ts";
import { WorkPacer } from "./pacer.ts";
import { openRoot } from "./scan.ts";
import { recover, releaseLeftovers } from "./staging.ts";
import { TreeCache } from "./tree_cache.ts";
import type { TreeMemory } from "./tree_cache_format.ts";
import type { TreeHand } from "./tree_hand.ts";

const ACTION = "Fetch directory";

/**
 * What `fetchDir` does; for tests also with other calls that change the destination, another number of entries from which
 * an old tree is mirrored, and a thread that makes files, however few.
 */
export async function fetchDirWith(
  source: ChunkSource,
  from: BlobRef | DirectoryOffer | OfferSource,
  dest: string,
  options: FetchDirOptions,
  calls: InstallCalls = INSTALL_CALLS,
  mirrorFrom?: number,
  givenHand?: TreeHand,
): Promise<FetchDirStats> {
  const pacer = new WorkPacer(options.signal);
  const destination = await resolveDestination(ACTION, dest);
  const reuse = (options.reuse ?? []).map((path) => checkReuse(path));
  const leftovers = await recover(destination);
  const isFresh = statOf(ACTION, destination.path) === undefined && leftovers.length + reuse.length === 0;
  // What is on this machine is looked at with all hashes known: it is not worth a fetch before they are.
  const stop = new AbortController();
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal]);
  const cache = TreeCache.open(options.cache);
  const memory = cache && new FetchMemory(cache, destination, options);
  // Before anything is asked for: a holder can tell what has changed since what is remembered.
  const remembered = isFresh || options.verify ? undefined : cache?.load({ root: destination.path });
  // The holder of an offer takes as long to read its tree.
  const isOffer = !("kind" in from);
  const reading = isFresh
    ? Promise.resolve(undefined)
    : yieldToEventLoop().then(() =>
      readOld(destination, new WorkPacer(signal), { remembered, hashes: isOffer })
    );
  // Nobody waits for the list of a tree that nothing is known of.
  const here = isOffer || cache !== undefined
    ? reading.then((old) => old?.hasOther ? undefined : old?.known)
    : undefined;
  here?.catch(() => {});
  const optionsText = fetchOptionsText(options);
  const helper = new FetchHand({ isFresh, fileThread: options.fileThread, given: givenHand });
  const startHand = () => helper.start();
  const ahead = new FetchAhead(destination, leftovers, { calls, signal, optionsText, startHand, mirrorFrom });
  const onChanged = (memory: TreeMemory) => ahead.expect(memory);
  const onOther = (tree: KnownTree) => ahead.begin(tree);
  const opening = openUnlessHere(source, from, {
    ...options,
    signal,
    live: isFresh,
    here,
    remembered,
    optionsText,
    onChanged,
    onOther,
  });
  // Then nobody needs to know any more what is on this machine.
  opening.catch((reason) => stop.abort(reason));
  let served = false;
  try {
    const old = await reading;
    const target = await opening;
    if (target instanceof UnchangedTarget) {
      served = true;
      memory?.refresh(target.tree);
      return target.stats();
    }
    await helper.settle(target.entries.length);
    const plan = await target.check(options, pacer);
    const key = await target.key(plan);
    await ahead.keepSame(key);
    const stats = {
      files: plan.files.length,
      dirs: plan.dirs.length,
      symlinks: plan.links.length,
      bytes: plan.bytes,
      skipped: plan.skippedLinks.map((path) => ({ path, reason: "is a symbolic link" })),
    };
    const verdict = old === undefined ? undefined : await verifyTree(plan, old, pacer);
    if (verdict?.isSame) {
      served = true;
      const nothing = { fetchedBytes: 0, reusedBytes: plan.bytes, installed: false, resumed: false };
      const settled = await target.settled();
      memory?.keep(plan, old!, settled);
      return { ...stats, ...nothing, ...settled };
    }
    if (plan.links.length > 0) requireSymlinks(ACTION, plan.links.length);
    checkFreeSpace(ACTION, destination, plan.bytes);
    const content = verdict === undefined
      ? source
      : EarlyContent.ask(source, plan, verdict.other, { signal, maxInFlightBytes: options.maxInFlightBytes });
    const staging = await ahead.takeStaging(key);
    let installed = false;
    let result: FetchDirStats;
    try {
      // Known only now that there is a folder to try it in.
      if (staging.facts.foldsNames) await target.check({ ...options, foldNames: true }, pacer);
      const trees = old === undefined ? reuse : [old.root, ...reuse];
      const mirror = verdict && await ahead.mirrorFor(plan, verdict, pacer);
      // What was begun beforehand makes it, when nothing came of that.
      if (mirror === undefined) helper.hand ??= ahead.takeHand();
      const late = target.follow(plan);
      const work = new FetchWork({
        source: content,
        plan,
        staging,
        options,
        pacer,
        calls,
        late,
        verdict,
        memory,
        hand: helper.hand,
        mirror,
      });
      const counts = await work.run(leftovers, old, trees).finally(() => served = true);
      const settled = await target.settled();
      options.signal?.throwIfAborted();
      const durable = options.durable ?? false;
      const installedAt = Date.now();
      const leftBehind = await installTree(destination, {
        tree: staging.tree,
        backup: staging.backup,
        durable,
        calls,
        remove: (path) => ahead.remove(path),
        onInstalled: () => memory?.prepare(plan, staging.facts, old, installedAt, settled),
      });
      installed = true;
      result = { ...stats, ...counts, ...settled, installed, ...(leftBehind && { leftBehind }) };
    } finally {
      await ahead.stop();
      await staging.remove(installed);
    }
    memory?.install();
    return result;
  } finally {
    await helper.close();
    stop.abort();
    opening.then((target) => target.close(), () => {});
    await ahead.close();
    await releaseLeftovers(leftovers, served);
  }
}

/** The tree at the destination, links on the way resolved. */
async function readOld(
  destination: Destination,
  pacer: WorkPacer,
  options: LocalTreeOptions,
): Promise<LocalTree | undefined> {
  if (statOf(ACTION, destination.path) === undefined) return undefined;
  return await readLocalTree(ACTION, destination.path, pacer, options);
}

/** Absolute path of a tree to reuse; what is not there is no error, for it is only an opportunity. */
function checkReuse(path: string): string {
  const absolute = resolve(path);
  requireRead(ACTION, absolute);
  return existsSync(absolute) ? openRoot(ACTION, path) : absolute;
}
