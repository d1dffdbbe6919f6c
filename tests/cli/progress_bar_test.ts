import fc from "fast-check";
import assert from "node:assert/strict";
import { ProgressBar, RateMeter, renderProgress } from "../../src/cli/progress_bar.ts";
import { FakeOutput } from "./fake_io.ts";

Deno.test("renderProgress shows share, bytes, rate and remaining time", () => {
  const half = { label: "fetch", bytes: 50e6, totalBytes: 100e6, files: 1234, totalFiles: 5678 };
  assert.equal(
    renderProgress(half, 10e6, 120),
    "fetch  [===================>                    ]  50 %  50.0 MB of 100 MB  10.0 MB/s  ETA 0:05  1,234 of 5,678 files",
  );
  assert.equal(
    renderProgress({ ...half, bytes: 100e6 }, 10e6, 120),
    "fetch  [========================================] 100 %  100 MB of 100 MB  10.0 MB/s  ETA 0:00  1,234 of 5,678 files",
  );
  assert.match(renderProgress({ ...half, bytes: 0 }, 0, 120), /\[ {40}\] {3}0 % .* ETA --:--/);
  assert.equal(renderProgress({ label: "hash", bytes: 2e6 }, 1e6, 80), "hash  2.00 MB  1.00 MB/s");
  assert.match(renderProgress({ label: "fetch", bytes: 0, totalBytes: 0 }, 0, 80), / 100 % /);
});

Deno.test("renderProgress fits every width, on one line", () => {
  fc.assert(fc.property(
    fc.nat({ max: 2 ** 45 }),
    fc.option(fc.nat({ max: 2 ** 45 }), { nil: undefined }),
    fc.option(fc.nat(), { nil: undefined }),
    fc.integer({ min: 1, max: 300 }),
    fc.double({ min: 0, max: 1e10, noNaN: true }),
    (bytes, totalBytes, totalFiles, columns, rate) => {
      const line = renderProgress({ label: "fetch", bytes, totalBytes, files: 1, totalFiles }, rate, columns);
      assert.ok(line.length <= Math.max(1, columns - 1), `${line.length} of ${columns}: ${line}`);
      assert.match(line, /^[\x20-\x7e]*$/);
    },
  ));
});

Deno.test("RateMeter follows the last seconds", () => {
  const meter = new RateMeter();
  assert.equal(meter.rate(0, 0), 0);
  meter.add(0, 0);
  assert.equal(meter.rate(100, 1000), 0);
  for (let t = 0; t <= 10_000; t += 100) meter.add(t, t * 1000);
  assert.ok(Math.abs(meter.rate(10_000, 10_000_000) - 1e6) < 1);
  // A stop shows within the window, whatever came before it.
  for (let t = 10_100; t <= 16_000; t += 100) meter.add(t, 10_000_000);
  assert.equal(meter.rate(16_000, 10_000_000), 0);
});

Deno.test("ProgressBar draws at most ten times a second and leaves a clean line", () => {
  const output = new FakeOutput();
  output.isTerminal = true;
  let now = 0;
  const bar = new ProgressBar(output, () => now, true);
  for (; now < 1000; now += 5) bar.update({ label: "fetch", bytes: now, totalBytes: 1000 });
  assert.equal(output.text.split("\r").length - 1, 10);
  output.text = "";
  bar.clear();
  assert.equal(output.text, "\r\x1b[K");
  bar.clear();
  assert.equal(output.text, "\r\x1b[K");
  bar.update({ label: "fetch", bytes: 1000, totalBytes: 1000 });
  assert.match(output.text, /100 %/);
});

Deno.test("ProgressBar is silent where nobody looks or when switched off", () => {
  for (const [isTerminal, enabled] of [[false, true], [true, false]]) {
    const output = new FakeOutput();
    output.isTerminal = isTerminal;
    const bar = new ProgressBar(output, () => 1e6, enabled);
    bar.update({ label: "fetch", bytes: 1, totalBytes: 2 });
    bar.clear();
    assert.equal(output.text, "");
  }
});
