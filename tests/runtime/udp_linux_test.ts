/** What is special about the fast UDP driver: addresses in memory, and kernels that do less. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { Errno, type Libc, loadLibc } from "../../src/runtime/linux_libc.ts";
import { readSockaddr, SOCKADDR_LENGTH, writeSockaddr } from "../../src/runtime/linux_sockaddr.ts";
import type { UdpSocket } from "../../src/runtime/udp.ts";
import { bindLinuxUdp } from "../../src/runtime/udp_linux.ts";
import { Collector, udpSocketTests } from "../compliance/udp_socket.ts";

const permissions: Deno.PermissionOptions = { ffi: true, net: ["127.0.0.1", "[::1]"] };
const ignore = Deno.build.os !== "linux";

Deno.test("sockaddr: addresses keep their text", { permissions: "none" }, () => {
  const out = new Uint8Array(SOCKADDR_LENGTH);
  const bytes = { "127.0.0.1": 16, "255.254.3.0": 16, "::": 28, "::1": 28, "fe80::1%3": 28 };
  for (const [hostname, length] of Object.entries(bytes)) {
    assert.equal(writeSockaddr(out, { hostname, port: 4321 }), length);
    assert.deepEqual(readSockaddr(out), { hostname, port: 4321 });
  }
  const canonical = {
    "0:0:0:0:0:0:0:0": "::",
    "2001:0db8:0:0:1:0:0:1": "2001:db8::1:0:0:1",
    "2001:DB8::0:1": "2001:db8::1",
    "1:0:2:3:4:5:6:7": "1:0:2:3:4:5:6:7",
    "1:2:3:4:5:6:0:0": "1:2:3:4:5:6::",
    "::ffff:c0a8:0102": "::ffff:192.168.1.2",
    "::ffff:192.168.1.2": "::ffff:192.168.1.2",
  };
  for (const [hostname, text] of Object.entries(canonical)) {
    writeSockaddr(out, { hostname, port: 1 });
    assert.equal(readSockaddr(out).hostname, text);
  }
  fc.assert(fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.integer({ min: 0, max: 65_535 }), (text, port) => {
    writeSockaddr(out, { hostname: text, port });
    const read = readSockaddr(out);
    const again = new Uint8Array(SOCKADDR_LENGTH);
    writeSockaddr(again, read);
    assert.deepEqual(again, out);
    // The URL parser knows the same form, but for the mapped addresses that it writes in hexadecimal.
    if (text.includes(":") && !read.hostname.includes(".")) {
      assert.equal(`[${read.hostname}]`, new URL(`http://[${text}]/`).hostname);
    }
  }));
});

/** A C library whose kernel refuses what carries a control message, with `refusal`. */
function withoutTrains(libc: Libc, refusal: number, refused: { count: number }): Libc {
  let errno: number | undefined;
  const sendmmsg: Libc["call"]["sendmmsg"] = (fd, headers, count, flags) => {
    errno = undefined;
    const view = new DataView((headers as Uint8Array).buffer, (headers as Uint8Array).byteOffset);
    let plain = 0;
    while (plain < count && view.getUint32(64 * plain + 40, true) === 0) plain++;
    if (plain > 0) return libc.call.sendmmsg(fd, headers, plain, flags);
    refused.count++;
    errno = refusal;
    return -1;
  };
  return { ...libc, call: { ...libc.call, sendmmsg }, errno: () => errno ?? libc.errno() };
}

for (const refusal of [Errno.EIO, Errno.EINVAL]) {
  Deno.test(`udp, Linux FFI: a kernel that cannot cut trains, error ${refusal}`, {
    permissions,
    ignore,
  }, async () => {
    const refused = { count: 0 };
    const a = bindLinuxUdp("127.0.0.1", 0, withoutTrains(loadLibc()!, refusal, refused))!;
    const b = bindLinuxUdp("127.0.0.1", 0)!;
    const told = new Collector();
    a.start(new Collector());
    b.start(told);
    const send = (socket: UdpSocket, number: number) => {
      const buffer = socket.acquire()!;
      buffer.fill(number, 0, 100);
      socket.send(buffer, 100, b.address);
    };
    for (let round = 1; round <= 3; round++) {
      for (let i = 0; i < 10; i++) send(a, round);
      a.flush();
      await told.until(() => told.datagrams.length === 10 * round);
    }
    assert.deepEqual(
      told.datagrams.map(({ bytes }) => bytes[0]),
      [1, 2, 3].flatMap((n) => Array(10).fill(n)),
    );
    // Asked once, then believed.
    assert.equal(refused.count, 1);
    await Promise.all([a.close(), b.close()]);
  });
}

if (!ignore) {
  const bind = (hostname: string, port: number) => {
    const libc = loadLibc()!;
    return Promise.resolve().then(() =>
      bindLinuxUdp(hostname, port, withoutTrains(libc, Errno.EIO, { count: 0 }))!
    );
  };
  udpSocketTests("Linux FFI", bind, permissions);
}
