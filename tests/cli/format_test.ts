import assert from "node:assert/strict";
import {
  formatBytes,
  formatCount,
  formatElapsed,
  formatEta,
  formatMode,
  formatPlural,
  formatRate,
} from "../../src/cli/format.ts";

function table<T extends unknown[]>(format: (...args: T) => string, rows: [...T, string][]): void {
  for (const row of rows) {
    assert.equal(
      format(...row.slice(0, -1) as unknown as T),
      row.at(-1),
      `${format.name}(${row.slice(0, -1)})`,
    );
  }
}

Deno.test("formatCount and formatPlural", () => {
  table(formatCount, [[0, "0"], [999, "999"], [1000, "1,000"], [12430, "12,430"], [1234567, "1,234,567"]]);
  assert.equal(formatPlural(1, "file"), "1 file");
  assert.equal(formatPlural(0, "file"), "0 files");
  assert.equal(formatPlural(2000, "directory", "directories"), "2,000 directories");
});

Deno.test("formatBytes keeps about three digits and changes units without a jump", () => {
  table(formatBytes, [
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.00 kB"],
    [9994, "9.99 kB"],
    [9996, "10.0 kB"],
    [99_960, "100 kB"],
    [999_400, "999 kB"],
    [999_600, "1.00 MB"],
    [28_749_570, "28.7 MB"],
    [2 ** 30, "1.07 GB"],
    [2 ** 50, "1.13 PB"],
    [5e18, "5000 PB"],
  ]);
  assert.equal(formatRate(1_234_567), "1.23 MB/s");
});

Deno.test("formatElapsed and formatEta", () => {
  table(formatElapsed, [
    [0, "0 ms"],
    [85.4, "85 ms"],
    [999.6, "1.0 s"],
    [2100, "2.1 s"],
    [59_960, "1 min 00 s"],
    [185_000, "3 min 05 s"],
    [7_380_000, "2 h 03 min"],
  ]);
  table(formatEta, [
    [0, "0:00"],
    [6.2, "0:07"],
    [750, "12:30"],
    [3723, "1:02:03"],
    [Infinity, "--:--"],
    [NaN, "--:--"],
    [-1, "--:--"],
    [1e9, "--:--"],
  ]);
});

Deno.test("formatMode writes modes as ls does", () => {
  table(formatMode, [
    ["-", 0o100644, "-rw-r--r--"],
    ["d", 0o40755, "drwxr-xr-x"],
    ["l", 0o777, "lrwxrwxrwx"],
    ["-", 0o4755, "-rwsr-xr-x"],
    ["-", 0o2644, "-rw-r-Sr--"],
    ["d", 0o41777, "drwxrwxrwt"],
    ["-", 0, "----------"],
  ]);
});
