/**
 * Ways to put delay and loss between two processes.
 *
 * @module
 */

import { UdpRelay } from "../../tests/support/relay.ts";

/** See {@linkcode openLink}. */
export type LinkKind = "netem" | "tun" | "relay";

/** All kinds, the best first. */
export const LINKS: readonly LinkKind[] = ["netem", "tun", "relay"];

/** What a link is to be like. */
export interface LinkQuality {
  /** Milliseconds one way. */
  readonly delay: number;
  /** Share of packets lost each way. */
  readonly loss: number;
  /** Congestion control of TCP. */
  readonly tcp: string;
}

/** A link. */
export interface Link {
  /** For people. */
  readonly description: string;
  /** Command that runs another at the server's end. */
  readonly server: readonly string[];
  /** The same for the client's end. */
  readonly client: readonly string[];
  /** Where the server listens. */
  readonly serverHost: string;
  /** Congestion control of TCP; `undefined` when it carries none. */
  readonly tcp: string | undefined;
  /** Where the client finds what listens on that UDP port of the server. */
  reach(port: number): Promise<string>;
  /** Takes it down. */
  close(): Promise<void>;
}

const TCP_SETTING = "/proc/sys/net/ipv4/tcp_congestion_control";
const CLIENT_HOST = "10.213.7.1";
const SERVER_HOST = "10.213.7.2";

/** Makes the first of these links that works here. */
export async function openLink(kinds: readonly LinkKind[], quality: LinkQuality): Promise<Link> {
  let cause: unknown;
  for (const kind of kinds) {
    try {
      if (kind === "relay") return relayLink(quality);
      return await namespaceLink(kind, quality);
    } catch (error) {
      console.log(`no ${kind} here: ${(error as Error).message.trim()}`);
      cause = error;
    }
  }
  throw new Error("Make link: none works here", { cause });
}

async function run(command: string, ...args: string[]): Promise<void> {
  await outputOf(command, ...args);
}

async function outputOf(command: string, ...args: string[]): Promise<string> {
  const output = await new Deno.Command(command, { args, stdout: "piped", stderr: "piped" }).output();
  if (!output.success) throw new Error(new TextDecoder().decode(output.stderr));
  return new TextDecoder().decode(output.stdout);
}

/** Two namespaces with one device each. */
async function namespaceLink(kind: "netem" | "tun", quality: LinkQuality): Promise<Link> {
  // Not the names of an attempt before: the kernel takes its time to forget those.
  const [a, b] = ["a", "b"].map((end) => `hawser-${Deno.pid}-${kind}-${end}`);
  const devices = ["a", "b"].map((end) => `hw${Deno.pid % 100_000}${kind[0]}${end}`);
  let emulator: Deno.ChildProcess | undefined;
  const close = async () => {
    for (const name of [a, b]) await run("ip", "netns", "del", name).catch(() => {});
    emulator?.kill("SIGTERM");
    await emulator?.status;
  };
  try {
    await run("ip", "netns", "add", a);
    await run("ip", "netns", "add", b);
    if (kind === "netem") {
      await run("ip", "link", "add", devices[0], "type", "veth", "peer", "name", devices[1]);
    } else emulator = await startEmulator(devices, quality);
    const ends = [[a, devices[0], CLIENT_HOST, SERVER_HOST], [b, devices[1], SERVER_HOST, CLIENT_HOST]];
    for (const [name, device, own, peer] of ends) {
      await run("ip", "link", "set", device, "netns", name);
      await run("ip", "-n", name, "addr", "add", own, "peer", peer, "dev", device);
      await run("ip", "-n", name, "link", "set", "lo", "up");
      await run("ip", "-n", name, "link", "set", device, "up");
      const { delay, loss, tcp } = quality;
      // Where a namespace may not choose it, TCP keeps the kernel's own; the figure tells which.
      await run("ip", "netns", "exec", name, "sh", "-c", `echo ${tcp} > ${TCP_SETTING}`).catch(() => {});
      if (kind === "tun") continue;
      const netem = ["netem", "delay", `${delay}ms`, "loss", `${100 * loss}%`, "limit", "20000"];
      await run("ip", "netns", "exec", name, "tc", "qdisc", "add", "dev", device, "root", ...netem);
    }
  } catch (error) {
    await close();
    throw error;
  }
  return {
    description: `network namespaces, ${kind === "netem" ? "veth with netem" : "tunnel devices"}`,
    server: ["ip", "netns", "exec", b],
    client: ["ip", "netns", "exec", a],
    serverHost: SERVER_HOST,
    tcp: (await outputOf("ip", "netns", "exec", b, "cat", TCP_SETTING)).trim(),
    reach: (port) => Promise.resolve(`${SERVER_HOST}:${port}`),
    close,
  };
}

/** Starts the process between two tunnel devices and waits until they are there. */
async function startEmulator(
  devices: readonly string[],
  { delay, loss }: LinkQuality,
): Promise<Deno.ChildProcess> {
  const script = new URL("./tun_link.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-ffi", script, ...devices, String(delay), String(loss)],
    stdout: "piped",
    stderr: "inherit",
    stdin: "null",
  }).spawn();
  const reader = child.stdout.getReader();
  const { done } = await reader.read();
  reader.releaseLock();
  if (done) throw new Error("tunnel devices are refused");
  return child;
}

/** A relay on loopback, in this process. */
function relayLink({ delay, loss }: LinkQuality): Link {
  const relays: UdpRelay[] = [];
  return {
    description: "UDP relay on loopback",
    server: [],
    client: [],
    serverHost: "127.0.0.1",
    tcp: undefined,
    reach: async (port) => {
      const relay = await UdpRelay.start(port, { drop: loss, delay });
      relays.push(relay);
      return relay.address;
    },
    close: async () => {
      for (const relay of relays) await relay.close();
    },
  };
}
