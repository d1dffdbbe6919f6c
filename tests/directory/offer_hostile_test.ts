/** Requesters and holders that break the offer protocol in every way: the other side says so, and lives on. */

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { toChunkSource } from "../../src/blob/transfer_client.ts";
import { fetchDir } from "../../src/directory/fetch_dir.ts";
import { toOfferSource } from "../../src/directory/offer_source.ts";
import { LimitExceededError, SessionClosedError, TransferProtocolError } from "../../src/errors.ts";
import type { RequestOfferOptions } from "../../src/directory/directory_offer.ts";
import { OFFER_PROTOCOL, requestOffer } from "../../src/directory/offer_request.ts";
import { packOutline } from "../../src/directory/packed_outline.ts";
import { frameMessage, MessageReader } from "../../src/mesh/messages.ts";
import type { Session } from "../../src/mesh/mod.ts";
import { deflate } from "../../src/runtime/deflate.ts";
import type { Stream } from "../../src/transport/stream.ts";
import { encodeBlobRef } from "../../src/wire/blob_ref.ts";
import { concatBytes } from "../../src/wire/bytes.ts";
import {
  decodeOfferAnswer,
  encodeOfferAnswer,
  encodeOfferQuestion,
  MAX_OFFER_ANSWER_LENGTH,
  type OfferAnswer,
} from "../../src/wire/offer_message.ts";
import { connectedPair, loopback as permissions, until } from "../mesh/nodes.ts";
import { tempPermissions, withTempDir } from "../support/temp.ts";
import { allHashes, hashOf, ManualOffer, outlineOf, someRef, withOffer } from "./offer_support.ts";

const question = frameMessage(encodeOfferQuestion({ live: true }));

/** What a holder answers to raw bytes; the stream is left open unless `end` says otherwise. */
async function answersTo(session: Session, bytes: Uint8Array, end: boolean): Promise<OfferAnswer[]> {
  const { transport } = await session.openStream({ protocol: OFFER_PROTOCOL });
  transport.write(bytes);
  if (end) transport.finish();
  const reader = new MessageReader(() => transport.read(), MAX_OFFER_ANSWER_LENGTH);
  const answers: OfferAnswer[] = [];
  await until(() => {
    for (let message = reader.message(); message !== undefined; message = reader.message()) {
      answers.push(decodeOfferAnswer(message.slice()));
    }
    return transport.ended || transport.error !== undefined;
  });
  return answers;
}

/** Lets a requester do its work, then fails unless another one is served. */
async function withHostile(work: (session: Session, manual: ManualOffer) => Promise<void>): Promise<void> {
  const manual = new ManualOffer();
  manual.list(2);
  await withOffer(manual.offer, async (session, accepted) => {
    await work(session, manual);
    const offer = await requestOffer(session);
    manual.know(2);
    await manual.finish();
    assert.deepEqual(await allHashes(offer), concatBytes([hashOf(0), hashOf(1)]));
    assert.equal(accepted.node.metrics().counters.internal_errors, 0);
  }, { maxStreamsPerPeer: 1_000 });
}

const questions: [string, Uint8Array][] = [
  ["an unknown variant", frameMessage(new Uint8Array([1, 1]))],
  ["an empty message", new Uint8Array([0])],
  ["half a question", frameMessage(new Uint8Array([0]))],
  ["neither true nor false", frameMessage(new Uint8Array([0, 2]))],
  ["a question that is too long", frameMessage(new Uint8Array(65))],
];
for (const [name, bytes] of questions) {
  Deno.test(`hostile requester of an offer: ${name}`, { permissions }, () =>
    withHostile(async (session) => {
      for (const end of [true, false]) {
        const [answer, ...more] = await answersTo(session, bytes, end);
        assert.ok(answer.kind === "failed" && answer.code === "BAD_REQUEST", JSON.stringify(answer));
        assert.deepEqual(more, []);
      }
    }));
}

Deno.test(
  "hostile requester of an offer: any bytes at all",
  { permissions },
  () =>
    withHostile(async (session) => {
      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ maxLength: 100 }), async (bytes) => {
          // A question that is one waits for the end of the reading.
          fc.pre(bytes[1] !== 0 || bytes[2] > 1);
          await answersTo(session, bytes, true);
        }),
        { numRuns: 50 },
      );
    }),
);

Deno.test(
  "hostile requester of an offer: asks nothing, asks and reads nothing, goes away",
  { permissions },
  () =>
    withHostile(async (session, manual) => {
      const streams: Stream[] = [];
      for (const bytes of [new Uint8Array(), question.subarray(0, 1), question, question]) {
        const { transport } = await session.openStream({ protocol: OFFER_PROTOCOL });
        transport.write(bytes);
        streams.push(transport);
      }
      await until(() => manual.feed.isFollowed);
      manual.know(1);
      for (const stream of streams) stream.abort(7);
      await until(() => !manual.feed.isFollowed);
    }),
);

/** A node that answers the question with these bytes, and what the requester makes of it. */
async function asking(
  bytes: readonly (OfferAnswer | Uint8Array)[],
  work: (session: Session) => Promise<void>,
  end = true,
): Promise<void> {
  await using pair = await connectedPair();
  const raw = bytes.map((part) => part instanceof Uint8Array ? part : frameMessage(encodeOfferAnswer(part)));
  pair.server.serve(OFFER_PROTOCOL, ({ transport }) => {
    transport.write(concatBytes(raw));
    if (end) transport.finish();
  });
  await work(pair.session);
}

const done: OfferAnswer = { kind: "done", ref: encodeBlobRef(someRef) };
const hashes: OfferAnswer = { kind: "hashes", hashes: hashOf(0) };
const { length, packed } = packOutline(outlineOf(1));
const outline: OfferAnswer = { kind: "outline", length, packedLength: packed.length };
const bomb = deflate(new Uint8Array(1 << 26));

/** What it answers, and what the requester says of it. */
const answers: [string, (OfferAnswer | Uint8Array)[], RegExp][] = [
  ["hashes without an outline", [hashes, done], /hashes without an outline/],
  ["a second outline", [outline, packed, outline, packed], /outline nobody asked for/],
  ["an outline of no bytes", [{ kind: "outline", length, packedLength: 0 }, done], /has no bytes/],
  ["an outline that is none", [outline, new Uint8Array(packed.length)], /no deflated bytes/],
  ["an outline of another length", [{ ...outline, length: length + 1 }, packed], /no deflated bytes/],
  [
    "an outline that unpacks to more than announced",
    [{ kind: "outline", length: 1000, packedLength: bomb.length }, bomb],
    /no deflated bytes/,
  ],
  ["a reference that is none", [{ kind: "done", ref: new Uint8Array(40) }], /reference is none/],
  ["a reference that breaks off", [{ kind: "done", ref: encodeBlobRef(someRef).slice(0, 20) }], /Decode/],
  ["an unknown message", [frameMessage(new Uint8Array([9, 1]))], /variant 9 is unknown/],
  ["an empty message", [new Uint8Array([0])], /input ends/],
  ["a message that is too long", [new Uint8Array([0x80, 0xff, 0xff, 0xff])], /at most 131076 allowed/],
  ["the end before the reference", [outline, packed, hashes], /ended its answer before the reference/],
  ["the end in the middle of the outline", [outline, packed.subarray(1)], /ended its answer/],
  ["nothing at all", [], /ended its answer/],
];
for (const [name, bytes, message] of answers) {
  Deno.test(`hostile holder of an offer: ${name}`, { permissions }, () =>
    asking(bytes, async (session) => {
      const fetching = requestOffer(session).then((offer) => allHashes(offer));
      await assert.rejects(fetching, (error) => {
        assert.ok(error instanceof TransferProtocolError, String(error));
        assert.match(error.message, message);
        assert.ok(error.message.includes(session.peerName.slice(0, 10)), "the holder is not named");
        return true;
      });
      // The session is none the worse for it.
      assert.ok(session.isOpen);
    }));
}

Deno.test(
  "hostile holder of an offer: an outline that nobody asked for",
  { permissions },
  () =>
    asking([outline, packed, done], async (session) => {
      await assert.rejects(requestOffer(session, { live: false }), /outline nobody asked for/);
    }),
);

Deno.test("hostile holder of an offer: changes of which something is wrong", { permissions }, async () => {
  const changes: OfferAnswer = { kind: "changes", length: 4, packedLength: 4 };
  const bytes = new Uint8Array(4);
  const base = hashOf(1);
  const cases: [OfferAnswer[], RequestOfferOptions, RegExp][] = [
    [[changes], { live: false }, /changes nobody asked for/],
    [[changes], { live: true, base }, /changes nobody asked for/],
    [[{ ...changes, packedLength: 0 }], { live: false, base }, /has no bytes/],
    [[{ ...changes, packedLength: 2 ** 20 + 1 }], { live: false, base }, /wanted at most 1048576/],
    [[{ ...changes, length: 2 ** 40 }], { live: false, base }, /wanted at most 1048576/],
  ];
  for (const [answer, options, message] of cases) {
    await asking([...answer, bytes, done], async (session) => {
      await assert.rejects(requestOffer(session, options), message);
      assert.ok(session.isOpen);
    });
  }
  await asking([changes, bytes, changes, bytes, done], async (session) => {
    await assert.rejects(requestOffer(session, { live: false, base }), /changes nobody asked for/);
  });
  // What they hold is not looked at here.
  await asking([changes, bytes, done], async (session) => {
    const told: unknown[] = [];
    const offer = await requestOffer(session, {
      live: false,
      base,
      onChanges: (packed) => told.push(packed),
    });
    assert.deepEqual(told, [{ length: 4, packed: bytes }]);
    assert.deepEqual(encodeBlobRef(await offer.ref), encodeBlobRef(someRef));
  });
});

Deno.test(
  "hostile holder of an offer: more than the limits allow is not even received",
  { permissions },
  () => {
    const large: OfferAnswer = { kind: "outline", length: 2 ** 40, packedLength: 2 ** 40 };
    return asking([large, new Uint8Array(1000)], async (session) => {
      await assert.rejects(requestOffer(session), LimitExceededError);
      await assert.rejects(requestOffer(session, { maxManifestBytes: 100 }), LimitExceededError);
    }, false);
  },
);

Deno.test("hostile holder of an offer: says nothing, and goes away", { permissions }, async () => {
  await using pair = await connectedPair();
  let streams = 0;
  pair.server.serve(OFFER_PROTOCOL, () => void streams++);
  const asked = requestOffer(pair.session);
  await until(() => streams === 1);
  await Promise.all([assert.rejects(asked, SessionClosedError), pair.accepted.close()]);
});

Deno.test(
  "hostile holder of an offer: goes on after the reference, to nobody",
  { permissions },
  () =>
    asking([done, hashes, new Uint8Array(100_000)], async (session) => {
      const offer = await requestOffer(session);
      assert.deepEqual(encodeBlobRef(await offer.ref), encodeBlobRef(someRef));
      assert.equal(await offer.nextHashes(), undefined);
    }, false),
);

Deno.test("hostile holder of an offer: a reference that names and hashes do not make", {
  permissions: { ...permissions, ...tempPermissions },
}, () =>
  withTempDir((dir) => {
    const dirs = packOutline([{ kind: "dir", path: "d", mode: 0o40755 }]);
    const named: OfferAnswer = { kind: "outline", length: dirs.length, packedLength: dirs.packed.length };
    return asking([named, dirs.packed, done], async (session) => {
      const fetching = fetchDir(toChunkSource(session), toOfferSource(session), join(dir, "dest"));
      await assert.rejects(fetching, (error) => {
        assert.ok(error instanceof TransferProtocolError, String(error));
        assert.match(error.message, /its reference is/);
        return true;
      });
      assert.deepEqual(readdirSync(dir), []);
    });
  }));
