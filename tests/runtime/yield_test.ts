import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { yieldToEventLoop } from "../../src/runtime/host.ts";

Deno.test("yieldToEventLoop: what came in has its turn, however busy this thread is", {
  permissions: { net: ["127.0.0.1"] },
}, async () => {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  let received = 0;
  socket.on("message", () => received++);
  // Every datagram is answered by the next one, so each takes a look at the socket.
  const wanted = 5;
  const send = () => socket.send("x", socket.address().port, "127.0.0.1");
  socket.on("message", () => received < wanted && send());
  send();
  let yields = 0;
  for (; received < wanted && yields < 50; yields++) await yieldToEventLoop();
  assert.equal(received, wanted, `after ${yields} yields`);
  socket.close();
  await once(socket, "close");
});
