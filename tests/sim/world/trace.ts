/**
 * Tells what happens in a simulated world, line by line: notes, datagrams and the frames in them.
 *
 * @module
 */

import { SessionState } from "../../../src/transport/session.ts";
import { PacketType, readU32 } from "../../../src/wire/packet.ts";
import { type Frame, framesOf } from "../frames.ts";
import type { SimNode } from "../node.ts";
import type { World } from "./world.ts";

const TYPES: Record<number, string> = {
  [PacketType.INITIATION]: "initiation",
  [PacketType.RESPONSE]: "response",
  [PacketType.COOKIE_REPLY]: "cookie reply",
  [PacketType.DATA]: "data",
};

/** Prints what happens in a world. Returns how to stop, to be called before another world runs. */
export function trace(world: World, print: (line: string) => void): () => void {
  const { network, watch } = world;
  const say = (text: string) => print(`${network.now.toFixed(3).padStart(12)} ${text}`);
  const nameOf = (node: SimNode | undefined) => world.apps.find((app) => app.node === node)?.name ?? "nobody";
  const startOf = (datagram: Uint8Array) => {
    const type = TYPES[datagram[0]] ?? "garbage";
    const number = datagram[0] === PacketType.DATA ? ` ${readU32(datagram, 8)}` : "";
    return `${type}${number} (${datagram.length} bytes, index ${readU32(datagram, 4)})`;
  };
  world.onNote = (text) => say(`* ${text}`);
  let frames = "";
  network.watcher = {
    onSend(from, datagram, to) {
      watch.onSend(from, datagram, to);
      const there = network.nodes.find(({ address }) =>
        address.port === to.port && address.hostname === to.hostname
      );
      say(`${nameOf(from)} sends ${nameOf(there)} ${startOf(datagram)}${frames}`);
      frames = "";
    },
    onReceive(by, datagram, from) {
      watch.onReceive(by, datagram, from);
      say(`${nameOf(by)} takes ${startOf(datagram)}`);
    },
  };
  // Packets are encrypted on their way: their frames are seen where the session writes them.
  const { poll } = SessionState.prototype;
  SessionState.prototype.poll = function (out, now) {
    const length = poll.call(this, out, now);
    if (length > 0) frames = `: ${framesOf(out.subarray(0, length)).map(describeFrame).join(", ")}`;
    return length;
  };
  return () => {
    SessionState.prototype.poll = poll;
    network.watcher = watch;
    world.onNote = undefined;
  };
}

/** One frame in words. */
function describeFrame(frame: Frame): string {
  switch (frame.type) {
    case "ack": {
      const ranges = [];
      for (let i = 0; i < frame.ranges.length; i += 2) {
        ranges.push(`${frame.ranges[i]}-${frame.ranges[i + 1]}`);
      }
      return `ack ${ranges.join(" ")}`;
    }
    case "stream":
      return `stream ${frame.id} at ${frame.offset}+${frame.data.length}${frame.fin ? " fin" : ""}`;
    case "datagram":
      return `datagram of ${frame.data.length}`;
    case "path_challenge":
    case "path_response":
      return frame.type;
    default: {
      const { type, ...fields } = frame;
      const values = Object.entries(fields).map(([name, value]) => ` ${name} ${value}`);
      return `${type}${values.join("")}`;
    }
  }
}
