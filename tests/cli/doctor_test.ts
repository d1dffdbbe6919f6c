/** What `hawser doctor` makes of its figures, and that it measures with whatever it is permitted. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { COMMAND } from "../../scripts/hawser_process.ts";
import { adviceOf } from "../../src/cli/doctor_advice.ts";
import { sharesOf } from "../../src/cli/doctor_limits.ts";
import { ratePerSecond } from "../../src/cli/doctor_rate.ts";
import type { Ceiling, Diagnosis, Resource, Skipped, Transfer } from "../../src/cli/doctor_report.ts";
import { showDiagnosis } from "../../src/cli/doctor_text.ts";
import { Output } from "../../src/cli/output.ts";
import { isNode, ownFlag } from "../support/runtime.ts";
import { withTempDir } from "../support/temp.ts";
import { FakeIo } from "./fake_io.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const NET = "--allow-net=127.0.0.1";
const MB = 1e6;

function ceiling(resource: Resource, action: string, driver: string, size: number, bytes: number): Ceiling {
  return { resource, action, driver, size, perSecond: bytes / size };
}

const CEILINGS: readonly Ceiling[] = [
  ceiling("udp", "send", "fast", 1_452, 100 * MB),
  ceiling("udp", "send", "fast", 61_440, 800 * MB),
  ceiling("udp", "send", "slow", 61_440, 200 * MB),
  ceiling("encryption", "seal", "native", 1_452, 50 * MB),
  ceiling("encryption", "open", "native", 1_452, 50 * MB),
  ceiling("encryption", "seal", "native", 61_440, 1_000 * MB),
  ceiling("encryption", "open", "native", 61_440, 1_000 * MB),
  ceiling("encryption", "seal", "noble", 61_440, 10 * MB),
  ceiling("hash", "hash", "wasm", 262_144, 1_000 * MB),
  ceiling("hash", "hash", "noble", 262_144, 50 * MB),
  ceiling("files", "write", "dir", 3_000, 3_000 * 10_000),
  ceiling("files", "read", "dir", 3_000, 3_000 * 40_000),
];

function rounded(transfer: Transfer, ceilings: readonly Ceiling[] = CEILINGS): [string, number][] {
  return sharesOf(transfer, ceilings).map(({ resource, share }) => [resource, Math.round(share * 100)]);
}

Deno.test("shares are achieved / ceiling of the drivers and sizes in use, the rest is the rest", {
  permissions: "none",
}, () => {
  const bytes = { kind: "bytes", perSecond: 200 * MB, datagramSize: 61_440 } as const;
  const fast = { ...bytes, driver: "fast" };
  // Packets are sealed and opened: 500 MB/s.
  assert.deepEqual(rounded(fast), [["encryption", 40], ["udp", 25], ["hash", 20], ["hawser", 15]]);
  assert.deepEqual(rounded({ ...bytes, driver: "slow" }), [["udp", 100], ["encryption", 40], ["hash", 20]]);
  const small = { ...fast, perSecond: 5 * MB, datagramSize: 1_400 };
  assert.deepEqual(rounded(small), [["hawser", 75], ["encryption", 20], ["udp", 5], ["hash", 1]]);
  // Files are written and read: 8,000 a second.
  assert.deepEqual(rounded({ ...fast, kind: "files", perSecond: 2_000 }), [["hawser", 75], ["files", 25]]);
  assert.deepEqual(rounded(fast, []), [["hawser", 100]]);
});

Deno.test("advice follows from what is slow and can be changed", { permissions: "none" }, () => {
  const transfer: Transfer = { kind: "bytes", driver: "fast", datagramSize: 61_440, perSecond: 200 * MB };
  const findings = {
    ceilings: CEILINGS,
    skipped: [] as Skipped[],
    receiveBuffers: { fast: 4 * 1024 * 1024, slow: 131_072 },
    transfers: [{ ...transfer, shares: sharesOf(transfer, CEILINGS) }],
  };
  assert.deepEqual(adviceOf(findings), []);
  const skipped = [
    { what: "UDP through other", reason: "run with --allow-ffi", isFaster: true },
    { what: "UDP through third", reason: "run with --unstable-net", isFaster: false },
  ];
  assert.deepEqual(adviceOf({ ...findings, skipped }), [
    "For faster UDP through other: run with --allow-ffi",
  ]);
  assert.match(
    adviceOf({ ...findings, receiveBuffers: { fast: 212_992 } })[0],
    /212992.*net\.core\.rmem_max/,
  );
  // As much as a driver tells that cannot know.
  assert.deepEqual(adviceOf({ ...findings, receiveBuffers: { fast: 131_072 } }), []);
  const slow = CEILINGS.filter(({ driver }) => driver !== "native" && driver !== "wasm")
    .map((one) => ({ ...one, driver: one.resource === "encryption" ? "@noble/ciphers" : one.driver }));
  const advice = adviceOf({ ...findings, ceilings: slow });
  assert.match(advice[0], /ChaCha20-Poly1305/);
  assert.match(advice[1], /WebAssembly/);
  const files: Transfer = { ...transfer, kind: "files", perSecond: 7_000 };
  const diskBound = { ...findings, transfers: [{ ...files, shares: sharesOf(files, CEILINGS) }] };
  assert.match(adviceOf(diskBound)[0], /Files take most of the time/);
});

Deno.test("a rate counts what was done", { permissions: "none" }, () => {
  let count = 0;
  assert.ok(ratePerSecond(() => void count++, 5) > 0);
  assert.ok(count > 0);
});

Deno.test(
  "a diagnosis is told in lines, and what limits a transfer is marked",
  { permissions: "none" },
  () => {
    const io = new FakeIo();
    const transfer: Transfer = { kind: "bytes", driver: "fast", datagramSize: 61_440, perSecond: 200 * MB };
    const diagnosis: Diagnosis = {
      runtime: "Runtime 1.0",
      ceilings: CEILINGS,
      skipped: [{ what: "UDP through other", reason: "run with --flag", isFaster: true }],
      receiveBuffers: {},
      transfers: [{ ...transfer, shares: sharesOf(transfer, CEILINGS) }],
      advice: ["Do this"],
    };
    const output = new Output(io, { json: false, verbose: false, quiet: true });
    showDiagnosis(diagnosis, output);
    const { text } = io.stdout;
    assert.match(text, /^Runtime 1\.0\./);
    assert.match(text, /\n {2}fast +68,871\/s 100 MB\/s +13,021\/s 800 MB\/s\n/);
    assert.match(text, /\n {2}native, seal +50\.0 MB\/s +1\.00 GB\/s\n/);
    assert.match(text, /\n {2}write {2}10,000 files\/s of 3\.00 kB in "dir"\n/);
    assert.match(text, /\nNot measured: UDP through other; run with --flag\n/);
    assert.match(text, / 40 % of the time {2}encryption +alone it does 500 MB\/s {2}<- limits it most\n/);
    assert.match(text, /\nWhat would help:\n {2}Do this\n$/);
    showDiagnosis({ ...diagnosis, advice: [] }, output);
    assert.match(io.stdout.text, /\nNothing that can be changed here would make it faster\.\n$/);
  },
);

/** Runs the command in a process with `permissions`; its diagnosis. */
async function diagnose(permissions: readonly string[], dir: string): Promise<Diagnosis> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", ...permissions, COMMAND, "doctor", "--json", "--dir", dir],
    cwd: ROOT,
    stdin: "null",
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

const kinds = ({ transfers }: Diagnosis): string[] => transfers.map(({ kind }) => kind);
const reasons = ({ skipped }: Diagnosis): string => skipped.map(({ reason }) => reason).join("\n");

Deno.test("doctor without permissions measures what needs none and names the flags", async () => {
  await withTempDir(async (dir) => {
    const diagnosis = await diagnose([], dir);
    const flags = [`--allow-read=${dir}`, `--allow-write=${dir}`].map(ownFlag).join(" ");
    assert.ok(reasons(diagnosis).includes(`run with ${flags}`), reasons(diagnosis));
    const resources = new Set(diagnosis.ceilings.map(({ resource }) => resource));
    // Node's permission model leaves sockets alone, before version 25.
    if (!isNode) {
      assert.ok(reasons(diagnosis).includes(`run with ${NET}`), reasons(diagnosis));
      assert.deepEqual([...resources], ["encryption", "hash"]);
      assert.deepEqual(kinds(diagnosis), []);
    }
    assert.ok(diagnosis.ceilings.every(({ perSecond }) => perSecond > 0));
  });
});

Deno.test("doctor with the network and a folder transfers a blob and small files, and leaves nothing", async () => {
  await withTempDir(async (dir) => {
    const diagnosis = await diagnose([NET, `--allow-read=${dir}`, `--allow-write=${dir}`], dir);
    assert.deepEqual(kinds(diagnosis), ["bytes", "files"]);
    assert.deepEqual(readdirSync(dir), []);
    const actions = diagnosis.ceilings.map(({ resource, action }) => `${resource} ${action}`);
    assert.deepEqual([...new Set(actions)], [
      "udp send",
      "encryption seal",
      "encryption open",
      "hash hash",
      "files write",
      "files read",
    ]);
    assert.ok(diagnosis.ceilings.every(({ perSecond }) => perSecond > 0));
    for (const { shares } of diagnosis.transfers) {
      assert.ok(shares.length > 0 && shares.every(({ share }) => share > 0 && share <= 1));
    }
    const [{ driver }] = diagnosis.transfers;
    assert.ok(diagnosis.receiveBuffers[driver] > 0);
    assert.equal(
      diagnosis.advice.some((line) => line.includes("--allow-ffi")),
      !isNode && Deno.build.os === "linux",
    );
  });
});
