/**
 * Shows the reading of a directory on the progress bar.
 *
 * @module
 */

import type { ScanProgress } from "../directory/mod.ts";
import type { Output } from "./output.ts";

/** The `onProgress` of a scan that moves the bar of `output`. */
export function showScan(output: Output): (progress: ScanProgress) => void {
  return (progress) => output.progress({ label: "hash", ...progress });
}
