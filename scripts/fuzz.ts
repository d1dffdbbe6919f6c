/**
 * `deno task fuzz [--inputs 1000000] [--seed N] [--target name]`: hostile input to every parser and to live nodes. A
 * failure tells how to see it again, and the smallest input that was found to cause it.
 *
 * @module
 */

import process from "node:process";
import { parseArgs } from "node:util";
import { fuzz, FuzzFailure } from "../tests/fuzz/target.ts";
import { inputsOf, TARGETS } from "../tests/fuzz/targets.ts";

const { values } = parseArgs({
  options: {
    inputs: { type: "string", default: "1000000" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    target: { type: "string" },
  },
});
const targets = TARGETS.filter(({ name }) => values.target === undefined || values.target === name);
const [inputs, seed] = [Number(values.inputs), Number(values.seed)];
if (targets.length === 0 || !(inputs > 0) || !Number.isSafeInteger(seed)) {
  console.error(`want --inputs N, --seed N, --target of ${TARGETS.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}
console.log(`seed ${seed}`);
let total = 0;
const begin = performance.now();
for (const target of targets) {
  try {
    const begin = performance.now();
    const taken = fuzz(target, targets.length === 1 ? inputs : inputsOf(target, inputs), seed);
    const seconds = ((performance.now() - begin) / 1000).toFixed(1);
    total += taken;
    console.log(
      `${target.name.padEnd(22)} ${taken.toLocaleString("en").padStart(9)} inputs ${seconds.padStart(6)} s`,
    );
  } catch (error) {
    if (!(error instanceof FuzzFailure)) throw error;
    console.error(`failed: ${error.message}`);
    process.exit(1);
  }
}
const seconds = ((performance.now() - begin) / 1000).toFixed(1);
console.log(`${total.toLocaleString("en")} inputs in ${seconds} s: nothing found`);
