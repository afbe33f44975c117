import assert from "node:assert/strict";
import { seededRandom } from "../../src/policy/random.ts";
import { concat, hex } from "../bytes.ts";
import { CLIENT_SETTINGS, RawQuicClient } from "../conformance/raw_quic_client.ts";
import { bidirectionalHeader, unidirectionalHeader } from "../conformance/server.ts";
import { below, mutate } from "../fuzz/mutate.ts";
import { certPem, type TestServer, type withServer } from "../integration/harness.ts";
import { connectFields } from "../integration/raw_peer.ts";
import { until } from "../until.ts";
import { besideHonest } from "./beside_honest.ts";

const HANDSHAKE_TIMEOUT_MS = 200;
const OPTIONS = { webtransport: { handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS } };

/** What is left of a UDP datagram that says it is longer than what it is in. */
const MAX_UDP_BYTES = 1452;

/** The first datagram of a QUIC client: an Initial that holds a ClientHello, RFC 9000 §14.1. */
async function captureInitial(): Promise<Uint8Array> {
  const silent = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const endpoint = new Deno.QuicEndpoint({ hostname: "127.0.0.1", port: 0 });
  const connecting = Deno.connectQuic({
    hostname: "127.0.0.1",
    port: (silent.addr as Deno.NetAddr).port,
    serverName: "localhost",
    alpnProtocols: ["h3"],
    endpoint,
  });
  const [initial] = await silent.receive();
  endpoint.close();
  await assert.rejects(Promise.resolve(connecting));
  silent.close();
  return initial;
}

/** A UDP socket that counts what comes back. */
class Counter implements Disposable {
  bytes = 0;
  readonly #socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  readonly #port: number;

  constructor(port: number) {
    this.#port = port;
    (async () => {
      for await (const [datagram] of this.#socket) this.bytes += datagram.length;
    })().catch(() => {});
  }

  async send(datagram: Uint8Array): Promise<void> {
    await this.#socket.send(datagram, {
      transport: "udp",
      hostname: "127.0.0.1",
      port: this.#port,
    });
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }
}

/** Runs `attack` beside an honest session; the log is told nothing of it. */
function attackQuic(
  attack: (test: TestServer) => Promise<void>,
  options: Parameters<typeof withServer>[0] = OPTIONS,
): Promise<void> {
  return besideHonest("webtransport", async (test) => {
    await attack(test);
    assert.deepEqual(test.log, []);
  }, options);
}

/** A refusal is one short datagram, a handshake several long ones. */
function isRefusal({ bytes }: Counter): boolean {
  return bytes < 300;
}

Deno.test("UDP that is no QUIC is answered with nothing, or with less than came", async () => {
  const initial = await captureInitial();
  const random = seededRandom(1);
  await attackQuic(async ({ server }) => {
    using attacker = new Counter(server.port);
    let sent = 0;
    const send = async (datagram: Uint8Array) => {
      sent += datagram.length;
      await attacker.send(datagram);
    };
    for (let count = 0; count < 500; count++) {
      await send(
        Uint8Array.from({ length: below(MAX_UDP_BYTES, random) }, () => below(256, random)),
      );
      await send(mutate([initial], random).slice(0, MAX_UDP_BYTES));
      // Of a version that nobody speaks, RFC 9000 §6.
      const unknown = initial.slice();
      unknown.set(hex("1a2a3a4a"), 1);
      await send(unknown);
    }
    assert.ok(attacker.bytes < sent, `${attacker.bytes} came for ${sent}`);
  });
});

Deno.test("a handshake that is never gone on with is given up, and has no forged address flooded", async () => {
  const initials = await Promise.all(Array.from({ length: 10 }, captureInitial));
  const options = { webtransport: { ...OPTIONS.webtransport, maxPendingHandshakes: 10 } };
  await attackQuic(async ({ server }) => {
    const attackers = initials.map(() => new Counter(server.port));
    const idle = server.transports;
    await Promise.all(attackers.map((attacker, at) => attacker.send(initials[at]!)));
    await until(() => attackers.every(({ bytes }) => bytes > 0), "an answer to each");
    // The server sends its handshakes again and again. It has given all of them up when it takes as
    // many others.
    for (let taken = 0; taken < 10;) {
      using next = new Counter(server.port);
      await next.send(await captureInitial());
      await until(() => next.bytes > 0, "an answer");
      if (!isRefusal(next)) taken++;
    }
    for (const [at, { bytes }] of attackers.entries()) {
      // RFC 9000 §8.1: at most three times what an address that is not validated has sent.
      assert.ok(bytes <= 3 * initials[at]!.length, `${bytes} for ${initials[at]!.length}`);
    }
    assert.equal(server.transports, idle);
    for (const attacker of attackers) attacker[Symbol.dispose]();
  }, options);
});

Deno.test("handshakes over the limit are refused, while those of before go on", async () => {
  const initials = await Promise.all(Array.from({ length: 6 }, captureInitial));
  const options = { webtransport: { handshakeTimeoutMs: 500, maxPendingHandshakes: 4 } };
  await attackQuic(async ({ server }) => {
    const attackers = initials.map(() => new Counter(server.port));
    for (const [at, attacker] of attackers.entries()) await attacker.send(initials[at]!);
    await until(() => attackers.every(({ bytes }) => bytes > 0), "an answer to each");
    const refused = attackers.filter(isRefusal);
    assert.ok(refused.length >= 2, attackers.map(({ bytes }) => bytes).join());
    await assert.rejects(RawQuicClient.connect({ addr: server, cert: certPem }));
    // Until the four are given up.
    let client: RawQuicClient | undefined;
    while (client === undefined) {
      client = await RawQuicClient.connect({ addr: server, cert: certPem }).catch(() => undefined);
    }
    await client.close();
    for (const attacker of attackers) attacker[Symbol.dispose]();
  }, options);
});

/** What a session may do with its streams that leads nowhere, by its outcome's close code. */
const DEAD_ENDS: Readonly<Record<string, (client: RawQuicClient, id: number) => Promise<unknown>>> =
  {
    "says nothing": () => Promise.resolve(),
    "opens its control stream and says nothing": (client, id) =>
      client.openBidirectional(bidirectionalHeader(id)),
    "begins a message that does not go on": (client, id) =>
      client.openBidirectional(concat(bidirectionalHeader(id), hex("20 01"))),
    "opens streams and says not whose they are": async (client) => {
      for (let count = 0; count < 8; count++) await client.openUnidirectional(hex("40"));
    },
    "opens streams of a session that is not there": async (client) => {
      for (let count = 0; count < 8; count++) {
        await client.openUnidirectional(unidirectionalHeader(60));
      }
    },
  };

for (const [what, act] of Object.entries(DEAD_ENDS)) {
  Deno.test(`a WebTransport session that ${what} is closed, and its place is free again`, async () => {
    await attackQuic(async ({ server }) => {
      const client = await RawQuicClient.connect({ addr: server, cert: certPem });
      await client.openControl(CLIENT_SETTINGS);
      const connect = await client.request(connectFields(server.port));
      assert.equal((await connect.readResponse()).status, 200);
      assert.equal(server.transports, 2);
      await act(client, connect.id);
      await until(() => server.transports === 1, "its end");
      assert.equal(server.sessions.count, 1);
      await client.close();
    }, { session: { connectTimeoutMs: 200 }, webtransport: { headTimeoutMs: 200 } });
  });
}

Deno.test("a CONNECT that does not end holds no place", async () => {
  await attackQuic(async ({ server }) => {
    const clients = await Promise.all(Array.from({ length: 10 }, async () => {
      const client = await RawQuicClient.connect({ addr: server, cert: certPem });
      await client.openControl(CLIENT_SETTINGS);
      // HEADERS that say they have 200 bytes, and bring two.
      await client.openBidirectional(hex("01 40c8 0000"));
      return client;
    }));
    assert.equal(server.transports, 1);
    for (const client of clients) assert.equal((await client.end()).closeCode, 0x107);
    for (const client of clients) await client.close();
  }, { webtransport: { headTimeoutMs: 200 } });
});
