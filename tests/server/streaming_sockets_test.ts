import assert from "node:assert/strict";
import { StreamingSockets } from "../../src/server/streaming_sockets.ts";

const ONE = { hostname: "127.0.0.1", port: 1001 };
const TWO = { hostname: "::1", port: 1001 };

Deno.test("StreamingSockets has a socket for as long as it is answered, however that ends", async () => {
  const sockets = new StreamingSockets();
  const [sent, cut] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  sockets.answer(ONE, sent.promise);
  sockets.answer(TWO, cut.promise);
  assert.deepEqual([...sockets.all()].map(({ remote }) => remote), [ONE, TWO]);
  sent.resolve();
  await sent.promise;
  assert.deepEqual([...sockets.all()].map(({ remote }) => remote), [TWO]);
  cut.reject(new Error("The peer has gone"));
  await cut.promise.catch(() => {});
  assert.deepEqual([...sockets.all()], []);
});

Deno.test("StreamingSockets leaves out a socket that brings another request meanwhile: it speaks HTTP/2", async () => {
  const sockets = new StreamingSockets();
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  sockets.request(ONE);
  sockets.answer(ONE, first.promise);
  sockets.request(TWO);
  assert.equal([...sockets.all()].length, 1);
  sockets.request(ONE);
  sockets.answer(ONE, second.promise);
  assert.equal([...sockets.all()].length, 0);
  first.resolve();
  await first.promise;
  assert.equal([...sockets.all()].length, 0);
  second.resolve();
  await second.promise;
  // Whoever comes from the same port afterwards is another.
  sockets.request(ONE);
  sockets.answer(ONE, new Promise(() => {}));
  assert.equal([...sockets.all()].length, 1);
});
