/**
 * A project that uses the package as its users' projects do: with the packed tarball installed, and a TypeScript program
 * against its declarations.
 *
 * @module
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { run } from "./run_program.ts";

/** Packs the package at `built` into `folder`; the path of the tarball. */
export async function pack(built: string, folder: string): Promise<string> {
  return join(folder, (await run(built, "npm", "pack", "--silent", "--pack-destination", folder)).trim());
}

/** Makes an empty project at `project` and installs packages there. */
export async function makeProject(project: string, ...packages: string[]): Promise<void> {
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), '{"name":"consumer","private":true,"type":"module"}');
  await run(project, "npm", "install", "--no-audit", "--no-fund", "--silent", ...packages);
}

/** A program that imports every entry point and uses the main types. */
function consumer(entries: readonly string[]): string {
  const imports = entries.map((entry, i) => `import * as entry${i} from "${entry}";`);
  return `${imports.join("\n")}
import { type FetchDirStats, MeshNode, type Session } from "@hawser/mesh";
export const entries: object[] = [${entries.map((_, i) => `entry${i}`).join(", ")}];
export async function connect(id: Uint8Array): Promise<Session> {
  const node: MeshNode = await MeshNode.start({ listen: "127.0.0.1:0" });
  return await node.connect({ id, addresses: ["127.0.0.1:4000"] });
}
export const filesOf = (stats: FetchDirStats): number => stats.files;
`;
}

/** Compiles a consumer of `entries` against the declarations, those of dependencies included; throws what is wrong. */
export function compileConsumer(project: string, entries: readonly string[], bundler: boolean): void {
  const file = join(project, "consumer.ts");
  writeFileSync(file, consumer(entries));
  const program = ts.createProgram([file], {
    noEmit: true,
    strict: true,
    skipLibCheck: false,
    target: ts.ScriptTarget.ES2022,
    lib: ["lib.es2024.d.ts", "lib.dom.d.ts", "lib.dom.asynciterable.d.ts", "lib.esnext.disposable.d.ts"],
    types: ["node"],
    typeRoots: [join(project, "node_modules/@types")],
    module: bundler ? ts.ModuleKind.ESNext : ts.ModuleKind.NodeNext,
    moduleResolution: bundler ? ts.ModuleResolutionKind.Bundler : ts.ModuleResolutionKind.NodeNext,
  });
  const problems = ts.getPreEmitDiagnostics(program);
  if (problems.length === 0) return;
  throw new Error(ts.formatDiagnostics(problems, {
    getCanonicalFileName: (name) => name,
    getCurrentDirectory: () => project,
    getNewLine: () => "\n",
  }));
}
