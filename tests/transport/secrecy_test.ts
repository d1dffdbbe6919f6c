/** What somebody learns who records all datagrams, and steals keys later. */

import assert from "node:assert/strict";
import { createAead } from "../../src/crypto/aead.ts";
import { NotAuthorizedError } from "../../src/errors.ts";
import { InitiatorHandshake, ReceivedInitiation, tai64n } from "../../src/transport/handshake.ts";
import { localParameters } from "../../src/transport/local_parameters.ts";
import { DEFAULT_TRANSPORT } from "../../src/transport/config.ts";
import { datagramsDropped } from "../../src/transport/counters.ts";
import { encodeUtf8, equalBytes, toHex } from "../../src/wire/bytes.ts";
import { DATA_HEADER, PacketType } from "../../src/wire/packet.ts";
import { SimNetwork } from "../sim/network.ts";
import type { SimNode } from "../sim/node.ts";
import { open } from "../sim/traffic.ts";

const PSK = new Uint8Array(32).fill(0x33);
const SECRET = encodeUtf8("the launch code is 0000, as ever");

/** A session in which a secret goes both ways, and all its datagrams. */
function recorded(seed = 1) {
  const network = new SimNetwork(seed);
  const datagrams: Uint8Array[] = [];
  network.tap = ({ datagram }) => void datagrams.push(datagram);
  const [server, client] = [network.node({ psk: PSK }), network.node({ psk: PSK })];
  const connection = client.establish(server);
  const stream = open(connection);
  stream.write(SECRET);
  server.sessionWith(client)!.session!.datagrams.send(SECRET);
  network.runUntil(() => server.streams.length > 0 && client.datagrams.length > 0);
  const [initiation, response, ...data] = datagrams;
  assert.deepEqual([initiation[0], response[0]], [PacketType.INITIATION, PacketType.RESPONSE]);
  return { network, server, client, datagrams, initiation, response, data };
}

/** What a thief of a node's long-term keys has. */
function identityOf(node: SimNode) {
  return {
    staticKey: node.staticKey,
    psk: PSK,
    parameters: localParameters(DEFAULT_TRANSPORT, 65_507),
    random: (length: number) => crypto.getRandomValues(new Uint8Array(length)),
  };
}

function opens(key: Uint8Array, packet: Uint8Array): boolean {
  const nonce = new Uint8Array(12);
  nonce.set(packet.subarray(8, DATA_HEADER), 4);
  const header = packet.subarray(0, DATA_HEADER);
  return createAead(key).open(nonce, header, packet.subarray(DATA_HEADER)) !== undefined;
}

Deno.test("secrecy: no datagram shows what is said, nor who connects", () => {
  const { datagrams, client } = recorded();
  const all = toHex(Uint8Array.from(datagrams.flatMap((datagram) => [...datagram])));
  for (const secret of [SECRET, PSK, client.id, encodeUtf8(DEFAULT_TRANSPORT.agent)]) {
    assert.ok(!all.includes(toHex(secret)));
  }
});

Deno.test("secrecy: recorded sessions stay closed to whoever steals both node keys and the mesh key", () => {
  const { server, client, initiation, response, data } = recorded();
  assert.ok(data.length >= 4);
  // As the responder, with another ephemeral key: that of the session is gone.
  const asServer = new ReceivedInitiation(identityOf(server), initiation).respond(1).result;
  // As the initiator, likewise: the response does not even authenticate.
  const asClient = new InitiatorHandshake(identityOf(client), server.id, 1, tai64n(1e12));
  assert.throws(() => asClient.readResponse(response));
  for (const packet of data) {
    for (const key of [asServer.sendKey, asServer.receiveKey]) assert.ok(!opens(key, packet));
  }
});

Deno.test("secrecy: the responder's stolen key tells who connected, as the limits of the handshake say", () => {
  const { server, client, initiation } = recorded();
  assert.ok(equalBytes(new ReceivedInitiation(identityOf(server), initiation).peerKey, client.id));
  const stranger = new SimNetwork(9).node();
  assert.throws(() => new ReceivedInitiation(identityOf(stranger), initiation));
});

Deno.test("secrecy: sessions of the same nodes have keys of their own, packets of one are dropped by another", () => {
  const { network, server, client, data } = recorded();
  client.restart();
  client.establish(server);
  for (const packet of data) {
    for (const node of [server, client]) {
      const before = datagramsDropped(node.endpoint.counters);
      node.deliver(packet, node === server ? client.address : server.address);
      assert.equal(datagramsDropped(node.endpoint.counters) - before, 1);
    }
  }
  network.run(100);
  assert.equal(server.endpoint.connectionTo(client.id)!.session!.isOpen, true);
});

Deno.test("secrecy: who has the mesh key cannot take the place of a node whose key it lacks", () => {
  const network = new SimNetwork(1);
  const [server, client, thief] = [0, 1, 2].map(() => network.node({ psk: PSK }));
  server.kill();
  // The thief answers at the server's address, with its own key.
  const connection = client.connect(server, [thief.address]);
  network.runUntil(() => client.ended.length > 0);
  assert.equal(connection.session, undefined);
  assert.ok(thief.endpoint.counters.bad_mac1 > 0);
  assert.ok(!(client.ended[0].end.error instanceof NotAuthorizedError));
});
