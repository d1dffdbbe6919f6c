/**
 * Counts what a parser does, so that its effort is bounded by its input and no clock has to be asked.
 *
 * @module
 */

import { PostcardReader } from "../../src/wire/postcard.ts";
import { VarintReader } from "../../src/wire/varint.ts";

let steps = 0;

/** Makes every call of a reader's methods count. */
function watch(prototype: object): void {
  for (const name of Object.getOwnPropertyNames(prototype)) {
    const property = Object.getOwnPropertyDescriptor(prototype, name)!;
    const method: unknown = property.value;
    if (name === "constructor" || typeof method !== "function") continue;
    Object.defineProperty(prototype, name, {
      ...property,
      value(this: unknown, ...args: unknown[]): unknown {
        steps++;
        return Reflect.apply(method, this, args);
      },
    });
  }
}

watch(VarintReader.prototype);
watch(PostcardReader.prototype);

/** How often `action` asked a reader for something. */
export function countSteps(action: () => void): number {
  const before = steps;
  action();
  return steps - before;
}
