/** Codecs: frames of a packet, and the manifest of a large directory. */
import { decodeDirManifest, type DirEntry, encodeDirManifest } from "../../../src/wire/dir_manifest.ts";
import { type FrameHandler, parseFrames, writeAck, writeStreamHeader } from "../../../src/wire/frame.ts";
import { VarintReader } from "../../../src/wire/varint.ts";

const ENTRIES = 12_430;

const ignore: FrameHandler = {
  onPing() {},
  onAck() {},
  onResetStream() {},
  onStopSending() {},
  onStream() {},
  onMaxData() {},
  onMaxStreamData() {},
  onMaxStreams() {},
  onBlocked() {},
  onPathChallenge() {},
  onPathResponse() {},
  onConnectionClose() {},
  onDatagram() {},
};

const out = new Uint8Array(1_452);
const ranges = [90, 100, 70, 80, 10, 60];

function writeAckAndStream(): number {
  const at = writeAck(out, 0, ranges, 25);
  return writeStreamHeader(out, at, 4, 1_000_000, 1_200, false) + 1_200;
}

Deno.bench("write ACK of three ranges and STREAM", { group: "frames" }, () => {
  writeAckAndStream();
});
const packet = out.subarray(0, writeAckAndStream());
Deno.bench("parse them", { group: "frames" }, () => {
  parseFrames(new VarintReader(packet), ignore);
});

const entries: DirEntry[] = Array.from({ length: ENTRIES }, (_, i) => ({
  kind: "file",
  path: `node_modules/package${String(i >> 3).padStart(4, "0")}/lib/module${i & 7}.js`,
  mode: 0o100644,
  // As long as a reference to a small file.
  blob: new Uint8Array(116).fill(i & 255),
}));
const manifest = encodeDirManifest(entries);
Deno.bench(`encode manifest of ${ENTRIES} files`, { group: "manifest" }, () => {
  encodeDirManifest(entries);
});
Deno.bench(`decode manifest of ${ENTRIES} files`, { group: "manifest" }, () => {
  decodeDirManifest(manifest);
});
