/**
 * A tree in the shape of a real `node_modules`: 13,000 files of 38.8 MiB in scoped, nested and plain packages, sizes from a
 * few bytes to hundreds of kilobytes, text, licenses that repeat, links in `.bin`, some executables. The same everywhere.
 *
 * @module
 */

import { chmodSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";

/** Files of the full tree. */
export const PACKAGE_TREE_FILES = 13_000;
/** Links in `.bin`. */
const LINKS = 80;
/** Mean size that sizes are scaled to, bytes. */
const MEAN_SIZE = 3_226;
const MAX_SIZE = 900_000;
const LICENSE_SIZE = 1_070;
const FOLDERS = ["dist", "dist/esm", "dist/cjs", "lib", "src", "types", "test/fixtures/deep/er"];
const ENDINGS = [".js", ".js", ".d.ts", ".js.map", ".mjs", ".md", ".json"];
const KEYWORDS = [
  "const",
  "return",
  "function",
  "export",
  "import",
  "from",
  "this",
  "if",
  "else",
  "=>",
  "{",
  "}",
];

/** Random numbers in [0, 1), the same sequence for the same seed (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = state + 0x6d2b79f5 | 0;
    let t = Math.imul(state ^ state >>> 15, 1 | state);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) / 2 ** 32;
  };
}

class Source {
  readonly random: () => number = randomNumbers(20260101);
  readonly #words: readonly string[] = Array.from({ length: 3_000 }, () => this.#word());

  /** A whole number from `min` to `max`. */
  whole(min: number, max: number): number {
    return min + Math.floor(this.random() * (max - min + 1));
  }

  pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.random() * from.length)];
  }

  word(): string {
    return this.pick(this.#words);
  }

  logNormal(mu: number, sigma: number): number {
    const normal = Math.sqrt(-2 * Math.log(1 - this.random())) * Math.cos(2 * Math.PI * this.random());
    return Math.exp(mu + sigma * normal);
  }

  /** Words, the first ones of the list more often, mixed with those of a program. */
  text(length: number): Uint8Array {
    const words: string[] = [];
    for (let at = 0; at < length;) {
      const rank = Math.floor(-250 * Math.log(1 - this.random()));
      const word = this.random() < 0.45 ? this.pick(KEYWORDS) : this.#words[Math.min(rank, 2_999)];
      words.push(word);
      at += word.length + 1;
    }
    return new TextEncoder().encode(words.join(" ").slice(0, length));
  }

  #word(): string {
    return Array.from({ length: this.whole(2, 11) }, () => String.fromCharCode(this.whole(97, 122))).join("");
  }
}

/** Makes the tree below `root`, which is made too; its bytes. */
export function makePackageTree(root: string, files: number = PACKAGE_TREE_FILES): number {
  const source = new Source();
  const drawn = Array.from({ length: files }, () => Math.min(source.logNormal(6.75, 1.45), MAX_SIZE));
  const scale = MEAN_SIZE * files / drawn.reduce((sum, size) => sum + size, 0);
  const sizes = drawn.map((size) => Math.max(1, Math.floor(size * scale)));
  const licenses = [0, 1, 2].map(() => source.text(LICENSE_SIZE));
  const packages: string[] = [];
  let [made, bytes] = [0, 0];
  while (made < files) {
    const scope = source.random() < 0.3 ? `@s${source.whole(0, 25)}/` : "";
    const nested = packages.length > 0 && source.random() < 0.08;
    const parent = nested ? join(source.pick(packages), "node_modules") : join(root, "node_modules", scope);
    const folder = join(parent, `${source.word()}-${packages.length}`);
    const folders = ["", ...FOLDERS.filter(() => source.random() < 0.45)];
    for (const name of folders) mkdirSync(join(folder, name), { recursive: true });
    const count = Math.min(files - made, Math.max(3, Math.floor(source.logNormal(2.9, 0.9))));
    for (let i = 0; i < count; i++) {
      const other = () => join(source.pick(folders), `${source.word()}-${i}${source.pick(ENDINGS)}`);
      const path = join(folder, i === 0 ? "package.json" : i === 1 ? "LICENSE" : other());
      const content = i === 1 ? licenses[packages.length % 3] : source.text(sizes[made]);
      writeFileSync(path, content);
      if (source.random() < 0.01) chmodSync(path, 0o755);
      const time = 1_500_000_000 + source.whole(0, 200_000_000);
      utimesSync(path, time, time);
      bytes += content.length;
      made++;
    }
    packages.push(folder);
  }
  const bin = join(root, "node_modules/.bin");
  mkdirSync(bin);
  for (let i = 0; i < LINKS; i++) {
    symlinkSync(join(relative(bin, source.pick(packages)), "package.json"), join(bin, `bin-${i}`));
  }
  return bytes;
}
