import assert from "node:assert/strict";
import type {
  WebTransportCloseInfo,
  WebTransportRequest,
  WebTransportServer,
  WebTransportSession,
} from "../../src/webtransport/mod.ts";
import { until } from "../until.ts";
import { Chromium, withServer } from "./chromium.ts";

let chromium: Chromium;

Deno.test.beforeAll(async () => {
  chromium = await Chromium.launch();
});

Deno.test.afterAll(async () => {
  await chromium.close();
});

/** Runs `script` in Chromium against an app that accepts all sessions and gives them to `serve`. */
function session<T>(
  serve: (session: WebTransportSession) => unknown,
  script: string,
  check: (result: T, server: WebTransportServer) => void | Promise<void>,
): Promise<void> {
  return withServer({
    onWebTransport: async (request) => {
      await serve(await request.accept());
    },
  }, async (server) => await check(await chromium.run<T>(server, script), server));
}

async function echoStreams(session: WebTransportSession): Promise<void> {
  for await (const { readable, writable } of session.incomingBidirectionalStreams) {
    readable.pipeTo(writable).catch(() => {});
  }
}

Deno.test("Chromium's bidirectional streams are echoed, small and large", () =>
  session<string[]>(
    echoStreams,
    `const transport = connect("/echo");
     await transport.ready;
     const echo = async (payload) => {
       const stream = await transport.createBidirectionalStream();
       const [, back] = await Promise.all([send(stream.writable, payload), text(stream.readable)]);
       return back;
     };
     const small = await Promise.all(["a", "bc", ""].map(echo));
     const large = await echo("x".repeat(3_000_000));
     transport.close();
     return [...small, String(large.length)];`,
    (result) => assert.deepEqual(result, ["a", "bc", "", "3000000"]),
  ));

Deno.test("Chromium opens more streams than may be open at once, one after the other", () =>
  session<number>(
    async (session) => {
      for await (const readable of session.incomingUnidirectionalStreams) {
        const text = await new Response(readable).text();
        const writable = await session.createUnidirectionalStream({ waitUntilAvailable: true });
        const writer = writable.getWriter();
        await writer.write(new TextEncoder().encode(text));
        await writer.close();
      }
    },
    `const transport = connect("/uni");
     await transport.ready;
     const incoming = transport.incomingUnidirectionalStreams.getReader();
     let same = 0;
     for (let at = 0; at < 60; at++) {
       await send(await transport.createUnidirectionalStream(), "stream " + at);
       const { value } = await incoming.read();
       if (await text(value) === "stream " + at) same++;
     }
     transport.close();
     return same;`,
    (result) => assert.equal(result, 60),
  ));

Deno.test("Chromium takes streams that the server opens", () =>
  session<string[]>(
    async (session) => {
      const writer = (await session.createUnidirectionalStream()).getWriter();
      await writer.write(new TextEncoder().encode("one way"));
      await writer.close();
      const stream = await session.createBidirectionalStream({ sendOrder: 1 });
      const question = stream.writable.getWriter();
      await question.write(new TextEncoder().encode("question"));
      await question.close();
      const answer = await new Response(stream.readable).text();
      session.close({ closeCode: 0, reason: answer });
    },
    `const transport = connect("/server-streams");
     await transport.ready;
     const uni = await transport.incomingUnidirectionalStreams.getReader().read();
     const bidi = await transport.incomingBidirectionalStreams.getReader().read();
     const got = [await text(uni.value), await text(bidi.value.readable)];
     // The close that answers it may overtake the end of this stream.
     send(bidi.value.writable, "answer").catch(() => {});
     return [...got, (await transport.closed).reason];`,
    (result) => assert.deepEqual(result, ["one way", "question", "answer"]),
  ));

Deno.test("Chromium's datagrams are answered, an empty one too", () =>
  session<string[]>(
    (session) => {
      // Chromium sends an empty datagram, but gives the page none.
      session.datagrams.onDatagram = (payload) =>
        session.datagrams.send(payload.length > 0 ? payload : new TextEncoder().encode("empty"));
    },
    `const transport = connect("/datagrams");
     await transport.ready;
     const writer = (transport.datagrams.writable ?? transport.datagrams.createWritable()).getWriter();
     const reader = transport.datagrams.readable.getReader();
     const got = [];
     for (const payload of ["a", "", "b".repeat(1000)]) {
       await writer.write(encode(payload));
       got.push(decode((await reader.read()).value));
     }
     transport.close();
     return got;`,
    (result) => assert.deepEqual(result, ["a", "empty", "b".repeat(1000)]),
  ));

Deno.test("Chromium gets the close code and reason, and the server closes QUIC", () =>
  session<WebTransportCloseInfo>(
    (session) => session.close({ closeCode: 0xffff_fffe, reason: "füll" }),
    `const transport = connect("/close");
     await transport.ready;
     const { closeCode, reason } = await transport.closed;
     return { closeCode, reason };`,
    async (result, server) => {
      assert.deepEqual(result, { closeCode: 0xffff_fffe, reason: "füll" });
      await until(() => server.connectionCount === 0, "QUIC is closed");
    },
  ));

Deno.test("the server gets Chromium's close code and reason, and closes QUIC", async () => {
  let closed: Promise<WebTransportCloseInfo> | undefined;
  await session<void>(
    (session) => closed = session.closed,
    `const transport = connect("/close");
     await transport.ready;
     transport.close({ closeCode: 4321, reason: "enough" });
     await transport.closed;
     await new Promise((resolve) => setTimeout(resolve, 50));`,
    async (_, server) => {
      assert.deepEqual(await closed, { closeCode: 4321, reason: "enough" });
      await until(() => server.connectionCount === 0, "QUIC is closed");
    },
  );
});

Deno.test("a page that is closed ends its session", async () => {
  let closed: Promise<unknown> | undefined;
  await session<void>(
    (session) => closed = session.closed.then(() => "closed", () => "gone"),
    `globalThis.transport = connect("/tab");
     await transport.ready;`,
    async (_, server) => {
      // Chromium says so by a capsule, by closing QUIC, or not at all: then QUIC's timer does.
      assert.ok(["closed", "gone"].includes(await closed as string));
      await until(() => server.connectionCount === 0, "QUIC is closed");
    },
  );
});

Deno.test("Chromium takes a rejection as a failure, and the next page is served", () =>
  withServer({
    onWebTransport: async (request) => {
      if (request.path === "/no") request.reject(403);
      else await request.accept();
    },
  }, async (server) => {
    const failed = await chromium.run<string>(
      server,
      `const transport = connect("/no");
       transport.closed.catch(() => {});
       return await transport.ready.then(() => "ready", (error) => error.name);`,
    );
    assert.equal(failed, "WebTransportError");
    const ready = await chromium.run<string>(
      server,
      `const transport = connect("/yes");
       await transport.ready;
       transport.close();
       return "ready";`,
    );
    assert.equal(ready, "ready");
  }));

Deno.test("the app sees Chromium's CONNECT before the answer", async () => {
  let seen: WebTransportRequest | undefined;
  await withServer({
    onWebTransport: async (request) => {
      seen = request;
      await request.accept();
    },
  }, async (server) => {
    await chromium.run(server, `const t = connect("/game?room=7"); await t.ready; t.close();`);
    assert.ok(seen !== undefined);
    assert.equal(seen.method, "CONNECT");
    assert.equal(seen.path, "/game?room=7");
    assert.equal(seen.url.href, `https://127.0.0.1:${server.addr.port}/game?room=7`);
    assert.equal(seen.authority, `127.0.0.1:${server.addr.port}`);
    assert.equal(seen.origin, chromium.origin);
    assert.equal(seen.remoteAddr.hostname, "127.0.0.1");
  });
});

Deno.test("Chromium and the server agree on a subprotocol", async () => {
  let offered: readonly string[] | undefined;
  await withServer({
    onWebTransport: async (request) => {
      offered = request.protocols;
      await request.accept({ protocol: "slipstream.v1.binary" });
    },
  }, async (server) => {
    const protocol = await chromium.run<string>(
      server,
      `const transport = connect("/", { protocols: ["other", "slipstream.v1.binary"] });
       await transport.ready;
       const { protocol } = transport;
       transport.close();
       return protocol;`,
    );
    assert.deepEqual(offered, ["other", "slipstream.v1.binary"]);
    assert.equal(protocol, "slipstream.v1.binary");
  });
});

Deno.test("two sessions of Chromium run side by side", async () => {
  const ids = new Set<WebTransportSession>();
  await session<string[]>(
    async (session) => {
      ids.add(session);
      await echoStreams(session);
    },
    `const transports = [connect("/a"), connect("/b")];
     await Promise.all(transports.map((transport) => transport.ready));
     const result = await Promise.all(transports.map(async (transport, at) => {
       const stream = await transport.createBidirectionalStream();
       const [, back] = await Promise.all([send(stream.writable, "no " + at), text(stream.readable)]);
       return back;
     }));
     for (const transport of transports) transport.close();
     return result;`,
    (result) => {
      assert.deepEqual(result, ["no 0", "no 1"]);
      assert.equal(ids.size, 2);
    },
  );
});

Deno.test("Chromium is told to drain", () =>
  session<string>(
    (session) => session.drain(),
    `const transport = connect("/drain");
     await transport.ready;
     await transport.draining;
     transport.close();
     return "drained";`,
    (result) => assert.equal(result, "drained"),
  ));

Deno.test("a server that closes gives Chromium its code and reason", async () => {
  let server: WebTransportServer;
  await withServer({
    onWebTransport: async (request) => {
      const session = await request.accept();
      for await (const _ of session.incomingUnidirectionalStreams) {
        await server.close({ closeCode: 3001, reason: "restart" });
      }
    },
  }, async (running) => {
    server = running;
    const result = await chromium.run<WebTransportCloseInfo>(
      running,
      `const transport = connect("/restart");
       await transport.ready;
       // The close may overtake the end of this stream.
       send(await transport.createUnidirectionalStream(), "now").catch(() => {});
       const { closeCode, reason } = await transport.closed;
       return { closeCode, reason };`,
    );
    assert.deepEqual(result, { closeCode: 3001, reason: "restart" });
  });
});
