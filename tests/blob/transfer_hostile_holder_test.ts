/** Holders that break the transfer in every way: each gives its own error in its time, and nothing is left over. */
import assert from "node:assert/strict";
import process from "node:process";
import {
  BlobNotFoundError,
  HashMismatchError,
  type HawserError,
  NotAuthorizedError,
  PeerSilentError,
  SessionClosedError,
  SizeMismatchError,
  StreamResetError,
  TransferProtocolError,
  TransferRefusedError,
} from "../../src/errors.ts";
import { toChunkSource, type TransferOptions } from "../../src/blob/transfer_client.ts";
import { ErrorCode, type MeshNode, type MeshStream, type Session } from "../../src/mesh/mod.ts";
import { frameMessage } from "../../src/mesh/messages.ts";
import { writeVarint } from "../../src/wire/varint.ts";
import type { RefusalCode, TransferControl } from "../../src/wire/transfer_message.ts";
import { closeAll, loopback as permissions, startNode, until } from "../mesh/nodes.ts";
import {
  blake3,
  CollectingJob,
  contents,
  fetchFrom,
  found,
  header,
  quick,
  startAnsweringHolder,
  startHolder,
  startRawHolder,
  storeOf,
  withHolders,
} from "./transfer_support.ts";

const MiB = 1024 * 1024;
const blob = contents([100_000])[0];

/** What a holder does with one request. */
type Answer = (control: TransferControl, stream: MeshStream, session: Session) => void;

/** Fetches one chunk from a holder that answers so; the error it gives, after all streams are gone. */
async function errorOf(
  holder: MeshNode,
  options: TransferOptions = quick,
  job: CollectingJob = new CollectingJob(blob),
): Promise<HawserError> {
  return await withHolders([holder], async ([session]) => {
    let failure: HawserError | undefined;
    await toChunkSource(session, options).fetchChunks([job]).catch((error) => failure = error);
    assert(failure !== undefined, "the fetch went through");
    assert.equal(job.completed, 0);
    const calls = job.offsets.length;
    // The lanes are given up on both ends, unless the session went with them.
    await until(() => !session.isOpen || session.metrics().streams === 0);
    assert.equal(job.offsets.length, calls);
    return failure;
  });
}

const send = (stream: MeshStream, ...pieces: Uint8Array[]) => {
  for (const piece of pieces) stream.transport.write(piece);
};

interface Case {
  readonly name: string;
  readonly answer: Answer;
  readonly error: abstract new (...args: never[]) => Error;
  readonly message?: RegExp;
}

const cases: Case[] = [
  {
    name: "wrong bytes",
    answer: (_, stream) => send(stream, found(blob.length), new Uint8Array(blob.length)),
    error: HashMismatchError,
  },
  {
    name: "one wrong byte at the end",
    answer: (_, stream) => send(stream, found(blob.length), blob.subarray(0, -1), new Uint8Array([0xee])),
    error: HashMismatchError,
  },
  {
    name: "the right bytes in another order",
    answer: (_, stream) => send(stream, found(blob.length), blob.subarray(50_000), blob.subarray(0, 50_000)),
    error: HashMismatchError,
  },
  {
    name: "too few bytes, then the end",
    answer: (_, stream) => {
      send(stream, found(blob.length), blob.subarray(0, 5000));
      stream.transport.finish();
    },
    error: TransferProtocolError,
    message: /ended its stream/,
  },
  {
    name: "the end at once",
    answer: (_, stream) => stream.transport.finish(),
    error: TransferProtocolError,
    message: /ended its stream/,
  },
  {
    name: "another size, smaller by one",
    answer: (_, stream) => send(stream, found(blob.length - 1), blob),
    error: SizeMismatchError,
    message: /99999 bytes/,
  },
  {
    name: "another size, larger by one",
    answer: (_, stream) => send(stream, found(blob.length + 1), blob),
    error: SizeMismatchError,
  },
  {
    name: "another size, none",
    answer: (_, stream) => send(stream, found(0)),
    error: SizeMismatchError,
  },
  {
    name: "another size, 2^63",
    answer: (_, stream) => send(stream, found(2n ** 63n)),
    error: SizeMismatchError,
    message: /9223372036854775808 bytes/,
  },
  {
    name: "another size, 2^64 - 1",
    answer: (_, stream) => send(stream, found(2n ** 64n - 1n)),
    error: SizeMismatchError,
  },
  {
    name: "not found",
    answer: (_, stream) => send(stream, header({ kind: "not-found" })),
    error: BlobNotFoundError,
  },
  ...(["FORBIDDEN", "BUSY", "TOO_LARGE", "BAD_REQUEST"] as RefusalCode[]).map((code): Case => ({
    name: `refused with ${code}`,
    answer: (_, stream) => send(stream, header({ kind: "refused", code, message: "because\u202e\x1b[31m" })),
    error: TransferRefusedError,
    message: new RegExp(code),
  })),
  {
    name: "a refusal with an unknown code",
    answer: (_, stream) => send(stream, frameMessage(new Uint8Array([2, 77, 0]))),
    error: TransferProtocolError,
    message: /code 77/,
  },
  {
    name: "a refusal with a text that is too long",
    answer: (_, stream) =>
      send(stream, frameMessage(new Uint8Array([2, 0, 0x81, 8, ...new Uint8Array(1025)]))),
    error: TransferProtocolError,
  },
  {
    name: "a garbage header",
    answer: (_, stream) => send(stream, frameMessage(new Uint8Array([0xff, 0xff, 0xff]))),
    error: TransferProtocolError,
  },
  {
    name: "an empty header",
    answer: (_, stream) => send(stream, new Uint8Array([0])),
    error: TransferProtocolError,
  },
  {
    name: "an unknown variant",
    answer: (_, stream) => send(stream, frameMessage(new Uint8Array([9]))),
    error: TransferProtocolError,
    message: /variant 9/,
  },
  {
    name: "a bitmap nobody asked for",
    answer: (_, stream) => send(stream, header({ kind: "have-reply", bitmap: new Uint8Array(3) })),
    error: TransferProtocolError,
  },
  {
    name: "a bitmap that is too long",
    answer: (_, stream) => send(stream, frameMessage(new Uint8Array([3, 0x80, 5, ...new Uint8Array(640)]))),
    error: TransferProtocolError,
  },
  ...[1029, 2 ** 20, 2 ** 40, 2 ** 53 - 1].map((length): Case => ({
    name: `a message of ${length} bytes`,
    answer: (_, stream) => {
      const head = new Uint8Array(8);
      send(stream, head.subarray(0, writeVarint(head, 0, length)));
    },
    error: TransferProtocolError,
    message: new RegExp(`${length} bytes announced`),
  })),
  {
    name: "a length of 2^62 - 1",
    answer: (_, stream) => send(stream, new Uint8Array(8).fill(0xff)),
    error: TransferProtocolError,
  },
  {
    name: "a reset stream, every time",
    answer: (_, stream) => stream.transport.abort(0x777),
    error: StreamResetError,
  },
  {
    name: "a stopped stream, every time",
    answer: (_, stream) => stream.transport.stop(0x777),
    error: StreamResetError,
  },
  {
    name: "the end of the session, every time",
    answer: (_, _stream, session) => void session.close(0x777, "go away"),
    error: SessionClosedError,
  },
  {
    name: "the end of the session in the middle of the chunk, every time",
    answer: (control, stream, session) => {
      const at = control.kind === "request-range" ? control.offset : 0;
      send(stream, found(blob.length), blob.subarray(at, at + 10));
      setTimeout(() => session.close(0x777, "go away"), 20);
    },
    error: SessionClosedError,
  },
  { name: "silence", answer: () => {}, error: PeerSilentError, message: /sent 0 bytes in/ },
  {
    name: "the header, then silence",
    answer: (_, stream) => send(stream, found(blob.length)),
    error: PeerSilentError,
  },
  {
    name: "half a header, then silence",
    answer: (_, stream) => send(stream, found(blob.length).subarray(0, 2)),
    error: PeerSilentError,
  },
  {
    name: "all but the last byte, then silence",
    answer: (_, stream) => send(stream, found(blob.length), blob.subarray(0, -1)),
    error: PeerSilentError,
  },
];

/** Runs cases at the same time, because most of them wait for a deadline; says which one failed. */
async function allOf<T extends { readonly name: string }>(
  cases: readonly T[],
  run: (one: T) => Promise<void>,
): Promise<void> {
  await Promise.all(cases.map((one) =>
    run(one).catch((cause) => {
      throw new Error(`Case "${one.name}": ${cause.message}`, { cause });
    })
  ));
}

Deno.test(
  `hostile holder: ${cases.length} wrong answers, each with its own error`,
  { permissions },
  () =>
    allOf(cases, async ({ answer, error, message }) => {
      const holder = await startAnsweringHolder(answer);
      const found = await errorOf(holder);
      assert(found instanceof error, `${found.name}: ${found.message}`);
      // Every error but those of the transport names the holder.
      const isOurs = !(found instanceof StreamResetError || found instanceof SessionClosedError);
      if (isOurs) assert.match(found.message, new RegExp(holder.name.slice(0, 10)));
      if (message !== undefined) assert.match(found.message, message);
    }),
);

Deno.test("hostile holder: a mismatch carries both hashes and the holder", { permissions }, async () => {
  const holder = await startAnsweringHolder((_, stream) => send(stream, found(3), new Uint8Array(3)));
  const job = new CollectingJob(new Uint8Array([1, 2, 3]));
  const error = await errorOf(holder, quick, job) as HashMismatchError;
  assert.equal(error.holder, holder.name.slice(0, 10));
  assert.match(error.message, new RegExp(`${error.expected}.*${error.actual}`));
  assert.notEqual(error.expected, error.actual);
});

Deno.test("hostile holder: an endless trickle is no progress", { permissions }, async () => {
  for (const dropping of [false, true]) {
    const timers = new Set<ReturnType<typeof setInterval>>();
    const holder = await startAnsweringHolder((control, stream, session) => {
      let at = control.kind === "request-range" ? control.offset : 0;
      send(stream, found(blob.length));
      const timer = setInterval(() => {
        if (stream.transport.error !== undefined) return clearInterval(timer);
        send(stream, blob.subarray(at, ++at));
        // With a new session each time, as if it could not help it.
        if (dropping && at % 8 === 0) void session.close(5, "oh");
      }, 10);
      timers.add(timer);
    });
    const error = await errorOf(holder);
    for (const timer of timers) clearInterval(timer);
    if (dropping) assert(error instanceof SessionClosedError || error instanceof PeerSilentError, `${error}`);
    else assert(error instanceof PeerSilentError, `${error}`);
  }
});

Deno.test("hostile holder: more bytes than asked for", { permissions }, async () => {
  const holder = await startAnsweringHolder((_, stream) =>
    send(stream, found(blob.length), blob, found(5), blob)
  );
  await withHolders([holder], async ([session]) => {
    const job = new CollectingJob(blob);
    // The answer itself was right: that it is followed by more is found out before or after the fetch is over.
    await toChunkSource(session, quick).fetchChunks([job]).catch((error) =>
      assert(error instanceof TransferProtocolError, `${error}`)
    );
    assert.equal(job.completed, 1);
    assert.deepEqual(job.bytes, blob);
    await until(() => session.metrics().streams === 0);
  });
});

Deno.test("hostile holder: an answer before the question", { permissions }, async () => {
  const holder = await startRawHolder((stream) => send(stream, found(blob.length), blob));
  const error = await errorOf(holder);
  assert(error instanceof TransferProtocolError || error instanceof HashMismatchError, `${error}`);
});

Deno.test("hostile holder: it ends every stream at once", { permissions }, async () => {
  const holder = await startRawHolder((stream) => stream.transport.finish());
  assert(await errorOf(holder) instanceof TransferProtocolError);
});

Deno.test("hostile holder: it resets every stream as it comes", { permissions }, async () => {
  let streams = 0;
  const holder = await startRawHolder((stream) => {
    streams++;
    stream.transport.abort(0x1234);
  });
  assert(await errorOf(holder) instanceof StreamResetError);
  // It is not asked as fast as it refuses.
  assert(streams <= 40, `${streams} streams`);
});

Deno.test("hostile holder: it refuses every stream as busy", { permissions }, async () => {
  const holder = await startHolder(await storeOf([blob]), { maxStreamsPerPeer: 0 });
  const error = await errorOf(holder);
  assert(error instanceof TransferRefusedError, `${error}`);
  assert.equal(error.code, "BUSY");
});

Deno.test("hostile holder: it allows no stream at all", { permissions }, async () => {
  const holder = await startNode({ transport: { maxStreams: 0 } });
  const error = await errorOf(holder);
  assert(error instanceof PeerSilentError, `${error}`);
  assert.match(error.message, /no stream/);
});

Deno.test("hostile holder: nobody serves blobs there", { permissions }, async () => {
  const holder = await startNode();
  const error = await errorOf(holder);
  assert(error instanceof TransferProtocolError);
  assert.match(error.message, /serves no blobs/);
});

Deno.test("hostile holder: it takes the handshake and then does not authorize", { permissions }, async () => {
  let handshakes = 0;
  const holder = await startHolder(await storeOf([blob]), {}, {
    authorize: () => {
      handshakes++;
      return new Promise((resolve) => setTimeout(resolve, 20, false));
    },
  });
  assert(await errorOf(holder) instanceof NotAuthorizedError);
  assert.equal(handshakes, 1);
});

Deno.test("hostile holder: one true answer for each session slows down", { permissions }, async () => {
  const blobs = contents(Array(300).fill(20));
  const byHash = new Map(blobs.map((blob) => [blake3.hash(blob).join(), blob]));
  const answered = new Set<Session>();
  const holder = await startAnsweringHolder((control, stream, session) => {
    if (control.kind !== "request" || answered.has(session)) return;
    answered.add(session);
    send(stream, found(20), byHash.get(control.hash.join())!);
    setTimeout(() => session.close(3, "one at a time"), 10);
  });
  await withHolders([holder], async ([session]) => {
    const controller = new AbortController();
    const jobs = blobs.map((blob) => new CollectingJob(blob));
    const fetching = toChunkSource(session).fetchChunks(jobs, { signal: controller.signal });
    fetching.catch(() => {});
    // Waits of 0, 250, 500 and 1000 ms: progress too small to start over with them.
    const begin = performance.now();
    await until(() => answered.size === 5);
    assert(performance.now() - begin > 1500, "no back-off");
    controller.abort(new Error("seen enough"));
    await assert.rejects(fetching, /seen enough/);
    assert(jobs.filter((job) => job.completed).length >= 3);
  });
});

Deno.test("hostile holder: memory stays flat however much it sends", {
  permissions: { ...permissions, sys: true },
}, async () => {
  let sent = 0;
  const flood = new Uint8Array(256 * 1024).fill(7);
  // Bytes that nobody asked for, on every stream, for as long as the streams live.
  const holder = await startAnsweringHolder((_, stream) => {
    const { transport } = stream;
    send(stream, found(blob.length));
    transport.onWritable = () => {
      while (transport.writable) {
        sent += flood.length;
        transport.write(flood);
      }
    };
    transport.onWritable();
  });
  await withHolders([holder], async ([session]) => {
    const source = toChunkSource(session, quick);
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 30; i++) {
      await assert.rejects(source.fetchChunks([new CollectingJob(blob)]), HashMismatchError);
    }
    const grown = process.memoryUsage().rss - before;
    assert(sent > 30 * MiB);
    assert(grown < 150 * MiB, `${Math.round(grown / MiB)} MiB more after ${Math.round(sent / MiB)} MiB`);
    await until(() => session.metrics().streams === 0);
  });
});

Deno.test("several holders: a wrong one loses its share", { permissions }, async () => {
  const blobs = contents(Array(40).fill(50_000));
  let wrong = 0;
  const holders = [
    await startAnsweringHolder((_, stream) => {
      wrong++;
      send(stream, found(50_000), new Uint8Array(50_000));
    }),
    await startHolder(await storeOf(blobs)),
  ];
  const jobs = blobs.map((blob) => new CollectingJob(blob));
  await fetchFrom(holders, jobs, { ...quick, streams: 2 });
  for (const [i, job] of jobs.entries()) assert.deepEqual(job.bytes, blobs[i]);
  assert(wrong > 0);
});

const partners: { name: string; answer: Answer }[] = ([
  ["silent", () => {}],
  ["garbage", (_, stream) => send(stream, new Uint8Array(100).fill(0xfe))],
  [
    "too long a bitmap",
    (_, stream) => send(stream, frameMessage(new Uint8Array([3, 0x80, 5, ...new Uint8Array(640)]))),
  ],
  ["wrong size", (_, stream) => send(stream, found(1))],
  ["not found", (_, stream) => send(stream, header({ kind: "not-found" }))],
  ["always busy", (_, stream) => send(stream, header({ kind: "refused", code: "BUSY", message: "" }))],
  ["forbidding", (_, stream) => send(stream, header({ kind: "refused", code: "FORBIDDEN", message: "" }))],
  ["ending", (_, stream) => stream.transport.finish()],
  ["resetting", (_, stream) => stream.transport.abort(1)],
  ["closing", (_, _stream, session) => void session.close(1, "")],
  ["half way", (_, stream) => {
    send(stream, found(50_000), new Uint8Array(25_000));
    stream.transport.abort(1);
  }],
] as [string, Answer][]).map(([name, answer]) => ({ name, answer }));

Deno.test(
  "several holders: one makes up for another that does what it likes",
  { permissions },
  () =>
    allOf(partners, async ({ answer }) => {
      const blobs = contents(Array(30).fill(50_000));
      const holders = [await startAnsweringHolder(answer), await startHolder(await storeOf(blobs))];
      const jobs = blobs.map((blob) => new CollectingJob(blob));
      await fetchFrom(holders, jobs, quick);
      for (const [i, job] of jobs.entries()) {
        assert.equal(job.completed, 1);
        assert.deepEqual(job.bytes, blobs[i]);
      }
    }),
);

Deno.test(
  "several holders: what only one has is not waited for when that one is given up",
  { permissions },
  async () => {
    const blobs = contents([50_000, 60_000]);
    const holders = [
      // It has the first only; the other one answers nothing.
      await startHolder(await storeOf([blobs[0]])),
      await startAnsweringHolder(() => {}),
    ];
    const jobs = blobs.map((blob) => new CollectingJob(blob));
    await assert.rejects(fetchFrom(holders, jobs, quick), PeerSilentError);
  },
);

Deno.test("several holders: nobody is blamed for another's bytes", { permissions }, async () => {
  const blobs = contents([4 * MiB]);
  let asked = 0;
  const liar = await startAnsweringHolder((_, stream) => {
    asked++;
    send(stream, found(4 * MiB), new Uint8Array(2 * MiB));
    setTimeout(() => stream.transport.finish(), 50);
  });
  const honest = await startHolder(await storeOf(blobs));
  const job = new CollectingJob(blobs[0]);
  await fetchFrom([liar, honest], [job], quick);
  assert.equal(asked, 1);
  assert.deepEqual(job.bytes, blobs[0]);
});

Deno.test("several holders: one is gone from the beginning", { permissions }, async () => {
  const blobs = contents(Array(10).fill(300_000));
  const [gone, there] = [await startHolder(await storeOf(blobs)), await startHolder(await storeOf(blobs))];
  await withHolders([gone, there], async (sessions) => {
    await closeAll(gone);
    const jobs = blobs.map((blob) => new CollectingJob(blob));
    await toChunkSource(sessions, quick).fetchChunks(jobs);
    for (const [i, job] of jobs.entries()) assert.deepEqual(job.bytes, blobs[i]);
  });
});

Deno.test("hostile holder: streams it opens itself are refused", { permissions }, async () => {
  const holder = await startNode();
  await withHolders([holder], async ([session]) => {
    await until(() => holder.sessions.length === 1);
    const stream = await holder.sessions[0].openStream({ protocol: 0x1100 });
    await assert.rejects(stream.readable.getReader().read(), (error: StreamResetError) => {
      assert.equal(error.code, ErrorCode.UNKNOWN_PROTOCOL);
      return true;
    });
    assert.equal(session.isOpen, true);
  });
});
