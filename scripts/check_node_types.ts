/**
 * Proves that the library uses nothing that the oldest Node it supports lacks: checks its sources against the
 * declarations of that Node instead of Deno's. Run by `deno task check`; exits with 1 when there is anything.
 *
 * @module
 */

import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { packageExports } from "./build_npm.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** Where the compiler looks for packages. Nothing is there: Deno keeps them in a folder of its own. */
const MODULES = join(ROOT, "node_modules") + "/";

/** Built-ins of Node 20. `Symbol.dispose` is there, `using` is lowered by the build. */
const LIBRARIES = ["lib.es2023.d.ts", "lib.esnext.disposable.d.ts"];

/**
 * What is asked for and may be missing: `import.meta.main` came with Node 24, and is undefined before. And what is
 * there although the declarations lack it: WebAssembly, as much of it as is used.
 */
const AMBIENT_PATH = join(ROOT, "node_types.d.ts");
const AMBIENT = `interface ImportMeta { readonly main: boolean | undefined }
declare namespace WebAssembly {
  class Module { constructor(bytes: Uint8Array); }
  class Memory { constructor(size: { initial: number }); readonly buffer: ArrayBuffer; }
  class Instance {
    constructor(module: Module, imports: Record<string, Record<string, unknown>>);
    readonly exports: Record<string, unknown>;
  }
}
`;

/** What is used of `deno.json` and `deno.lock`. */
interface Config {
  readonly exports: Readonly<Record<string, string>>;
  readonly imports: Readonly<Record<string, string>>;
}
interface Lock {
  readonly npm: Readonly<Record<string, unknown>>;
}

function readJson<T>(name: string): T {
  return JSON.parse(readFileSync(join(ROOT, name), "utf8"));
}

/** Folders of the locked packages by name, in Deno's cache. */
function packageFolders(): Map<string, string> {
  const deno = (...args: string[]) =>
    execFileSync(process.execPath, args, {
      cwd: ROOT,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
    });
  deno("install", "--frozen", "--quiet");
  const { npmCache } = JSON.parse(deno("info", "--json")) as { npmCache: string };
  const folders = new Map<string, string>();
  const registries = readdirSync(npmCache);
  for (const key of Object.keys(readJson<Lock>("deno.lock").npm)) {
    // `@a/b@1.2.3_peer@4.5.6` is version 1.2.3 of `@a/b`.
    const at = key.indexOf("@", 1);
    const [name, version] = [key.slice(0, at), key.slice(at + 1).split("_")[0]];
    const found = registries.map((registry) => join(npmCache, registry, name, version)).find(existsSync);
    if (found !== undefined) folders.set(name, found);
  }
  return folders;
}

/** The path that really holds what the compiler looks for at `path`; `undefined` when nothing does. */
function realPath(folders: ReadonlyMap<string, string>, path: string): string | undefined {
  if (!path.startsWith(MODULES)) return path;
  const parts = path.slice(MODULES.length).split("/");
  const name = parts.splice(0, parts[0].startsWith("@") ? 2 : 1).join("/");
  const folder = folders.get(name);
  return folder === undefined ? undefined : join(folder, ...parts);
}

/** The compiler's host, with the locked packages where it looks for `node_modules`. */
function hostOver(folders: ReadonlyMap<string, string>, options: ts.CompilerOptions): ts.CompilerHost {
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, directoryExists } = host;
  return Object.assign(host, {
    getCurrentDirectory: () => ROOT,
    realpath: (path: string) => path,
    fileExists(path: string): boolean {
      const real = realPath(folders, path);
      return path === AMBIENT_PATH || (real !== undefined && fileExists(real));
    },
    readFile(path: string): string | undefined {
      if (path === AMBIENT_PATH) return AMBIENT;
      const real = realPath(folders, path);
      return real === undefined ? undefined : readFile(real);
    },
    directoryExists(path: string): boolean {
      if (`${path}/` === MODULES || path === join(MODULES, "@types")) return true;
      const real = realPath(folders, path);
      return real !== undefined && directoryExists!(real);
    },
  });
}

/** What the compiler has to say, a line each; empty when all is well. */
export function nodeTypeProblems(): string {
  const config = readJson<Config>("deno.json");
  const drivers = Object.entries(config.imports).filter(([name]) => name.startsWith("#"));
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    lib: LIBRARIES,
    types: ["node"],
    paths: Object.fromEntries(
      drivers.map(([name, path]) => [name, [join(ROOT, path.replace("_deno.ts", "_node.ts"))]]),
    ),
    strict: true,
    noImplicitOverride: true,
    noFallthroughCasesInSwitch: true,
    allowImportingTsExtensions: true,
    skipLibCheck: true,
    noEmit: true,
  };
  const host = hostOver(packageFolders(), options);
  const roots = packageExports(config).map(([, source]) => join(ROOT, source));
  const program = ts.createProgram([...roots, AMBIENT_PATH], options, host);
  return ts.formatDiagnostics(ts.getPreEmitDiagnostics(program), host);
}

if (import.meta.main) {
  const problems = nodeTypeProblems();
  if (problems !== "") {
    console.log(problems.trimEnd());
    process.exit(1);
  }
}
