/**
 * `deno task net`: a real transfer through the kernel over a link with delay and loss, next to TCP over the same link.
 * Two network namespaces are joined by a veth pair with netem, or, where the kernel has no netem, by two tunnel
 * devices with a process in between. Both need root on Linux; elsewhere a UDP relay on loopback takes their place, and
 * TCP has no figure.
 *
 * Options: `--mb 100`, `--delay 50` (milliseconds one way), `--loss 1` (percent each way), `--link netem|tun|relay`,
 * `--only hawser|tcp`, `--tcp reno|cubic|bbr` (if the kernel lets a namespace choose it). Both transfers run at the same time: the link has no bandwidth that they would have to share.
 *
 * @module
 */

import process from "node:process";
import { parseArgs } from "node:util";
import { type Link, type LinkKind, LINKS, openLink } from "./links.ts";

/** What one transfer came to. */
interface Figure {
  readonly name: string;
  readonly seconds: number;
}

const HAWSER_PORT = 4701;
const TCP_PORT = 4702;
/** Seconds between lines about the progress. */
const PROGRESS = 20;

/** A line that a peer reports. */
type Line = Record<string, unknown> & { readonly read?: number; readonly seconds?: number };

/** Starts a peer at one end of the link. */
function startPeer(prefix: readonly string[], ...args: string[]): Deno.ChildProcess {
  const script = new URL("./peer.ts", import.meta.url).pathname;
  const [command, ...before] = [...prefix, Deno.execPath()];
  return new Deno.Command(command, {
    args: [...before, "run", "--quiet", "--allow-net", "--allow-sys", "--unstable-net", script, ...args],
    stdout: "piped",
    stderr: "inherit",
    stdin: "null",
  }).spawn();
}

async function* linesOf(child: Deno.ChildProcess): AsyncGenerator<Line> {
  let rest = "";
  for await (const piece of child.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop()!;
    for (const line of lines) yield JSON.parse(line);
  }
}

async function transfer(link: Link, name: "hawser" | "tcp", length: number): Promise<Figure> {
  const port = name === "hawser" ? HAWSER_PORT : TCP_PORT;
  const server = startPeer(link.server, `${name}-serve`, `${link.serverHost}:${port}`, String(length));
  let client: Deno.ChildProcess | undefined;
  try {
    const first = (await linesOf(server).next()).value as Line;
    const to = name === "hawser" ? await link.reach(port) : `${link.serverHost}:${port}`;
    const id = name === "hawser" ? [String(first.id)] : [];
    client = startPeer(link.client, `${name}-fetch`, to, ...id, String(length));
    let told = 0;
    for await (const { read = 0, seconds = 0, done } of linesOf(client)) {
      if (done) return { name, seconds };
      if (seconds - told < PROGRESS) continue;
      told = seconds;
      console.log(`${name}: ${(read / 1e6).toFixed(1)} MB after ${seconds.toFixed(0)} s`);
    }
    throw new Error(`Transfer by ${name}: ended early`);
  } finally {
    for (const child of [client, server]) {
      try {
        child?.kill("SIGTERM");
      } catch {
        // Ended by itself.
      }
      await child?.status;
    }
  }
}

const { values } = parseArgs({
  options: {
    mb: { type: "string", default: "100" },
    delay: { type: "string", default: "50" },
    loss: { type: "string", default: "1" },
    link: { type: "string" },
    only: { type: "string" },
    tcp: { type: "string", default: "reno" },
  },
});
const length = Math.round(Number(values.mb) * 1e6);
const quality = { delay: Number(values.delay), loss: Number(values.loss) / 100, tcp: values.tcp };
const kinds = values.link === undefined ? LINKS : [values.link as LinkKind];
const link = await openLink(kinds, quality);
console.log(`link: ${link.description}, ${2 * quality.delay} ms round trip, ${values.loss} % loss each way`);
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => void link.close().finally(() => process.exit(1)));
}
let failed = false;
try {
  const names = (["hawser", "tcp"] as const).filter((name) =>
    (values.only ?? name) === name && (name !== "tcp" || link.tcp !== undefined)
  );
  const results = await Promise.allSettled(names.map((name) => transfer(link, name, length)));
  for (const [i, result] of results.entries()) {
    if (result.status === "fulfilled") {
      const rate = length / 1e6 / result.value.seconds;
      const time = `${result.value.seconds.toFixed(1)} s`;
      const name = names[i] === "tcp" ? `tcp (${link.tcp})` : names[i];
      console.log(`${name}: ${values.mb} MB arrived and were right, ${time}, ${rate.toFixed(3)} MB/s`);
    } else {
      failed = true;
      console.log(`${names[i]}: ${result.reason}`);
    }
  }
} finally {
  await link.close();
}
process.exit(failed ? 1 : 0);
