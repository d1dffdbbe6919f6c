import assert from "node:assert/strict";
import fc from "fast-check";
import { Fifo } from "../../src/transport/fifo.ts";

Deno.test("fifo: agrees with an array", () => {
  const step = fc.tuple(
    fc.constantFrom("push", "push", "shift", "unshift", "drop", "replaceLast"),
    fc.nat(150),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
    const fifo = new Fifo<number>();
    const model: number[] = [];
    for (const [what, n] of steps) {
      if (what === "push") {
        for (let i = 0; i < n; i++) fifo.push(i), model.push(i);
      } else if (what === "shift") {
        assert.equal(fifo.shift(), model.shift());
      } else if (what === "unshift") {
        fifo.unshift(n), model.unshift(n);
      } else if (what === "drop") {
        fifo.drop(Math.min(n, model.length)), model.splice(0, n);
      } else if (model.length > 0) {
        fifo.replaceLast(n), model[model.length - 1] = n;
      }
      assert.equal(fifo.size, model.length);
      assert.equal(fifo.last, model.at(-1));
    }
    assert.deepEqual(model.map((_, i) => fifo.at(i)), model);
  }));
});
