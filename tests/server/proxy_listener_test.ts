import assert from "node:assert/strict";
import { ProxyListener } from "../../src/server/proxy_listener.ts";
import { createDevelopmentCertificate } from "../../src/tls/development_certificate.ts";
import { FakeClock } from "../fake_clock.ts";
import { until } from "../until.ts";

const encoder = new TextEncoder();
const HEADER = "PROXY TCP4 192.0.2.7 10.0.0.1 56324 80\r\n";
const REQUEST = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const CLOSING = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

/** Runs `body` with a listener that believes this machine, and a clock of the test's own. */
async function withListener(
  { maxRelays = 100, respond = (address: string) => new Response(address) },
  body: (test: {
    port: number;
    clock: FakeClock;
    errors: unknown[];
    open(...first: string[]): Promise<Deno.TcpConn>;
  }) => Promise<void>,
): Promise<void> {
  const clock = new FakeClock();
  const errors: unknown[] = [];
  const conns: Deno.TcpConn[] = [];
  const listener = new ProxyListener({
    hostname: "127.0.0.1",
    port: 0,
    handler: (_, { peer }) => respond(peer!.address),
    onError: (error) => errors.push(error),
    userTimeoutMs: 0,
    clock,
    isProxy: () => true,
    maxRelays,
  });
  try {
    await body({
      port: listener.port,
      clock,
      errors,
      async open(...first) {
        const conn = await Deno.connect({ hostname: "127.0.0.1", port: listener.port });
        conns.push(conn);
        for (const text of first) await conn.write(encoder.encode(text));
        return conn;
      },
    });
    assert.deepEqual(errors, []);
  } finally {
    for (const conn of conns) conn.close();
    await listener.close();
  }
}

/** Everything until the end, which may be a reset. */
async function readAll(conn: Deno.TcpConn): Promise<string> {
  let text = "";
  const buffer = new Uint8Array(65_536);
  try {
    for (let read; (read = await conn.read(buffer)) !== null;) {
      text += new TextDecoder().decode(buffer.subarray(0, read));
    }
  } catch {
    // A reset.
  }
  return text;
}

async function answerOf(conn: Deno.Conn): Promise<string> {
  const buffer = new Uint8Array(4096);
  const read = await conn.read(buffer);
  return new TextDecoder().decode(buffer.subarray(0, read ?? 0));
}

Deno.test("a header and a request may come in one piece or in many", () =>
  withListener({}, async ({ open }) => {
    for (const pieces of [[HEADER + REQUEST], [...HEADER, ...REQUEST], [HEADER, REQUEST]]) {
      assert.match(await answerOf(await open(...pieces)), /192\.0\.2\.7$/);
    }
  }));

Deno.test("who sends its header by drops is closed after 5 s, whatever came", () =>
  withListener({}, async ({ open, clock }) => {
    const conn = await open("PROXY TCP4 ");
    await until(() => clock.pendingTimers === 1);
    clock.advance(4999);
    await conn.write(encoder.encode("1"));
    clock.advance(1);
    assert.equal(await readAll(conn), "");
    assert.equal(clock.pendingTimers, 0);
  }));

Deno.test("over the most at once a connection is closed, and one that ends makes room", () =>
  withListener({ maxRelays: 1 }, async ({ open }) => {
    const first = await open(HEADER + REQUEST);
    await answerOf(first);
    assert.equal(await readAll(await open(HEADER)), "");
    await first.closeWrite();
    await readAll(first);
    while (!(await readAll(await open(HEADER + CLOSING))).includes("192.0.2.7"));
  }));

Deno.test("a client that does not end what the server has ended is cut off after 2 s", () =>
  withListener({}, async ({ open, clock }) => {
    const conn = await open(HEADER + CLOSING);
    assert.match(await readAll(conn), /192\.0\.2\.7$/);
    await until(() => clock.pendingTimers === 1);
    const before = openFiles();
    clock.advance(2000);
    await until(() => openFiles() <= before - 2);
    assert.equal(clock.pendingTimers, 0);
  }));

Deno.test("who reads nothing of an endless answer holds up the server, and not its memory", () => {
  let written = 0;
  const endless = () =>
    new Response(
      new ReadableStream({
        pull(controller) {
          written += 65_536;
          controller.enqueue(new Uint8Array(65_536));
        },
      }),
    );
  return withListener({ respond: endless }, async ({ open }) => {
    await open(HEADER + REQUEST);
    for (let last = -1; written === 0 || written !== last;) {
      last = written;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    // What the kernel's buffers hold on their two ways.
    assert.ok(written < 40_000_000, `${written}`);
  });
});

Deno.test({
  name: "a program of this machine that finds the server's own port gets nothing there",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await withListener({}, async ({ port }) => {
      const ports = listeningPorts().filter((own) => own !== port);
      assert.equal(ports.length, 1);
      const response = await fetch(`http://127.0.0.1:${ports[0]}/`);
      assert.equal(response.status, 403);
      await response.body?.cancel();
    });
  },
});

Deno.test("a new certificate is served behind the header, and those who are there stay", async () => {
  const certificate = async () => {
    const { certPem, keyPem, notAfter, sha256 } = await createDevelopmentCertificate();
    return { certPem, keyPem, notAfterMs: notAfter.getTime(), sha256: sha256.toBase64() };
  };
  const [first, second] = [await certificate(), await certificate()];
  const listener = new ProxyListener({
    ...{ hostname: "127.0.0.1", port: 0, certificate: first, userTimeoutMs: 0, maxRelays: 10 },
    handler: (_, { peer }) => new Response(peer!.address),
    onError: (error) => reportError(error),
    clock: new FakeClock(),
    isProxy: () => true,
  });
  const meet = async ({ certPem }: { certPem: string }) => {
    const tcp = await Deno.connect({ hostname: "127.0.0.1", port: listener.port });
    await tcp.write(encoder.encode(HEADER));
    const tls = await Deno.startTls(tcp, { hostname: "localhost", caCerts: [certPem] });
    await tls.handshake();
    return tls;
  };
  const ask = async (tls: Deno.TlsConn) => {
    await tls.write(encoder.encode(REQUEST));
    assert.match(await answerOf(tls), /192\.0\.2\.7$/);
  };
  const early = await meet(first);
  await ask(early);
  listener.replace(second);
  await ask(early);
  early.close();
  listener.closeReplaced();
  const late = await meet(second);
  await ask(late);
  late.close();
  await listener.close();
});

function openFiles(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

/** The TCP ports that this process listens on. */
function listeningPorts(): number[] {
  const inodes = new Set<string>();
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(Deno.readLinkSync(`/proc/self/fd/${name}`))?.[1];
      if (inode !== undefined) inodes.add(inode);
    } catch {
      // It was the folder's own.
    }
  }
  return Deno.readTextFileSync("/proc/self/net/tcp").trim().split("\n").slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[3] === "0A" && inodes.has(fields[9]!))
    .map((fields) => parseInt(fields[1]!.split(":")[1]!, 16));
}
