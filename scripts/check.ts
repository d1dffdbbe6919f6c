/**
 * Everything that `deno task check` proves besides the tests: format, lint, types, documentation, layers and that the
 * package could be published. Runs every step even after one failed, so that one run shows all there is to mend.
 *
 * @module
 */

import { readFileSync } from "node:fs";

/** One step: what it is called and the arguments of `deno` that do it. */
interface Step {
  readonly name: string;
  readonly args: readonly string[];
}

const config: { exports: Record<string, string> } = JSON.parse(
  readFileSync(new URL("../deno.json", import.meta.url), "utf8"),
);

const STEPS: readonly Step[] = [
  // Part of what is published.
  { name: "command", args: ["task", "--quiet", "build:command"] },
  { name: "format", args: ["fmt", "--check"] },
  { name: "lint", args: ["lint"] },
  { name: "types", args: ["check", "--frozen", "."] },
  {
    name: "types on Node 20",
    args: ["run", "--allow-read", "--allow-run", "--allow-env", "scripts/check_node_types.ts"],
  },
  { name: "documentation", args: ["doc", "--lint", ...Object.values(config.exports)] },
  { name: "layers", args: ["run", "--allow-read", "scripts/check_layers.ts"] },
  { name: "publish", args: ["publish", "--dry-run", "--allow-dirty"] },
];

const failed: string[] = [];
for (const { name, args } of STEPS) {
  const begin = performance.now();
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: new URL("..", import.meta.url),
    stdin: "null",
  }).output();
  const seconds = ((performance.now() - begin) / 1000).toFixed(1);
  console.log(`${code === 0 ? "ok    " : "FAILED"} ${name} (${seconds} s)`);
  if (code !== 0) {
    failed.push(name);
    await Deno.stdout.write(stdout);
    await Deno.stderr.write(stderr);
  }
}
if (failed.length > 0) {
  console.log(`check failed: ${failed.join(", ")}`);
  Deno.exit(1);
}
