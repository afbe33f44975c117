import assert from "node:assert/strict";
import { systemClock } from "../../src/policy/clock.ts";
import { TcpListener } from "../../src/server/tcp_listener.ts";
import type { Certificate } from "../../src/tls/certificate.ts";
import { createDevelopmentCertificate } from "../../src/tls/development_certificate.ts";

async function certificate(): Promise<Certificate> {
  const { certPem, keyPem, notAfter, sha256 } = await createDevelopmentCertificate();
  return { certPem, keyPem, notAfterMs: notAfter.getTime(), sha256: sha256.toBase64() };
}

function listener(certificate?: Certificate): TcpListener {
  return new TcpListener({
    userTimeoutMs: 0,
    hostname: "localhost",
    port: 0,
    ...(certificate && { certificate }),
    handler(request, { remoteAddr, listening }) {
      const { pathname } = new URL(request.url);
      if (pathname === "/throw") throw new Error("thrown by the handler");
      if (pathname !== "/ws") {
        return Response.json({ address: remoteAddr.hostname, current: listening.current });
      }
      const { socket, response } = Deno.upgradeWebSocket(request);
      socket.onmessage = ({ data }) => socket.send(data);
      return response;
    },
    onError: (error) => errors.push(error),
    clock: systemClock,
  });
}

const errors: unknown[] = [];
const first = await certificate();
const second = await certificate();

/** Asks over a new TLS connection that trusts `trusted` alone. */
async function ask(port: number, trusted: Certificate, path = "/"): Promise<unknown> {
  using client = Deno.createHttpClient({ caCerts: [trusted.certPem] });
  return await (await fetch(`https://localhost:${port}${path}`, { client })).json();
}

/** Whether a new TLS connection meets `certificate`. */
async function meets(port: number, certificate: Certificate): Promise<boolean> {
  try {
    await ask(port, certificate);
    return true;
  } catch (error) {
    assert.match(String((error as Error).cause ?? error), /certificate|UnknownIssuer/i);
    return false;
  }
}

Deno.test("TcpListener tells the handler who asks", async () => {
  const tcp = listener();
  const response = await fetch(`http://localhost:${tcp.port}/`);
  assert.deepEqual(await response.json(), { address: "127.0.0.1", current: true });
  await tcp.close();
  await tcp.close();
});

Deno.test("TcpListener answers 500 for a handler that throws, and tells of it", async () => {
  const tcp = listener();
  const response = await fetch(`http://localhost:${tcp.port}/throw`);
  assert.equal(response.status, 500);
  assert.equal(await response.text(), "Internal error");
  assert.equal(String(errors.pop()), "Error: thrown by the handler");
  await tcp.close();
});

Deno.test("TcpListener names a port that is in use, and what to do", () => {
  const other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = other.addr;
  assert.throws(
    () =>
      new TcpListener({
        userTimeoutMs: 0,
        hostname: "localhost",
        port,
        handler: () => new Response(),
        onError() {},
        clock: systemClock,
      }),
    {
      name: "AddrInUse",
      message: `TCP port ${port} of localhost is in use: ` +
        "end the program that has it, or choose another port (0 takes a free one)",
    },
  );
  other.close();
});

Deno.test("TcpListener does not share the port of another that would", async () => {
  const tcp = listener();
  assert.throws(
    () =>
      new TcpListener({
        userTimeoutMs: 0,
        hostname: "localhost",
        port: tcp.port,
        handler: () => new Response(),
        onError() {},
        clock: systemClock,
      }),
    Deno.errors.AddrInUse,
  );
  await tcp.close();
});

Deno.test("TcpListener serves a new certificate while a WebSocket goes on", async () => {
  const tcp = listener(first);
  const { port } = tcp;
  const client = Deno.createHttpClient({ caCerts: [first.certPem] });
  const socket = new WebSocket(`wss://localhost:${port}/ws`, { client });
  await new Promise((resolve) => socket.onopen = resolve);

  tcp.replace(second);
  assert.equal(tcp.port, port);
  const echo = new Promise<unknown>((resolve) => socket.onmessage = ({ data }) => resolve(data));
  socket.send("still here");
  assert.equal(await echo, "still here");
  // Until the old socket is closed the system gives new peers to either.
  while (!(await meets(port, second)));

  const closed = new Promise((resolve) => socket.onclose = resolve);
  socket.close();
  await closed;
  tcp.closeReplaced();
  for (let attempt = 0; attempt < 10; attempt++) {
    assert.deepEqual(await ask(port, second), { address: "127.0.0.1", current: true });
  }
  client.close();
  await tcp.close();
});
