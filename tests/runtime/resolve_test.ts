/** Which texts are numeric addresses. */

import assert from "node:assert/strict";
import { isIP } from "node:net";
import fc from "fast-check";
import { ipVersion, resolveHost } from "../../src/runtime/resolve.ts";

const permissions = "none";

Deno.test("ipVersion: as the runtime sees it", { permissions }, () => {
  const texts = [
    "0.0.0.0",
    "255.255.255.255",
    "256.0.0.1",
    "1.2.3",
    "1.2.3.4.5",
    "01.2.3.4",
    "1.2.3.4 ",
    "",
    "localhost",
    "::",
    "::1",
    "1::",
    ":::",
    "1:2:3:4:5:6:7:8",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1::2::3",
    "2001:DB8::20",
    "::ffff:1.2.3.4",
    "::ffff:1.2.3.400",
    "::1.2.3.4:5",
    "12345::",
    "g::",
    "fe80::1%eth0",
    "fe80::1%",
    "%eth0",
    "[::1]",
    "::1]",
    "::1/64",
    "a:80",
    ":80",
    "é::",
  ];
  for (const text of texts) assert.equal(ipVersion(text), isIP(text), text);
  const part = fc.constantFrom(
    ":",
    "::",
    ".",
    "0",
    "1",
    "ab",
    "FFFF",
    "255",
    "256",
    "1.2.3.4",
    "%0",
    "x",
    "",
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 18 }), (parts) => {
      const text = parts.join("");
      assert.equal(ipVersion(text), isIP(text), text);
    }),
    { numRuns: 2000 },
  );
  fc.assert(fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => assert.equal(ipVersion(text), isIP(text))));
});

Deno.test("resolveHost: a numeric address is its own", { permissions }, async () => {
  for (const address of ["127.0.0.1", "::1"]) assert.deepEqual(await resolveHost(address), [address]);
});
