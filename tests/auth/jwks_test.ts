import assert from "node:assert/strict";
import * as jose from "jose";
import { TokenVerifier } from "../../src/auth/verifier.ts";
import { CloseCode } from "../../src/protocol/close_code.ts";
import { IdentityError } from "../../src/session/rights/access.ts";
import { FakeClock } from "../fake_clock.ts";
import { until } from "../until.ts";
import { sign } from "./tokens.ts";

/** A server of public keys, over real HTTP. */
class KeyServer {
  /** What it answers, after a status. */
  keys: jose.JWK[] = [];
  status = 200;
  reads = 0;
  readonly #server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    this.reads++;
    return new Response(JSON.stringify({ keys: this.keys }), { status: this.status });
  });

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/jwks.json`;
  }

  /** Adds a key; returns what signs with it. */
  async add(kid: string): Promise<() => Promise<string>> {
    const { publicKey, privateKey } = await jose.generateKeyPair("ES256");
    this.keys.push({ ...await jose.exportJWK(publicKey), kid });
    return () => sign({ sub: kid }, { key: privateKey, alg: "ES256", kid });
  }

  async close(): Promise<void> {
    await this.#server.shutdown();
  }
}

interface Scene {
  readonly server: KeyServer;
  readonly clock: FakeClock;
  readonly errors: string[];
  /** The user of a token, or the code with which it is refused. */
  user(token: string): Promise<unknown>;
}

function test(name: string, body: (scene: Scene) => Promise<void>): void {
  Deno.test(name, async () => {
    const server = new KeyServer();
    const clock = new FakeClock();
    const errors: string[] = [];
    const verifier = await TokenVerifier.open({
      jwksUrl: server.url,
      clock,
      now: () => 1.7e12 + clock.now(),
      onError: (error) => errors.push((error as Error).message),
    });
    const user = async (token: string) => {
      try {
        return (await verifier.verify(token)).sub;
      } catch (error) {
        assert(error instanceof IdentityError, String(error));
        return error.closeCode;
      }
    };
    try {
      await body({ server, clock, errors, user });
    } finally {
      await server.close();
    }
  });
}

test("keys are read once for all tokens, and anew for one of a key that is new", async (scene) => {
  const { server, clock, user, errors } = scene;
  const old = await server.add("old");
  const tokens = await Promise.all([old(), old(), old()]);
  assert.deepEqual(await Promise.all(tokens.map(user)), ["old", "old", "old"]);
  assert.equal(server.reads, 1);
  const fresh = await server.add("fresh");
  await clock.advanceAsync(30_000);
  assert.equal(await user(await fresh()), "fresh");
  assert.equal(await user(await old()), "old");
  assert.equal(server.reads, 2);
  assert.deepEqual(errors, []);
});

test("a key that is taken away is good for ten minutes at most", async (scene) => {
  const { server, clock, user } = scene;
  const old = await server.add("old");
  await user(await old());
  server.keys = [];
  const fresh = await server.add("fresh");
  await clock.advanceAsync(600_000);
  // The token that finds the keys old does not wait for new ones.
  assert.equal(await user(await old()), "old");
  await until(() => server.reads === 2, "the keys are read again");
  assert.equal(await user(await fresh()), "fresh");
  assert.equal(await user(await old()), CloseCode.INTERNAL_ERROR);
  await clock.advanceAsync(30_000);
  assert.equal(await user(await old()), CloseCode.UNAUTHORIZED);
});

test("tokens of made-up keys have the keys read once in 30 s", async (scene) => {
  const { server, clock, user } = scene;
  const known = await server.add("known");
  await user(await known());
  const { privateKey } = await jose.generateKeyPair("ES256");
  const made = async (kid: string) => await sign({}, { key: privateKey, alg: "ES256", kid });
  for (let at = 0; at < 20; at++) {
    assert.equal(await user(await made(`made up ${at}`)), CloseCode.INTERNAL_ERROR);
  }
  assert.equal(server.reads, 1);
  await clock.advanceAsync(30_000);
  assert.equal(await user(await made("made up")), CloseCode.UNAUTHORIZED);
  assert.equal(server.reads, 2);
});

test("while the keys cannot be read, those that are known are used on", async (scene) => {
  const { server, clock, user, errors } = scene;
  const known = await server.add("known");
  assert.equal(await user(await known()), "known");
  const fresh = await server.add("fresh");
  server.status = 503;
  await clock.advanceAsync(3_600_000);
  for (let at = 0; at < 5; at++) assert.equal(await user(await known()), "known");
  await until(() => errors.length === 1, "the failure is told, once");
  assert.match(errors[0]!, /^The keys for tokens could not be read from .*: 503$/);
  // Its client may come back: nothing is known against it.
  assert.equal(await user(await fresh()), CloseCode.INTERNAL_ERROR);
  server.status = 200;
  await clock.advanceAsync(30_000);
  assert.equal(await user(await fresh()), "fresh");
});

test("a server that has never read its keys lets nobody in, and says that it is its fault", async (scene) => {
  const { server, clock, user } = scene;
  const known = await server.add("known");
  server.status = 500;
  assert.equal(await user(await known()), CloseCode.INTERNAL_ERROR);
  server.status = 200;
  assert.equal(await user(await known()), CloseCode.INTERNAL_ERROR);
  assert.equal(server.reads, 1);
  await clock.advanceAsync(30_000);
  assert.equal(await user(await known()), "known");
});

test("a secret among public keys is no key", async (scene) => {
  const { server, user } = scene;
  const secret = new Uint8Array(32);
  server.keys.push({ kty: "oct", k: jose.base64url.encode(secret), kid: "s", alg: "HS256" });
  const token = await sign({ sub: "1" }, { key: secret, kid: "s" });
  assert.equal(await user(token), CloseCode.UNAUTHORIZED);
});
