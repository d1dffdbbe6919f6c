/** Hostile input to everything that takes any: the part of `deno task fuzz` that runs with the tests. */

import { fuzz } from "./target.ts";
import { inputsOf, TARGETS } from "./targets.ts";

/** Inputs to all targets together; `deno task fuzz` gives fifty times as many. */
const INPUTS = 20_000;

for (const target of TARGETS) {
  Deno.test(`fuzz ${target.name}: hostile input does no harm`, { permissions: "none" }, () => {
    fuzz(target, inputsOf(target, INPUTS), 1);
  });
}
