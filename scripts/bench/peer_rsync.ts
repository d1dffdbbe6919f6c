/**
 * rsync, to and from its own daemon without encryption, and over ssh: a server of its own on loopback, with keys and
 * configuration made for it. Nothing of the user's or the system's configuration is read or changed.
 *
 * @module
 */

import { existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Contender, type Outcome, timed, type Transfer } from "./contender.ts";
import { findProgram, freePort, outputOf, run, untilListening } from "./find_program.ts";
import { MeasuredProcess } from "./measured_process.ts";
import type { Peers } from "./peers.ts";

const CIPHERS = [
  ["aes128-gcm", "aes128-gcm@openssh.com"],
  ["chacha20", "chacha20-poly1305@openssh.com"],
] as const;
/** Where sshd, run by root, wants an empty directory. */
const PRIVILEGE_SEPARATION = "/run/sshd";

/** The ways of rsync that this machine has. `folder` takes keys and configuration. */
export function rsyncPeers(folder: string): Peers {
  const rsync = findProgram("rsync");
  if (rsync === undefined) return { found: [], missing: ["rsync (Debian: apt install rsync)"], close() {} };
  const version = /version (\S+)/.exec(outputOf(rsync, "--version"))?.[1] ?? "?";
  const daemon: Contender = {
    id: "rsync",
    title: "rsync daemon, no encryption",
    kind: "peer",
    version: `rsync ${version}`,
    updates: true,
    transfer: (transfer) => throughDaemon(rsync, folder, transfer),
  };
  const [sshd, ssh, keygen] = ["sshd", "ssh", "ssh-keygen"].map(findProgram);
  if (sshd === undefined || ssh === undefined || keygen === undefined) {
    const missing = ["rsync over ssh (Debian: apt install openssh-server openssh-client)"];
    return { found: [daemon], missing, close() {} };
  }
  for (const name of ["host_key", "user_key"]) {
    if (!existsSync(join(folder, name))) {
      run(keygen, "-q", "-t", "ed25519", "-N", "", "-f", join(folder, name));
    }
  }
  const made = isRoot() && !existsSync(PRIVILEGE_SEPARATION);
  if (made) mkdirSync(PRIVILEGE_SEPARATION, 0o755);
  const sshVersion = /OpenSSH_([^\s,]+)/.exec(outputOf(ssh, "-V"))?.[1] ?? "?";
  const overSsh = CIPHERS.map(([name, cipher]): Contender => ({
    id: `ssh-${name}`,
    title: `rsync over ssh, ${name}`,
    kind: "peer",
    version: `rsync ${version}, OpenSSH ${sshVersion}`,
    updates: true,
    transfer: (transfer) => throughSsh({ rsync, sshd, ssh }, cipher, folder, transfer),
  }));
  const close = () => {
    if (made) rmdirSync(PRIVILEGE_SEPARATION);
  };
  return { found: [daemon, ...overSsh], missing: [], close };
}

const isRoot = (): boolean => Deno.uid() === 0;

async function throughDaemon(rsync: string, folder: string, transfer: Transfer): Promise<Outcome> {
  const config = join(folder, "rsyncd.conf");
  const owner = isRoot() ? "uid = root\ngid = root\n" : "";
  writeFileSync(
    config,
    `use chroot = no\naddress = 127.0.0.1\n${owner}log file = /dev/null\n[source]\npath = ${transfer.source}\n`,
  );
  const port = freePort();
  return await serveAndPull(
    new MeasuredProcess(rsync, ["--daemon", "--no-detach", `--config=${config}`, `--port=${port}`]),
    port,
    () => pull(rsync, `rsync://127.0.0.1:${port}/source/`, transfer.dest, []),
  );
}

async function throughSsh(
  { rsync, sshd, ssh }: { readonly rsync: string; readonly sshd: string; readonly ssh: string },
  cipher: string,
  folder: string,
  transfer: Transfer,
): Promise<Outcome> {
  const port = freePort();
  const config = join(folder, "sshd_config");
  writeFileSync(
    config,
    [
      `Port ${port}`,
      "ListenAddress 127.0.0.1",
      `HostKey ${join(folder, "host_key")}`,
      `AuthorizedKeysFile ${join(folder, "user_key.pub")}`,
      "PidFile none",
      "UsePAM no",
      "StrictModes no",
      "PermitRootLogin prohibit-password",
      "PasswordAuthentication no",
      "LogLevel ERROR",
      "",
    ].join("\n"),
  );
  const client = [
    ssh,
    "-F /dev/null",
    `-p ${port}`,
    `-i ${join(folder, "user_key")}`,
    `-c ${cipher}`,
    "-o IdentitiesOnly=yes",
    "-o BatchMode=yes",
    "-o StrictHostKeyChecking=no",
    "-o UserKnownHostsFile=/dev/null",
    "-o LogLevel=ERROR",
  ].join(" ");
  return await serveAndPull(
    new MeasuredProcess(sshd, ["-D", "-e", "-f", config]),
    port,
    () =>
      pull(rsync, `127.0.0.1:${transfer.source}/`, transfer.dest, ["-e", client, `--rsync-path=${rsync}`]),
  );
}

function pull(rsync: string, from: string, dest: string, args: readonly string[]): MeasuredProcess {
  return new MeasuredProcess(rsync, [
    "--archive",
    "--stats",
    "--no-human-readable",
    ...args,
    from,
    `${dest}/`,
  ]);
}

async function serveAndPull(
  serving: MeasuredProcess,
  port: number,
  pull: () => MeasuredProcess,
): Promise<Outcome> {
  try {
    const [, readyMs] = await timed(() => untilListening(port));
    const [fetching, fetchMs] = await timed(async () => {
      const process = pull();
      await process.done();
      return process;
    });
    const bytes = [...fetching.output.matchAll(/^Total bytes (?:sent|received): (\d+)$/gm)];
    return {
      readyMs,
      fetchMs,
      serving: serving.usage(),
      fetching: fetching.usage(),
      wireBytes: bytes.reduce((sum, [, count]) => sum + Number(count), 0),
    };
  } finally {
    await serving.stop();
  }
}
