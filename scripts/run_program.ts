/**
 * Runs other programs, for the scripts that use the package as others do.
 *
 * @module
 */

import { execFile } from "node:child_process";
import process from "node:process";

/** A program and its first arguments. */
export type CommandLine = readonly [string, ...string[]];

/** Runs a program in `cwd`; what it writes. Throws with all of that when it fails. */
export function run(cwd: string, program: string, ...args: string[]): Promise<string> {
  return runWith({}, cwd, program, ...args);
}

/** As {@linkcode run}, with variables added to the environment. */
export function runWith(
  env: Readonly<Record<string, string>>,
  cwd: string,
  program: string,
  ...args: string[]
): Promise<string> {
  const options = { cwd, encoding: "utf8", env: { ...process.env, ...env } } as const;
  return new Promise((resolve, reject) => {
    execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${program}: ${error.message}\n${stdout}${stderr}`));
    });
  });
}

/** Median of the times that `times` runs of a program take, milliseconds. */
export async function medianTime(
  times: number,
  cwd: string,
  program: string,
  ...args: string[]
): Promise<number> {
  const taken: number[] = [];
  for (let i = 0; i < times; i++) {
    const begin = performance.now();
    await run(cwd, program, ...args);
    taken.push(performance.now() - begin);
  }
  taken.sort((a, b) => a - b);
  return (taken[Math.floor((times - 1) / 2)] + taken[Math.ceil((times - 1) / 2)]) / 2;
}
