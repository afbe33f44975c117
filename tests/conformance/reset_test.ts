import assert from "node:assert/strict";
import type { WebTransportSession } from "../../src/webtransport/mod.ts";
import { until } from "../until.ts";
import { Chromium, withServer } from "../webtransport/chromium.ts";

// Deno's QUIC cannot reset a stream, so the raw client cannot either: Chromium does.

let chromium: Chromium;

Deno.test.beforeAll(async () => {
  chromium = await Chromium.launch();
});

Deno.test.afterAll(async () => {
  await chromium.close();
});

/** Runs `script` of a hostile session, then has the honest one beside it echo a stream. */
async function besideHonest(
  serve: (session: WebTransportSession) => unknown,
  script: string,
  check: () => Promise<void>,
): Promise<void> {
  await withServer({
    onWebTransport: async (request) => {
      const session = await request.accept();
      if (request.path === "/hostile") await serve(session);
      else {
        for await (const { readable, writable } of session.incomingBidirectionalStreams) {
          readable.pipeTo(writable).catch(() => {});
        }
      }
    },
    // To give a stream up is no error.
    maxStreamErrorsPerMinute: 0,
  }, async (server) => {
    const echoed = await chromium.run<string[]>(
      server,
      `const honest = connect("/honest");
       const echo = async () => {
         const { readable, writable } = await honest.createBidirectionalStream();
         await send(writable, "hello");
         return await text(readable);
       };
       const before = await echo();
       const hostile = connect("/hostile");
       await hostile.ready;
       const reset = (writable, streamErrorCode) =>
         writable.abort(new WebTransportError({ streamErrorCode }));
       ${script}
       return [before, await echo()];`,
    );
    assert.deepEqual(echoed, ["hello", "hello"]);
    await check();
  });
}

Deno.test("a reset stream gives the app its code, and nobody else anything", async () => {
  const codes: (number | null)[] = [];
  const expected = [0, 7, 255];
  await besideHonest(
    async (session) => {
      const bidirectional = session.incomingBidirectionalStreams.getReader();
      const unidirectional = session.incomingUnidirectionalStreams.getReader();
      for (let count = 0; count < expected.length; count++) {
        const { value } = await bidirectional.read();
        for (const stream of [value!.readable, (await unidirectional.read()).value!]) {
          const reader = stream.getReader();
          await reader.read();
          // A reset before its stream's header has arrived would leave nothing to be told.
          await session.createUnidirectionalStream();
          await reader.read().catch((error: WebTransportError) =>
            codes.push(error.streamErrorCode)
          );
        }
      }
      session.close();
    },
    `const arrived = hostile.incomingUnidirectionalStreams.getReader();
     for (const code of ${JSON.stringify(expected)}) {
       const { writable } = await hostile.createBidirectionalStream();
       const uni = await hostile.createUnidirectionalStream();
       for (const stream of [writable, uni]) {
         const writer = stream.getWriter();
         await writer.write(encode("half a mess"));
         writer.releaseLock();
         await arrived.read();
         await reset(stream, code);
       }
     }
     await hostile.closed;`,
    async () => {
      await until(() => codes.length === 2 * expected.length, "the codes");
      assert.deepEqual(codes, expected.flatMap((code) => [code, code]));
    },
  );
});

Deno.test("streams that are reset at once, perhaps before their header, are tolerated", async () => {
  const after: string[] = [];
  await besideHonest(
    async (session) => {
      for await (const stream of session.incomingUnidirectionalStreams) {
        const text = await new Response(stream).text().catch(() => "");
        if (text !== "") after.push(text);
      }
    },
    // Fewer than may be open at once: Chromium does not wait for room.
    `for (let count = 0; count < 8; count++) {
       const { writable } = await hostile.createBidirectionalStream();
       await reset(writable, count).catch(() => {});
       await reset(await hostile.createUnidirectionalStream(), count).catch(() => {});
     }
     await send(await hostile.createUnidirectionalStream(), "still here");`,
    async () => {
      await until(() => after.length > 0, "the stream after the reset ones");
      assert.deepEqual(after, ["still here"]);
    },
  );
});
