import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import {
  compareVersions,
  nextVersion,
  releaseChangelog,
  releaseNotes,
  VERSIONED_FILES,
  withVersion,
} from "../../scripts/release_edits.ts";
import { VERSION } from "../../src/version.ts";

const root = new URL("../../", import.meta.url);

Deno.test("release: versions are in the order of their specification", () => {
  // Semantic Versioning §11.
  const ordered = [
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.1",
    "1.2.0",
    "1.10.0",
    "2.0.0",
  ];
  for (const [i, a] of ordered.entries()) {
    for (const [j, b] of ordered.entries()) {
      assert.equal(Math.sign(compareVersions(a, b)), Math.sign(i - j), `${a} and ${b}`);
    }
  }
});

Deno.test("release: the next version is a part raised, or a later one", () => {
  assert.equal(nextVersion("1.2.3", "patch"), "1.2.4");
  assert.equal(nextVersion("1.2.3-beta.4", "patch"), "1.2.3");
  assert.equal(nextVersion("1.2.3", "minor"), "1.3.0");
  assert.equal(nextVersion("1.2.3", "major"), "2.0.0");
  assert.equal(nextVersion("1.2.3", "1.3.0-rc.1"), "1.3.0-rc.1");
  assert.equal(nextVersion("0.1.0", "0.1.0"), "0.1.0", "the first release");
  assert.throws(() => nextVersion("1.2.3", "1.2.3-beta.1"), /comes before 1\.2\.3/);
  for (const wanted of ["", "1.2", "v1.2.4", "01.2.4", "1.2.4+build", "1.2.4-", "next"]) {
    assert.throws(() => nextVersion("1.2.3", wanted), /is no version/, wanted);
  }
});

Deno.test(
  "release: the version is changed in every file that has it",
  { permissions: { read: true } },
  () => {
    for (const file of VERSIONED_FILES) {
      const text = readFileSync(new URL(file, root), "utf8");
      const changed = withVersion(file, text, "9.8.7");
      assert.equal(changed, text.replace(VERSION, "9.8.7"));
      assert.notEqual(changed, text);
      assert.throws(() => withVersion(file, "", "9.8.7"), new RegExp(`0 times in ${file}`));
      assert.throws(() => withVersion(file, text + text, "9.8.7"), /2 times/);
    }
    assert.throws(() => withVersion("README.md", VERSION, "9.8.7"), /0 times in README.md/);
  },
);

const CHANGES = `# Changelog

## [Unreleased]

### Added

- A thing.

## [0.1.0] - 2026-01-31

- First.
`;

Deno.test("release: what is unreleased goes below the version and the day", () => {
  const released = releaseChangelog(CHANGES, "0.2.0", "2026-02-01");
  assert.equal(
    released,
    CHANGES.replace("## [Unreleased]\n", "## [Unreleased]\n\n## [0.2.0] - 2026-02-01\n"),
  );
  assert.equal(releaseNotes(released, "0.2.0"), "### Added\n\n- A thing.");
  assert.equal(releaseNotes(released, "0.1.0"), "- First.");
  assert.equal(releaseNotes(released, "0.3.0"), undefined);
});

Deno.test("release: a changelog without news, or with that version, is refused", () => {
  assert.throws(() => releaseChangelog(CHANGES, "0.1.0", "2026-02-01"), /a section for 0\.1\.0 already/);
  assert.throws(
    () => releaseChangelog(CHANGES.replace("### Added\n\n- A thing.\n", ""), "0.2.0", "2026-02-01"),
    /nothing that is not released/,
  );
  assert.throws(() => releaseChangelog("# Changelog\n", "0.2.0", "2026-02-01"), /no section/);
});

Deno.test(
  "release: this project's changelog has a day for every version",
  { permissions: { read: true } },
  () => {
    const text = readFileSync(new URL("CHANGELOG.md", root), "utf8");
    const [first, ...versions] = text.match(/^## .*$/gm)!;
    assert.equal(first, "## [Unreleased]");
    for (const heading of versions) assert.match(heading, /^## \[\d+\.\d+\.\d+.*\] - \d{4}-\d\d-\d\d$/);
  },
);
