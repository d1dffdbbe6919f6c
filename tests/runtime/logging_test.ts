import assert from "node:assert/strict";
import { configure, type LogRecord, reset } from "@logtape/logtape";
import { log } from "../../src/runtime/logging.ts";

Deno.test("log: messages reach the application's LogTape, in order", async () => {
  const records: LogRecord[] = [];
  let heard: () => void;
  const all = new Promise<void>((resolve) => heard = resolve);
  await configure({
    sinks: {
      test: (record) => {
        if (records.push(record) === 3) heard();
      },
    },
    loggers: [
      { category: "hawser", lowestLevel: "info", sinks: ["test"] },
      { category: ["logtape", "meta"], lowestLevel: "warning", sinks: [] },
    ],
  });
  log("mesh", "debug", "below the level");
  log("mesh", "info", "first");
  log("blob", "warn", "{what} failed", { what: "second" });
  log("mesh", "error", "third");
  await all;
  await reset();
  assert.deepEqual(records.map(({ category, level }) => [...category, level]), [
    ["hawser", "mesh", "info"],
    ["hawser", "blob", "warning"],
    ["hawser", "mesh", "error"],
  ]);
  assert.equal(records[1].message.join(""), "second failed");
});
