// Sends requests over streams of one session, several at once, and reads the answers:
//   deno run --unstable-net --allow-net=127.0.0.1 examples/streams.ts
import { MeshNode, type MeshStream } from "@hawser/mesh";

const psk = crypto.getRandomValues(new Uint8Array(32));
await using server = await MeshNode.start({ psk, listen: "127.0.0.1:0" });
await using client = await MeshNode.start({ psk, listen: "127.0.0.1:0" });

// The server answers every stream in capitals.
async function answer(stream: MeshStream): Promise<void> {
  const capitals = new TransformStream<string, string>({
    transform: (text, controller) => controller.enqueue(text.toUpperCase()),
  });
  await stream.readable.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)
    .pipeThrough(capitals).pipeThrough(new TextEncoderStream()).pipeTo(stream.writable);
}
const serving = (async () => {
  for await (const session of server.incoming()) {
    for await (const stream of session.streams()) answer(stream).catch(() => {});
  }
})();

const session = await client.connect({ id: server.id, addresses: server.addresses });
const answers = await Promise.all(["ahoy", "cast off", "make fast"].map(async (text) => {
  const stream = await session.openStream();
  const writer = stream.writable.getWriter();
  const sent = writer.write(new TextEncoder().encode(text)).then(() => writer.close());
  const received = await new Response(stream.readable as ReadableStream<Uint8Array<ArrayBuffer>>).text();
  await sent;
  return received;
}));
console.log(answers.join(", "));
await client.close();
await server.close();
await serving;
