/** The harness of the figures: what it makes of runs, the tree it measures with, the processes it watches. */
import assert from "node:assert/strict";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { chartOf } from "../../scripts/bench/chart.ts";
import { goalsTable } from "../../scripts/bench/goals.ts";
import { makePackageTree } from "../../scripts/bench/package_tree.ts";
import { invarianceTable, markdownTable, tableOf, textTable } from "../../scripts/bench/report.ts";
import {
  type CaseResult,
  median,
  readResults,
  type Row,
  type Run,
  writeResult,
} from "../../scripts/bench/results.ts";
import { tempPermissions, withTempDir } from "../support/temp.ts";

const GIB = 2 ** 30;

function run(totalMs: number, more: Partial<Run> = {}): Run {
  const cpu = { servingCpu: 1, fetchingCpu: 2, servingPeak: 100 * 2 ** 20, fetchingPeak: 50 * 2 ** 20 };
  return { totalMs, readyMs: totalMs / 4, fetchMs: totalMs * 3 / 4, ...cpu, ...more };
}

function row(id: string, kind: Row["kind"], runs: Run[]): Row {
  return { id, title: `Title of ${id}`, kind, version: "1.0", runs };
}

function result(id: string, rows: Row[], bytes = GIB, files = 1): CaseResult {
  const common = {
    title: `Case ${id}`,
    kind: "transfer",
    date: "today",
    commit: "abc",
    machine: "here",
  } as const;
  return { id, ...common, files, bytes, rows };
}

const FILE = result("file-1g", [
  row("deno", "hawser", [run(3_000), run(5_000), run(4_000)]),
  row("wormhole", "peer", [run(2_000), run(2_000), run(2_000)]),
]);

Deno.test("bench: a median is the middle, or between the two in the middle", { permissions: "none" }, () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
});

Deno.test(
  "bench: a table has medians, their spread, and the ratio to each peer",
  { permissions: "none" },
  () => {
    const [head, hawser, peer] = tableOf(FILE);
    const cell = (row: string[], name: string) => row[head.indexOf(name)];
    assert.deepEqual(
      [
        "total s",
        "min-max",
        "ready",
        "fetch",
        "rate",
        "CPU s/GiB",
        "peak MiB send",
        "/ wormhole",
        "of it work",
      ]
        .map((name) => cell(hawser, name)),
      ["4.00", "3.00-5.00", "1.00", "3.00", "268 MB/s", "3.0", "100", "2.00", "-"],
    );
    assert.equal(cell(peer, "/ wormhole"), "1.00");
    assert.match(markdownTable(tableOf(FILE)), /^\| {2}\| total s \|.*\n\| --- \| --: \|/);
    assert.equal(new Set(textTable(tableOf(FILE)).split("\n").map((line) => line.length)).size, 1);
  },
);

Deno.test("bench: goals are met, not met or not measured", { permissions: "none" }, () => {
  const states = new Map(goalsTable([FILE]).map(([text, , shown, state]) => [text, `${shown} ${state}`]));
  assert.equal(states.get("1 GiB, Deno"), "4.00 met");
  assert.equal(states.get("1 GiB, Deno ÷ magic-wormhole"), "2.00 not met");
  assert.equal(states.get("1 GiB, Node 20"), "- not measured");
  assert.equal(states.get("CPU seconds per GiB, both sides, Deno"), "3.00 met");
  assert.equal(states.get("Peak memory of a side, 1 GiB, all runtimes"), "100 met");
  const many = result("many", [row("deno", "hawser", [run(2_000, { workMs: 1_000 })])]);
  const few = result("few", [row("deno", "hawser", [run(1_000, { workMs: 900 })])]);
  assert.deepEqual(invarianceTable([few, many])?.[1], ["Title of deno", "-", "0.50", "0.90"]);
  assert.equal(invarianceTable([few]), undefined);
  const live = [["live-few", 900], ["live-many", 1_000]].map(([id, workMs]) =>
    result(id as string, [row("deno", "hawser", [run(1, { workMs: workMs as number })])])
  );
  assert.deepEqual(invarianceTable(live)?.[1], ["Title of deno", "0.90", "-", "-"]);
  const invariance = goalsTable(live).find(([text]) => text.startsWith("Same bytes"));
  assert.deepEqual(invariance?.slice(1), ["≥ 0.8", "0.90", "met"]);
});

Deno.test(
  "bench: the chart has a bar for each contender of cases with peers",
  { permissions: "none" },
  () => {
    const alone = result("alone", [row("deno", "hawser", [run(1_000)])]);
    const svg = chartOf([FILE, alone]);
    assert.match(svg, />Title of deno<.*[\s\S]*>4\.00 s<[\s\S]*>Title of wormhole<[\s\S]*>2\.00 s</);
    assert.equal(svg.match(/ rx="2"/g)?.length, 2);
  },
);

Deno.test("bench: a case measured again takes the place of its older figures", {
  permissions: tempPermissions,
}, () =>
  withTempDir((folder) => {
    const path = join(folder, "results.json");
    const ids = ["first", "file-1g", "last"];
    writeResult(path, FILE, ids);
    writeResult(path, result("first", []), ids);
    const again = { ...FILE, commit: "def" };
    assert.deepEqual(writeResult(path, again, ids).map(({ id, commit }) => [id, commit]), [
      ["first", "abc"],
      ["file-1g", "def"],
    ]);
    assert.deepEqual(readResults(path)[1], again);
    return Promise.resolve();
  }));

/** Every path below `root` with what is there. */
function listing(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: "utf8" }).sort().map((path) => {
    const stat = lstatSync(join(root, path));
    if (stat.isSymbolicLink()) return `${path} -> ${readlinkSync(join(root, path))}`;
    return stat.isDirectory()
      ? path
      : `${path} ${stat.mode & 0o777} ${stat.mtimeMs} ${readFileSync(join(root, path))}`;
  });
}

Deno.test("bench: the tree is the same every time, in the shape of packages", {
  permissions: { ...tempPermissions, read: true, write: true },
}, () =>
  withTempDir((folder) => {
    const [a, b] = [join(folder, "a"), join(folder, "b")];
    const bytes = makePackageTree(a, 600);
    assert.equal(makePackageTree(b, 600), bytes);
    const lines = listing(a);
    assert.deepEqual(listing(b), lines);
    const files = lines.filter((line) => / (?:420|493) /.test(line));
    assert.equal(files.length, 600);
    assert.ok(bytes > 600 * 2_500 && bytes < 600 * 4_000, `${bytes} bytes`);
    assert.equal(lines.filter((line) => line.includes(" -> ")).length, 80);
    assert.ok(lines.some((line) => line.includes(" 493 ")), "no file is executable");
    const licenses = files.filter((line) => line.includes("/LICENSE ")).map((line) =>
      line.split(" ").slice(3).join(" ")
    );
    assert.equal(new Set(licenses).size, 3);
    return Promise.resolve();
  }));

const PROCESSES = new URL("../../scripts/bench/measured_process.ts", import.meta.url).href;
/** Runs a program with every permission, which Deno wants for `/proc`; what it prints. */
async function evaluate(code: string): Promise<string> {
  const prelude = `import { killAll, MeasuredProcess } from ${JSON.stringify(PROCESSES)};
    const deno = (code) => new MeasuredProcess(Deno.execPath(), ["eval", code]);
    const failure = (work) => work.then(() => "none", (error) => error.message);`;
  const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", prelude + code],
    stdin: "null",
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

Deno.test("bench: a process is watched, and told from one that failed", async () => {
  const { usage, failed, early } = JSON.parse(
    await evaluate(`
      const busy = deno("console.log('ready'); const end = performance.now() + 150; while (performance.now() < end);");
      await busy.until(/ready/);
      await busy.done();
      console.log(JSON.stringify({
        usage: busy.usage(),
        failed: await failure(deno("console.log('oh'); Deno.exit(3)").done()),
        early: await failure(deno("").until(/never/)),
      }));`),
  );
  assert.match(failed, /ended with code 3:\noh$/);
  assert.match(early, /ended early/);
  if (Deno.build.os === "linux") {
    assert.ok(usage.cpuSeconds > 0 && usage.peakMemory > 10 * 2 ** 20, JSON.stringify(usage));
  }
});

Deno.test("bench: what is killed is gone with what it started", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  const state = await evaluate(`
    const sleep = "await new Promise((resolve) => setTimeout(resolve, 100_000))";
    const parent = deno(
      "const child = new Deno.Command(Deno.execPath(), { args: ['eval', '" + sleep + "'] }).spawn();" +
        "console.log('pid', child.pid); await child.status;",
    );
    const [, pid] = await parent.until(/pid (\\d+)\\n/);
    killAll();
    await parent.stop();
    const isRunning = () => {
      try {
        return !/^State:\\s+Z/m.test(Deno.readTextFileSync("/proc/" + pid + "/status"));
      } catch {
        return false;
      }
    };
    // The system takes a moment; a child that was not killed stays for longer than that.
    const end = performance.now() + 5_000;
    while (isRunning() && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 5));
    console.log(isRunning() ? "still there" : "gone");
    if (isRunning()) Deno.kill(Number(pid), "SIGKILL");`);
  assert.equal(state, "gone\n");
});
