/**
 * Which symbolic links of a manifest may be made (`formats.md` 5.4, rows 1 and 2).
 *
 * @module
 */

import type { HostPlatform } from "../runtime/host.ts";
import { parentOf } from "./path_rules.ts";

/**
 * What a fetch does with symbolic links:
 *
 * - `inside`: makes them, and refuses a manifest with a link whose target is absolute or leaves the tree when
 *   resolved from the link's place, or goes through another link of the manifest before its last component.
 * - `all`: makes them as they are, wherever they point.
 * - `skip`: makes none, and counts them.
 */
export type SymlinkPolicy = "inside" | "all" | "skip";

/** Greatest length of a target, UTF-16 units: beyond `PATH_MAX` no system makes it. */
const MAX_TARGET_LENGTH = 4095;

/** What {@linkcode symlinkProblem} needs to know besides the link. */
export interface SymlinkContext {
  /** Whose rules of absolute paths and separators hold. */
  readonly platform: HostPlatform;
  /** Whether the manifest declares a link at this path. */
  isLink(path: string): boolean;
}

/** What no policy lets pass: a target that no link can have. */
export function targetProblem(target: string): string | undefined {
  if (target === "") return "is a link with an empty target";
  if (target.includes("\0")) return "is a link whose target contains NUL";
  if (target.length > MAX_TARGET_LENGTH) return `is a link whose target is longer than ${MAX_TARGET_LENGTH}`;
  return undefined;
}

/**
 * Checks a link against the policy `inside`. Returns what is wrong with it, as the end of a sentence that starts
 * with the entry, or `undefined`.
 *
 * Lexical resolution is exact here: a target never goes through a link before its last component, and what the
 * last component links to was checked from its own place.
 */
export function symlinkProblem(path: string, target: string, context: SymlinkContext): string | undefined {
  const quoted = JSON.stringify(target);
  const isWindows = context.platform === "windows";
  if (target.startsWith("/") || (isWindows && /^(?:\\|[a-z]:)/i.test(target))) {
    return `is a link to ${quoted}, which is absolute`;
  }
  const steps = target.split(isWindows ? /[\\/]/ : "/").filter((step) => step !== "" && step !== ".");
  const parent = parentOf(path);
  const place = parent === "" ? [] : parent.split("/");
  for (const [index, step] of steps.entries()) {
    if (step === "..") {
      if (place.pop() === undefined) return `is a link to ${quoted}, which leaves the destination`;
      continue;
    }
    place.push(step);
    if (index < steps.length - 1 && context.isLink(place.join("/"))) {
      return `is a link to ${quoted}, which goes through the link ${JSON.stringify(place.join("/"))}`;
    }
  }
  return undefined;
}
