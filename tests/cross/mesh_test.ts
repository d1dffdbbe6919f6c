/** Four members of a mesh, two on each runtime, that fetch from each other, die and come back. */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { toHex } from "../../src/wire/bytes.ts";
import { UdpRelay } from "../support/relay.ts";
import { withTempDir } from "../support/temp.ts";
import { compareTrees, makeSeedTree, makeTree, pattern } from "../support/tree.ts";
import { deno, node, permissions, type Program, type Runtime } from "./programs.ts";

const MiB = 1024 * 1024;

/** How others find a member. */
interface Contact {
  readonly id: string;
  readonly addresses: readonly string[];
}

/** A member: its process, and its folder. */
class Member {
  readonly home: string;
  program!: Program;
  contact!: Contact;
  /** Reference of its own folder, hex. */
  ref = "";

  constructor(readonly runtime: Runtime, readonly index: number, dir: string) {
    this.home = join(dir, `${index}_${runtime.name}`);
  }

  get own(): string {
    return join(this.home, "own");
  }

  /** Starts it, for the second time at the address it had. */
  async start(): Promise<void> {
    const key = toHex(new Uint8Array(32).fill(this.index + 1));
    const listen = this.contact?.addresses[0] ?? "127.0.0.1:0";
    const script = "tests/cross/mesh_member_script.ts";
    this.program = this.runtime.start(["--allow-all"], script, key, listen, this.own);
    const { id, addresses, ref } = await this.program.hear<Contact & { ref: string }>();
    this.contact = { id, addresses };
    this.ref = ref;
  }

  /** Has it fetch a tree from others; several at once where that is asked for. */
  async fetch(tasks: readonly { ref: string; name: string; from: readonly Contact[] }[]): Promise<void> {
    const wanted = new Set<string>();
    for (const { ref, name, from } of tasks) {
      const to = join(this.home, name);
      wanted.add(to);
      await this.program.tell({ ref, to, from });
    }
    while (wanted.size > 0) {
      const { to, error } = await this.program.hear();
      assert.equal(error, undefined);
      assert(wanted.delete(String(to)));
    }
  }
}

/** A tree that no other member has. */
function makeOwn({ own, index }: Member): void {
  makeSeedTree(own, 5 + index);
  makeTree(own, {
    files: {
      "name.txt": `member ${index}`,
      "big.bin": pattern(5 * MiB + index, index),
      "bin/run": ["#!/bin/sh\n", 0o755],
      "secret": ["s", 0o600],
    },
    dirs: { "hollow": 0o750 },
    links: { "run": "bin/run", "up/name": "../name.txt" },
  });
}

/** Starts four members, Deno and Node in turns. */
function withMesh(
  makeTrees: (member: Member) => void,
  work: (members: Member[]) => Promise<void>,
): Promise<void> {
  return withTempDir(async (dir) => {
    const members = [deno, node, deno, node].map((runtime, index) => new Member(runtime, index, dir));
    try {
      for (const member of members) {
        mkdirSync(member.home);
        makeTrees(member);
      }
      await Promise.all(members.map((member) => member.start()));
      await work(members);
    } finally {
      await Promise.all(members.map(({ program }) => program?.[Symbol.asyncDispose]()));
    }
  });
}

const unscoped = { ...permissions, read: true, write: true };

Deno.test("cross: a mesh of four, each fetches from the three others at the same time", {
  permissions: unscoped,
}, () =>
  withMesh(makeOwn, async (members) => {
    await Promise.all(members.map((member) =>
      member.fetch(
        members.filter((other) => other !== member).map((other) => ({
          ref: other.ref,
          name: `from_${other.index}`,
          from: [other.contact],
        })),
      )
    ));
    for (const member of members) {
      for (const other of members) {
        if (other !== member) compareTrees(join(member.home, `from_${other.index}`), other.own);
      }
    }
  }));

Deno.test("cross: a mesh of four loses a holder in the middle of a fetch, and gets it back", {
  permissions: unscoped,
}, () =>
  withMesh((member) => {
    // Only the first has much.
    makeTree(member.own, { files: { "name.txt": `member ${member.index}` } });
    if (member.index > 0) return;
    const big = Array.from({ length: 10 }, (_, i) => [`big${i}.bin`, pattern(4 * MiB, i)] as const);
    makeTree(member.own, { files: Object.fromEntries(big) });
  }, async (members) => {
    const [first, second, third, last] = members;
    await Promise.all(
      [second, third].map((member) =>
        member.fetch([{ ref: first.ref, name: "tree", from: [first.contact] }])
      ),
    );

    // The last one asks all three; the first dies after a part of what it has to give.
    const relay = await UdpRelay.start(Number(first.contact.addresses[0].split(":")[1]));
    try {
      const cut = relay.cutAfter(5 * MiB);
      const throughRelay = { ...first.contact, addresses: [relay.address] };
      const from = [throughRelay, second.contact, third.contact];
      const fetching = last.fetch([{ ref: first.ref, name: "tree", from }]);
      await cut;
      await first.program.kill();
      await fetching;
      compareTrees(join(last.home, "tree"), first.own);
    } finally {
      await relay.close();
    }

    // It comes back with its key and address, and both directions work again.
    await first.start();
    await first.fetch(
      [second, third, last].map(({ ref, contact, index }) => ({
        ref,
        name: `from_${index}`,
        from: [contact],
      })),
    );
    await Promise.all(
      [second, third, last].map((member) =>
        member.fetch([{ ref: first.ref, name: "again", from: [first.contact] }])
      ),
    );
    for (const member of [second, third, last]) {
      compareTrees(join(first.home, `from_${member.index}`), member.own);
      compareTrees(join(member.home, "again"), first.own);
    }
  }));
