import assert from "node:assert/strict";
import { encodeFrameHeader, FrameType } from "../../src/http3/frame.ts";
import type { Field } from "../../src/http3/qpack.ts";
import { CLIENT_SETTINGS, type RawQuicClient } from "../conformance/raw_quic_client.ts";
import { data, GET, type TestServer, withServer } from "../conformance/server.ts";
import { until } from "../until.ts";

type Handler = (request: Request, info: { remoteAddr: Deno.NetAddr }) => Response;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Runs `test` with a client of a server that answers with `onRequest`. */
function withClient(
  onRequest: (...args: Parameters<Handler>) => Response | Promise<Response>,
  test: (client: RawQuicClient, server: TestServer) => Promise<void>,
  onError: (error: unknown) => void = () => {},
): Promise<void> {
  return withServer(async (server) => {
    const client = await server.connect();
    const control = await client.openControl(CLIENT_SETTINGS);
    await test(client, server);
    assert.ok(control);
  }, { onRequest, onError });
}

function head(method: string, ...fields: readonly Field[]): Field[] {
  return [[":method", method], ...GET.slice(1), ...fields];
}

Deno.test("a request reaches the handler with URL, method, fields, body and address", () => {
  let seen: Request | undefined;
  let remote: Deno.NetAddr | undefined;
  return withClient(async (request, { remoteAddr }) => {
    seen = request;
    remote = remoteAddr;
    return new Response(`got ${await request.text()}`, { status: 201, headers: { "x-a": "b" } });
  }, async (client) => {
    const fields: Field[] = [["content-length", "5"], ["x-test", "yes"]];
    const stream = await client.request(head("POST", ...fields), data(encoder.encode("he")));
    await stream.write(data(encoder.encode("llo")));
    await stream.end();
    const response = await stream.readResponse();
    assert.equal(response.status, 201);
    assert.equal(response.fields.get("x-a"), "b");
    assert.equal(decoder.decode(await stream.readBody()), "got hello");
    assert.equal(seen?.url, "https://localhost/");
    assert.equal(seen?.method, "POST");
    assert.equal(seen?.headers.get("x-test"), "yes");
    assert.equal(seen?.headers.get("host"), "localhost");
    assert.equal(remote?.hostname, "127.0.0.1");
  });
});

Deno.test("HEAD is answered without the body", () =>
  withClient(() => new Response("body"), async (client) => {
    const stream = await client.request(head("HEAD"));
    await stream.end();
    assert.equal((await stream.readResponse()).status, 200);
    assert.equal((await stream.readBody()).length, 0);
  }));

Deno.test("more requests than may be open at once are answered, one after the other", () =>
  withClient((request) => new Response(request.method), async (client) => {
    for (let at = 0; at < 40; at++) {
      const stream = await client.request(GET);
      await stream.end();
      await stream.readResponse();
      assert.equal(decoder.decode(await stream.readBody()), "GET");
    }
  }));

Deno.test("a body that the handler does not read returns its stream", () =>
  withClient(() => new Response("no need"), async (client) => {
    for (let at = 0; at < 40; at++) {
      const stream = await client.request(head("POST"), data(new Uint8Array(100)));
      await stream.readResponse();
      assert.equal(decoder.decode(await stream.readBody()), "no need");
      await stream.end().catch(() => {});
    }
  }));

Deno.test("a large body comes back whole", () =>
  withClient((request) => new Response(request.body), async (client) => {
    const stream = await client.request(head("POST"));
    const body = new Uint8Array(300_000).map((_, at) => at % 251);
    const sending = (async () => {
      for (let at = 0; at < body.length; at += 30_000) {
        await stream.write(data(body.subarray(at, at + 30_000)));
      }
      await stream.end();
    })();
    await stream.readResponse();
    assert.deepEqual(await stream.readBody(), body);
    await sending;
  }));

Deno.test("a body longer or shorter than content-length says is an error of the handler's read", () =>
  withClient(async (request) => {
    const outcome = await request.text().then(() => "whole", (error) => error.name);
    return new Response(outcome);
  }, async (client) => {
    for (const length of ["4", "6", "nonsense"]) {
      const stream = await client.request(
        head("POST", ["content-length", length]),
        data(encoder.encode("hello")),
      );
      await stream.end();
      await stream.readResponse();
      assert.equal(decoder.decode(await stream.readBody()), "Http3Error", length);
    }
  }));

Deno.test("a handler that throws answers 500, and the error is told", () => {
  const errors: unknown[] = [];
  return withClient(
    () => {
      throw new Error("broken");
    },
    async (client) => {
      const stream = await client.request(GET);
      await stream.end();
      assert.equal((await stream.readResponse()).status, 500);
      assert.equal((errors[0] as Error).message, "broken");
    },
    (error) => errors.push(error),
  );
});

Deno.test("a body that fails closes QUIC, so that it does not look whole, and the error is told", () => {
  const errors: unknown[] = [];
  return withClient(
    () => {
      const body = new ReadableStream({
        pull(controller) {
          controller.error(new Error("torn"));
        },
      });
      return new Response(body);
    },
    async (client) => {
      const stream = await client.request(GET);
      await stream.end();
      assert.equal((await client.closed).closeCode, 0x102);
      assert.equal((errors[0] as Error).message, "torn");
    },
    (error) => errors.push(error),
  );
});

Deno.test("a response without an end is cancelled when its client vanishes", () => {
  let cancelled = false;
  let aborted = false;
  return withClient((request) => {
    request.signal.addEventListener("abort", () => aborted = true);
    return new Response(
      new ReadableStream({
        start(controller) {
          controller.enqueue(encoder.encode("first"));
        },
        cancel() {
          cancelled = true;
        },
      }),
    );
  }, async (client) => {
    const stream = await client.request(GET);
    await stream.readResponse();
    const frame = await stream.readFrame();
    assert.equal(frame?.type, "data");
    await client.close();
    await until(() => cancelled && aborted, "the body is cancelled");
  });
});

Deno.test("methods that no Request can have are answered with 501", () =>
  withClient(() => new Response("never"), async (client) => {
    const trace = await client.request(head("TRACE"));
    assert.equal((await trace.readResponse()).status, 501);
    const connect = await client.request([[":method", "CONNECT"], [":authority", "localhost"]]);
    assert.equal((await connect.readResponse()).status, 501);
  }));

Deno.test("a body that stalls while it is awaited closes QUIC with 0x107", () =>
  withServer(async (server) => {
    const client = await server.connect();
    const control = await client.openControl(CLIENT_SETTINGS);
    const stream = await client.request(head("POST"), encodeFrameHeader(FrameType.DATA, 10));
    assert.equal((await client.closed).closeCode, 0x107);
    assert.ok(control && stream);
  }, { onRequest: async (request) => new Response(await request.text()), stallTimeoutMs: 50 }));
