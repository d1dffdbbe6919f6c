/**
 * What a release changes in the texts of the project: the version wherever it stands, and the changelog.
 *
 * @module
 */

/** `1.2.3` or `1.2.3-beta.1`. Build metadata has no place in a release. */
const VERSION_PATTERN = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?$/;

/** Where the version stands: the file, and what is before and after it. */
const PLACES: readonly { readonly file: string; readonly pattern: RegExp }[] = [
  { file: "deno.json", pattern: /^( {2}"version": ")[^"]*(",)$/gm },
  { file: "src/version.ts", pattern: /^(export const VERSION = ")[^"]*(";)$/gm },
];

/** The files that hold the version. */
export const VERSIONED_FILES: readonly string[] = PLACES.map(({ file }) => file);

/** The heading below which changes are collected. */
const UNRELEASED = "## [Unreleased]";

function partsOf(version: string): { numbers: number[]; pre: string[] } {
  const match = VERSION_PATTERN.exec(version);
  if (match === null) {
    throw new Error(`Release: "${version}" is no version, want one such as 1.2.3 or 1.2.3-beta.1`);
  }
  return { numbers: match.slice(1, 4).map(Number), pre: match[4]?.split(".") ?? [] };
}

/** Order of versions (Semantic Versioning §11): negative when `a` comes before `b`. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [partsOf(a), partsOf(b)];
  for (let i = 0; i < 3; i++) {
    if (left.numbers[i] !== right.numbers[i]) return left.numbers[i] - right.numbers[i];
  }
  // A version with a suffix comes before the one without.
  if (left.pre.length === 0 || right.pre.length === 0) return right.pre.length - left.pre.length;
  for (let i = 0; i < Math.min(left.pre.length, right.pre.length); i++) {
    const order = compareIdentifiers(left.pre[i], right.pre[i]);
    if (order !== 0) return order;
  }
  return left.pre.length - right.pre.length;
}

/** Numbers come before words and in their order, words in that of their characters. */
function compareIdentifiers(a: string, b: string): number {
  const [isNumberA, isNumberB] = [a, b].map((text) => /^\d+$/.test(text));
  if (isNumberA && isNumberB) return Number(a) - Number(b);
  if (isNumberA !== isNumberB) return isNumberA ? -1 : 1;
  return a === b ? 0 : a < b ? -1 : 1;
}

/**
 * The version to release.
 *
 * @param current what the project says now. @param wanted a version, not before that one, or which part to raise: `major`,
 * `minor` or `patch`.
 */
export function nextVersion(current: string, wanted: string): string {
  const { numbers: [major, minor, patch], pre } = partsOf(current);
  switch (wanted) {
    case "major":
      return `${major + 1}.0.0`;
    case "minor":
      return `${major}.${minor + 1}.0`;
    case "patch":
      // What follows 1.2.3-beta.1 is 1.2.3.
      return `${major}.${minor}.${pre.length > 0 ? patch : patch + 1}`;
  }
  if (compareVersions(wanted, current) < 0) throw new Error(`Release: ${wanted} comes before ${current}`);
  return wanted;
}

/** The text of a file of {@linkcode VERSIONED_FILES} with another version. */
export function withVersion(file: string, text: string, version: string): string {
  const place = PLACES.find((place) => place.file === file);
  const found = place === undefined ? 0 : text.match(place.pattern)?.length ?? 0;
  if (place === undefined || found !== 1) {
    throw new Error(`Release: the version stands ${found} times in ${file}, want once`);
  }
  return text.replace(place.pattern, `$1${version}$2`);
}

/**
 * The changelog in which what was unreleased belongs to `version`.
 *
 * @param date day of the release, such as `2026-01-31`.
 */
export function releaseChangelog(text: string, version: string, date: string): string {
  if (sectionOf(text, `## [${version}]`) !== undefined) {
    throw new Error(`Release: CHANGELOG.md has a section for ${version} already`);
  }
  const changes = sectionOf(text, UNRELEASED);
  if (changes === undefined) throw new Error(`Release: CHANGELOG.md has no section "${UNRELEASED}"`);
  if (changes === "") throw new Error("Release: CHANGELOG.md lists nothing that is not released");
  return text.replace(UNRELEASED, `${UNRELEASED}\n\n## [${version}] - ${date}`);
}

/** What the changelog says about a version, without the heading; `undefined` when there is no such section. */
export function releaseNotes(text: string, version: string): string | undefined {
  return sectionOf(text, `## [${version}]`);
}

/** The text below a heading that begins so, up to the next of its kind. */
function sectionOf(text: string, heading: string): string | undefined {
  const lines = text.split("\n");
  const begin = lines.findIndex((line) => line.startsWith(heading));
  if (begin < 0) return undefined;
  const end = lines.findIndex((line, i) => i > begin && line.startsWith("## "));
  return lines.slice(begin + 1, end < 0 ? undefined : end).join("\n").trim();
}
