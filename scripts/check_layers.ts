/**
 * Proves the rules of the architecture that no compiler checks: which room may import which, and what each room must
 * not touch. Run by `deno task check`; prints one line per breach and exits with 1 when there is any.
 *
 * @module
 */

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { blankSource } from "./blank_source.ts";

/** Rooms that each room may import besides itself and the files directly in `src`. An arrow points only downward. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  wire: [],
  crypto: ["wire", "runtime"],
  runtime: ["wire"],
  transport: ["wire", "crypto"],
  mesh: ["wire", "crypto", "runtime", "transport"],
  blob: ["wire", "crypto", "runtime", "transport", "mesh"],
  directory: ["wire", "crypto", "runtime", "transport", "mesh", "blob"],
  log: ["wire", "crypto", "runtime", "transport", "mesh", "blob"],
  config: ["wire", "crypto", "runtime", "transport", "mesh", "blob"],
  cli: ["wire", "crypto", "runtime", "transport", "mesh", "blob", "directory", "log", "config"],
};

/** Greatest length of a source file, lines. */
const MAX_LINES = 500;

/** Code that a room must not contain: what it matches, where it is allowed, and why elsewhere it is not. */
const FORBIDDEN: readonly { pattern: RegExp; allowed: (room: string) => boolean; why: string }[] = [
  {
    pattern: /\bDeno\b/g,
    allowed: (room) => room === "runtime",
    why: "only src/runtime names Deno",
  },
  {
    pattern: /\bconsole\s*\./g,
    allowed: (room) => room === "cli",
    why: "the library prints nothing",
  },
  {
    pattern: /\b(?:Date\s*\.\s*now|new\s+Date|performance\s*\.|setTimeout|setInterval|queueMicrotask)\b/g,
    allowed: (room) => room !== "transport" && room !== "wire",
    why: "transport and wire read no clock: time is passed in",
  },
  {
    pattern: /\b(?:Math\s*\.\s*random|getRandomValues|randomUUID|randomBytes)\b/g,
    allowed: (room) => room !== "transport" && room !== "wire",
    why: "transport and wire draw no random numbers: a source is passed in",
  },
];

/** Packages that one file imports, and why no other. */
const ONLY_IMPORTER: Readonly<Record<string, { path: string; why: string }>> = {
  "@logtape/logtape": { path: "src/runtime/logging.ts", why: "loaded with the first message" },
};

/** Whether `room` may import the Node built-in `name` (without `node:`). */
function mayImportBuiltin(room: string, name: string): boolean {
  return room === "runtime" || (room === "crypto" && name === "crypto");
}

/** A file of the project: its path from the project's root, with `/`, and its text. */
export interface SourceFile {
  /** Such as `src/wire/varint.ts`. */
  readonly path: string;
  /** Its contents. */
  readonly text: string;
}

/** The room of a path: the folder below `src`, or `""` for a file directly in `src` or outside of it. */
function roomOf(path: string): string {
  return /^src\/([^/]+)\//.exec(path)?.[1] ?? "";
}

function* importsOf(text: string): Generator<{ specifier: string; index: number }> {
  const code = blankSource(text, { keepStrings: true });
  // Strings are blanked in `bare`: a match that begins inside a string literal is not an import.
  const bare = blankSource(text);
  const pattern = /\b(?:import|export)\b(?:[\w\s{},*$]*?\bfrom\b)?\s*\(?\s*["']([^"'\n]+)["']/g;
  for (const match of code.matchAll(pattern)) {
    if (bare.slice(match.index, match.index + 6) !== code.slice(match.index, match.index + 6)) continue;
    yield { specifier: match[1], index: match.index };
  }
}

/**
 * The breaches in one file, as `path:line: what`.
 *
 * @param file a file below `src`, or the root `mod.ts`.
 * @param aliases the `imports` of `deno.json`, to resolve `#name` specifiers.
 */
export function layerProblems(file: SourceFile, aliases: Readonly<Record<string, string>> = {}): string[] {
  const problems: string[] = [];
  const room = roomOf(file.path);
  const report = (index: number, what: string) => {
    const line = file.text.slice(0, index).split("\n").length;
    problems.push(`${file.path}:${line}: ${what}`);
  };

  for (const { specifier, index } of importsOf(file.text)) {
    if (specifier.startsWith("node:")) {
      if (!mayImportBuiltin(room, specifier.slice(5))) {
        report(index, `"${specifier}" belongs in src/runtime`);
      }
      continue;
    }
    let target: string;
    if (specifier.startsWith(".")) {
      target = normalize(join(dirname(file.path), specifier)).replaceAll("\\", "/");
    } else if (specifier.startsWith("#")) {
      const alias = aliases[specifier];
      if (alias === undefined) {
        report(index, `"${specifier}" is not in the imports of deno.json`);
        continue;
      }
      target = alias.replace(/^\.\//, "");
    } else {
      if (/^(?:npm|jsr|https?|file):/.test(specifier)) {
        report(index, `"${specifier}" must be a bare name listed in deno.json`);
      }
      const only = ONLY_IMPORTER[specifier];
      if (only !== undefined && file.path !== only.path) {
        report(index, `"${specifier}" belongs in ${only.path}: ${only.why}`);
      }
      continue;
    }
    const targetRoom = roomOf(target);
    if (!target.startsWith("src/")) {
      // Metadata of the package may be read by anyone; other files outside of src are not published.
      if (target !== "deno.json") report(index, `"${specifier}" leaves src`);
    } else if (file.path.startsWith("src/") && room === "") {
      if (targetRoom !== "") {
        report(index, `files directly in src import no room, but this imports ${targetRoom}`);
      }
    } else if (targetRoom === "cli" && room !== "cli") {
      report(index, "nothing imports cli");
    } else if (room !== "" && targetRoom !== "" && targetRoom !== room) {
      const allowed = MAY_IMPORT[room];
      if (allowed === undefined) {
        report(index, `room "${room}" has no place in the layers of scripts/check_layers.ts`);
      } else if (!allowed.includes(targetRoom)) {
        report(index, `${room} must not import ${targetRoom}`);
      }
    }
  }

  const code = blankSource(file.text);
  for (const { pattern, allowed, why } of FORBIDDEN) {
    if (allowed(room)) continue;
    for (const match of code.matchAll(pattern)) report(match.index, `"${match[0]}": ${why}`);
  }

  const lines = file.text.split("\n").length - 1;
  if (lines > MAX_LINES) report(0, `${lines} lines, more than ${MAX_LINES}: split it by idea`);
  return problems;
}

function* sourceFiles(root: string, folder: string): Generator<SourceFile> {
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) yield* sourceFiles(root, path);
    else if (/\.(?:ts|tsx|js|mjs)$/.test(entry.name)) {
      yield { path, text: readFileSync(join(root, path), "utf8") };
    }
  }
}

function main(): number {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const config: { imports: Record<string, string> } = JSON.parse(
    readFileSync(join(root, "deno.json"), "utf8"),
  );
  const files = [...sourceFiles(root, "src")];
  try {
    files.push({ path: "mod.ts", text: readFileSync(join(root, "mod.ts"), "utf8") });
  } catch {
    console.log("mod.ts: missing");
    return 1;
  }
  const problems = files.flatMap((file) => layerProblems(file, config.imports));
  for (const problem of problems) console.log(problem);
  console.log(
    problems.length === 0
      ? `Layers hold in ${files.length} files of ${relative(process.cwd(), root) || "."}`
      : `${problems.length} breaches of the layers`,
  );
  return problems.length === 0 ? 0 : 1;
}

if (import.meta.main) process.exit(main());
