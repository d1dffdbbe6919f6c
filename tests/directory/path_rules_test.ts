import assert from "node:assert/strict";
import fc from "fast-check";
import {
  checkEntryPath,
  comparePaths,
  componentProblem,
  foldPath,
  hasHighUnits,
  parentOf,
  PathChecker,
  sortByPath,
} from "../../src/directory/path_rules.ts";
import { symlinkProblem } from "../../src/directory/symlink_rules.ts";
import { UnsafePathError } from "../../src/errors.ts";
import { compareBytes, encodeUtf8 } from "../../src/wire/bytes.ts";

const check = (path: string, platform: "posix" | "darwin" | "windows" = "posix") =>
  checkEntryPath(path, platform, 256);

Deno.test("paths: plain relative ones are accepted", () => {
  const paths = [
    "a",
    "a/b/c.txt",
    ".hidden",
    "...",
    "..a/b..",
    "a b/ c ",
    "line\nbreak",
    "é",
    "\u{1f600}",
    "a\\b",
    "C:x",
    "NUL",
    "x".repeat(255),
    "é".repeat(127),
    Array(256).fill("d").join("/"),
    Array(17).fill("x".repeat(239)).join("/") + "/" + "y".repeat(16),
  ];
  for (const path of paths) check(path);
});

Deno.test("paths: everything else is refused, and says why", () => {
  const cases: [string, RegExp][] = [
    ["", /has an empty path/],
    ["/", /is absolute/],
    ["/etc/passwd", /is absolute/],
    ["..", /component "\.\."/],
    ["../x", /component "\.\."/],
    ["a/../../x", /component "\.\."/],
    ["a/..", /component "\.\."/],
    [".", /component "\."/],
    ["./a", /component "\."/],
    ["a/./b", /component "\."/],
    ["a//b", /empty component/],
    ["a/", /empty component/],
    ["a\0b", /contains NUL/],
    ["x".repeat(256), /longer than 255 bytes/],
    ["é".repeat(128), /longer than 255 bytes/],
    [Array(257).fill("d").join("/"), /more than 256 components/],
    [Array(18).fill("x".repeat(240)).join("/"), /longer than 4096 bytes/],
  ];
  for (const [path, message] of cases) {
    assert.throws(() => check(path), (error) => {
      assert(error instanceof UnsafePathError);
      assert.equal(error.path, path);
      return message.test(error.message);
    });
  }
});

Deno.test("paths: Windows refuses what it would take for something else", () => {
  const refused = [
    "C:x",
    "c:/x",
    "a\\b",
    "..\\x",
    "\\\\host\\share",
    "a:stream",
    "a<b",
    "a>b",
    'a"b',
    "a|b",
    "a?b",
    "a*b",
    "a\tb",
    "a\u001fb",
    "dir./x",
    "a ",
    "a.",
    "...",
    "NUL",
    "nul.txt",
    "Con",
    "PRN.a.b",
    "aux",
    "COM1",
    "com0.x",
    "LPT9.txt",
    "COM¹",
    "CONIN$",
    "x/conout$/y",
    "NUL .txt",
  ];
  for (const path of refused) {
    assert.throws(() => check(path, "windows"), UnsafePathError, path);
  }
  for (const path of ["a", "a.b/c d", "console", "COM10", "nulle", "auxiliary.txt", "éa", ".a"]) {
    check(path, "windows");
  }
  // And only Windows does.
  for (const path of refused.filter((path) => !path.includes("//"))) check(path, "posix");
});

Deno.test("paths: what is accepted stays inside, as a model that walks it says", () => {
  const component = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom("a", "b", "..", ".", "", "...", "..x", "a\0") },
    fc.string({ unit: "grapheme", maxLength: 8 }),
  );
  fc.assert(fc.property(fc.array(component, { maxLength: 6 }), (components) => {
    const path = components.join("/");
    let depth = 0;
    let isPlain = path !== "" && !path.includes("\0");
    for (const step of path.split("/")) {
      if (step === "" || step === "." || step === "..") isPlain = false;
      else depth++;
    }
    if (isPlain) {
      check(path);
      assert(depth > 0);
    } else {
      assert.throws(() => check(path), UnsafePathError);
    }
  }));
});

Deno.test("paths: order is that of the UTF-8 bytes", () => {
  const text = fc.string({ unit: "binary" });
  fc.assert(fc.property(text, text, (a, b) => {
    assert.equal(Math.sign(comparePaths(a, b)), Math.sign(compareBytes(encodeUtf8(a), encodeUtf8(b))));
  }));
  assert.deepEqual(["a/x", "a", "a.txt", "a-b"].sort(comparePaths), ["a", "a-b", "a.txt", "a/x"]);
  assert(comparePaths("\u{10000}", "\uffff") > 0);
  const few = fc.string({ unit: fc.constantFrom("a", "/", "é", "\ud7ff", "\ue000", "\uffff", "\u{10000}") });
  for (const paths of [fc.array(text), fc.array(few), fc.array(fc.string())]) {
    fc.assert(fc.property(paths, (paths) => {
      const sorted = sortByPath(paths.map((path) => ({ path }))).map(({ path }) => path);
      assert.deepEqual(sorted, [...paths].sort((a, b) => compareBytes(encodeUtf8(a), encodeUtf8(b))));
      if (!hasHighUnits(paths.join(""))) assert.deepEqual([...paths].sort(), sorted);
    }));
  }
});

Deno.test("paths: folding joins what some file systems join, and keeps parents parents", () => {
  const same = [["README", "readme"], ["\u00e9", "e\u0301"], ["straße", "STRASSE"], ["ΑΣ", "ας"], [
    "ﬁ",
    "FI",
  ]];
  for (const [a, b] of same) assert.equal(foldPath(a), foldPath(b), `${a} ${b}`);
  assert.notEqual(foldPath("a"), foldPath("b"));
  const name = fc.string({ unit: "grapheme", minLength: 1 }).filter((name) => !name.includes("/"));
  fc.assert(fc.property(fc.array(name, { minLength: 2, maxLength: 4 }), (names) => {
    const path = names.join("/");
    assert.equal(parentOf(foldPath(path)), foldPath(parentOf(path)));
  }));
});

Deno.test("paths: a component alone", () => {
  assert.equal(componentProblem("ok", "windows"), undefined);
  assert.match(componentProblem("..", "posix")!, /component "\.\."/);
});

const linkProblem = (
  path: string,
  target: string,
  links: string[] = [],
  platform: "posix" | "windows" = "posix",
) => symlinkProblem(path, target, { platform, isLink: (path) => links.includes(path) });

Deno.test("links: inside the tree are accepted", () => {
  const cases: [string, string, string[]?][] = [
    ["l", "a"],
    ["l", "a/b"],
    ["l", "./a//b/."],
    ["l", "."],
    ["a/l", ".."],
    ["a/b/l", "../../c"],
    ["node_modules/.bin/cli", "../pkg0000/index.js"],
    ["l", "a/../b"],
    ["l", "other", ["other"]],
    ["l", "other/", ["other"]],
    ["l", "dangling"],
    ["l", "l", ["l"]],
    ["l", "..."],
  ];
  for (const [path, target, links] of cases) {
    assert.equal(linkProblem(path, target, links), undefined, target);
  }
});

Deno.test("links: out of the tree are refused, and say why", () => {
  const cases: [string, string, RegExp, string[]?][] = [
    ["l", "/etc/passwd", /is absolute/],
    ["l", "/", /is absolute/],
    ["l", "..", /leaves the destination/],
    ["l", "../x", /leaves the destination/],
    ["a/l", "../../x", /leaves the destination/],
    ["a/l", "b/../../../x", /leaves the destination/],
    // Leaves it in between, whatever it comes back to.
    ["l", "../dest/x", /leaves the destination/],
    ["b", "a/sub/../../etc", /goes through the link "a"/, ["a"]],
    ["b", "a/..", /goes through the link "a"/, ["a"]],
    ["d/b", "../a/x", /goes through the link "a"/, ["a"]],
  ];
  for (const [path, target, message, links] of cases) {
    assert.match(linkProblem(path, target, links) ?? "accepted", message, target);
  }
  for (const target of ["C:\\x", "c:x", "\\x", "\\\\host\\share", "..\\x", "a\\..\\..\\x"]) {
    assert(linkProblem("l", target, [], "windows"), target);
    assert.equal(linkProblem("l", target, [], "posix"), undefined, target);
  }
});

Deno.test("links: what is accepted resolves inside, as a model that follows links says", () => {
  const step = fc.constantFrom("a", "b", "c", "..", ".", "");
  const target = fc.array(step, { minLength: 1, maxLength: 5 }).map((steps) => steps.join("/"));
  const tree = fc.dictionary(fc.constantFrom("a", "b", "c", "d/a", "d/e/b"), target, {
    noNullPrototype: true,
  });
  fc.assert(
    fc.property(tree, (links) => {
      const names = Object.keys(links);
      const accepted = names.every((path) => linkProblem(path, links[path], names) === undefined);
      if (!accepted) return;
      for (const path of names) assert(follow(path, links), `${path} in ${JSON.stringify(links)}`);
    }),
    { numRuns: 2000 },
  );
});

/** Follows a link as the system does, component by component; whether it never leaves the root. */
function follow(path: string, links: Readonly<Record<string, string>>): boolean {
  const place: string[] = [];
  const steps = path.split("/");
  for (let hops = 0; steps.length > 0;) {
    const step = steps.shift()!;
    if (step === "" || step === ".") continue;
    if (step === "..") {
      if (place.pop() === undefined) return false;
      continue;
    }
    place.push(step);
    const target = links[place.join("/")];
    if (target === undefined) continue;
    // As many as the system follows before it gives up: a circle leaves nothing.
    if (++hops > 40) return true;
    if (target.startsWith("/")) return false;
    place.pop();
    steps.unshift(...target.split("/"));
  }
  return true;
}

Deno.test("paths: many are judged as each alone, whatever came before", () => {
  const parts = fc.constantFrom(
    "a",
    "b",
    "..",
    ".",
    "",
    "x\0",
    "NUL",
    "c:d",
    "y".repeat(256),
    "z".repeat(200),
  );
  const paths = fc.array(fc.array(parts, { minLength: 1, maxLength: 25 }).map((list) => list.join("/")));
  const nested = paths.map((list) => list.flatMap((path) => [path, `${parentOf(path)}/e`, `a/${path}`]));
  fc.assert(fc.property(nested, fc.constantFrom("posix", "windows"), (list, platform) => {
    const checker = new PathChecker(platform, 8);
    const verdict = (check: () => void) => {
      try {
        check();
        return "fine";
      } catch (error) {
        return (error as Error).message;
      }
    };
    for (const path of list) {
      assert.equal(verdict(() => checker.check(path)), verdict(() => checkEntryPath(path, platform, 8)));
    }
  }));
});
