import assert from "node:assert/strict";
import * as jose from "jose";
import { CloseCode, OPEN, type ServerOptions, type SlipstreamServer } from "../../src/mod.ts";
import { inMs, SECRET, sign, unsigned } from "../auth/tokens.ts";
import { TestRedis } from "../broker/redis_server.ts";
import { type Kind, KINDS, withServer } from "../integration/harness.ts";
import { openRaw } from "../integration/raw_peer.ts";

const CLAIMS = { sub: "1", aud: "game", iss: "https://id.test" };
const { publicKey, privateKey } = await jose.generateKeyPair("RS256", { extractable: true });
const other = await jose.generateKeyPair("RS256", { extractable: true });
const pem = await jose.exportSPKI(publicKey);
const ascii = new TextEncoder();

const OPTIONS: ServerOptions = {
  auth: { key: pem, audience: "game", issuer: "https://id.test" },
  namespaces: { chat: { permissions: OPEN } },
};

/** A token whose header and claims are what they are said to be, signed or not. */
function forge(header: object, claims: object, signature = ""): string {
  const encode = (value: object) => jose.base64url.encode(JSON.stringify(value));
  return `${encode(header)}.${encode(claims)}.${signature}`;
}

/** A token that brings `header`, signed by a stranger's key. */
function strange(header: jose.JWTHeaderParameters): Promise<string> {
  return new jose.SignJWT(CLAIMS).setProtectedHeader(header).sign(other.privateKey);
}

/** A token signed by HMAC with what everybody knows. */
function hmac(secret: string, header: object = {}): Promise<string> {
  return new jose.SignJWT(CLAIMS).setProtectedHeader({ alg: "HS256", ...header })
    .sign(ascii.encode(secret));
}

/** Tokens that must not hold, by what they try; `url` is where a stranger's keys would be read. */
async function forgeries(url: string): Promise<Record<string, string>> {
  const good = await sign(CLAIMS, { key: privateKey, alg: "RS256" });
  const [head, body, signature] = good.split(".");
  const strangeJwk = await jose.exportJWK(other.publicKey);
  const jwk = await jose.exportJWK(publicKey);
  return {
    "no algorithm": unsigned(CLAIMS),
    "no algorithm, in other letters": forge({ alg: "nOnE" }, CLAIMS),
    "no algorithm, with a signature": forge({ alg: "none" }, CLAIMS, signature),
    "an algorithm that is no text": forge({ alg: ["RS256"] }, CLAIMS, signature),
    "no header": forge({}, CLAIMS, signature),
    "the public key as a secret": await hmac(pem),
    "the public key as a secret, trimmed": await hmac(pem.trim()),
    "the public key's modulus as a secret": await hmac(jwk.n!),
    "an empty signature": `${head}.${body}.`,
    "a signature of another's claims": forge({ alg: "RS256" }, { ...CLAIMS, sub: "2" }, signature),
    "the claims twice": `${head}.${body}.${body}.${signature}`,
    "a stranger's key": await strange({ alg: "RS256" }),
    "a stranger's key in its jwk": await strange({ alg: "RS256", jwk: strangeJwk }),
    "a stranger's key at its jku": await strange({ alg: "RS256", jku: url }),
    "a stranger's key at its x5u": await strange({ alg: "RS256", x5u: url }),
    "a kid that is a path": await strange({ alg: "RS256", kid: "../../../../dev/null" }),
    "a kid that is a URL": await strange({ alg: "RS256", kid: url }),
    "a kid that is a query": await strange({ alg: "RS256", kid: "x' UNION SELECT 'key" }),
    "a kid that is a prototype": await strange({ alg: "RS256", kid: "__proto__" }),
    "an algorithm of another family": await hmac("x".repeat(32), { kid: "constructor" }),
    "an extension that it calls critical": forge(
      { alg: "RS256", crit: ["exp"], exp: 1 },
      CLAIMS,
      signature,
    ),
    "claims that are not encoded": forge({ alg: "RS256", b64: false }, CLAIMS, signature),
    "another audience": await sign({ ...CLAIMS, aud: "shop" }, { key: privateKey, alg: "RS256" }),
    "another issuer": await sign({ ...CLAIMS, iss: "https://evil.test" }, {
      key: privateKey,
      alg: "RS256",
    }),
    "a time to come": await sign({ ...CLAIMS, nbf: inMs(60_000) }, {
      key: privateKey,
      alg: "RS256",
    }),
    "a time long past": await sign({ ...CLAIMS, exp: inMs(-60_000) }, {
      key: privateKey,
      alg: "RS256",
    }),
    "a ticket that was guessed": "0".repeat(64),
    "a ticket that is a key of Redis": "slipstream:{/$nodes}:meta",
    "a line break": `${good}\n`,
  };
}

/** With which code a client that shows `token` is closed. */
async function codeFor(kind: Kind, server: SlipstreamServer, token: string): Promise<number> {
  await using peer = await openRaw(kind, server);
  await peer.send({ type: "connect", id: 1, token });
  return (await peer.end()).code;
}

for (const kind of KINDS) {
  Deno.test(`${kind}: no forged, stale or foreign token lets a client in, and none has a key fetched`, async () => {
    let fetched = 0;
    const site = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async () => {
      fetched++;
      return Response.json({ keys: [await jose.exportJWK(other.publicKey)] });
    });
    try {
      await withServer(OPTIONS, async ({ server, log }) => {
        for (
          const [what, token] of Object.entries(
            await forgeries(`http://127.0.0.1:${site.addr.port}`),
          )
        ) {
          const code = await codeFor(kind, server, token);
          assert.ok(
            code === CloseCode.UNAUTHORIZED || code === CloseCode.TOKEN_EXPIRED,
            `${what}: ${code}`,
          );
          assert.equal(server.sessions.count, 0, what);
          assert.ok(!log.join().includes(token), what);
        }
        await using peer = await openRaw(kind, server);
        const token = await sign(CLAIMS, { key: privateKey, alg: "RS256" });
        await peer.send({ type: "connect", id: 1, token });
        assert.equal((await peer.next()).type, "connected");
      });
      assert.equal(fetched, 0);
    } finally {
      await site.shutdown();
    }
  });
}

async function ticketOf(server: SlipstreamServer): Promise<string> {
  const response = await fetch(`http://localhost:${server.developmentPort}/rt/ticket`, {
    method: "POST",
    headers: { authorization: `Bearer ${await sign({ sub: "1" })}` },
  });
  return (await response.json()).ticket;
}

/** Shows one ticket on every transport at once, at `servers` by turns; how many it let in. */
async function showAtOnce(
  servers: readonly SlipstreamServer[],
  ticket: string,
): Promise<number> {
  const peers = await Promise.all(
    [...KINDS, ...KINDS].map((kind, at) => openRaw(kind, servers[at % servers.length]!)),
  );
  try {
    const answers = await Promise.all(peers.map(async (peer) => {
      await peer.send({ type: "connect", id: 1, token: ticket });
      // Who is refused is told by a close, or by the end of its stream.
      return await peer.next().then(({ type }) => type, () => "close");
    }));
    assert.ok(answers.every((type) => type === "connected" || type === "close"), answers.join());
    return answers.filter((type) => type === "connected").length;
  } finally {
    for (const peer of peers) await peer[Symbol.asyncDispose]();
  }
}

const TICKETS: ServerOptions = {
  auth: { key: SECRET },
  namespaces: { chat: { permissions: OPEN } },
};

Deno.test("a ticket that is shown on every transport at once lets one client in, and later none", async () => {
  await withServer(TICKETS, async ({ server }) => {
    const ticket = await ticketOf(server);
    assert.equal(await showAtOnce([server], ticket), 1);
    assert.equal(await showAtOnce([server], ticket), 0);
  });
});

Deno.test("a ticket that is shown at two nodes at once lets one client in", async () => {
  const redis = await TestRedis.start();
  try {
    const options = { ...TICKETS, redis: { url: redis.url } };
    await withServer(options, async ({ server: one }) => {
      await withServer(options, async ({ server: two }) => {
        for (let round = 0; round < 5; round++) {
          assert.equal(await showAtOnce([one, two], await ticketOf(one)), 1);
        }
      });
    });
  } finally {
    await redis.stop();
  }
});
