import assert from "node:assert/strict";
import * as jose from "jose";
import type { AuthKey } from "../../src/auth/options.ts";
import { TokenVerifier, type TokenVerifierOptions } from "../../src/auth/verifier.ts";
import { CloseCode } from "../../src/protocol/close_code.ts";
import { IdentityError } from "../../src/session/rights/access.ts";
import { FakeClock } from "../fake_clock.ts";
import { inMs, SECRET, sign, unsigned } from "./tokens.ts";

const NOW = 1.7e12;

async function open(options: Partial<TokenVerifierOptions>): Promise<TokenVerifier> {
  return await TokenVerifier.open({
    clock: new FakeClock(),
    now: () => NOW,
    onError: (error) => {
      throw error;
    },
    ...options,
  });
}

/** That `token` is refused for a reason, which does not repeat it. */
async function refuses(
  verifier: TokenVerifier,
  token: string,
  reason: RegExp,
  closeCode: number = CloseCode.UNAUTHORIZED,
): Promise<void> {
  await assert.rejects(verifier.verify(token), (error) => {
    assert(error instanceof IdentityError, String(error));
    assert.match(error.message, reason);
    assert.equal(error.closeCode, closeCode);
    for (const part of token.split(".")) {
      if (part.length > 8) assert.ok(!error.message.includes(part), error.message);
    }
    return true;
  });
}

for (const alg of ["RS256", "ES256", "EdDSA"]) {
  for (const form of ["PEM", "JWK"]) {
    Deno.test(`a token of ${alg} holds by its public key as ${form}, and by no other's`, async () => {
      const { publicKey, privateKey } = await jose.generateKeyPair(alg, { extractable: true });
      const other = await jose.generateKeyPair(alg);
      const key = form === "PEM"
        ? await jose.exportSPKI(publicKey)
        : await jose.exportJWK(publicKey) as AuthKey;
      const verifier = await open({ key });
      const claims = { sub: "42", role: "trader" };
      const token = await sign(claims, { key: privateKey, alg });
      assert.deepEqual({ ...await verifier.verify(token) }, claims);
      const wrong = await sign(claims, { key: other.privateKey, alg });
      await refuses(verifier, wrong, /its signature is not of an expected key$/);
      await refuses(verifier, unsigned(claims), /no key for its algorithm/);
      // A public key is no secret: whoever has it must not be able to sign with it.
      const pem = new TextEncoder().encode(await jose.exportSPKI(publicKey));
      await refuses(verifier, await sign(claims, { key: pem }), /no key for its algorithm/);
    });
  }
}

Deno.test("a token of HS256 holds by its secret alone, whole and unchanged", async () => {
  const verifier = await open({ key: SECRET });
  const token = await sign({ sub: "42" });
  assert.equal((await verifier.verify(token)).sub, "42");
  const [header, , signature] = token.split(".");
  const payload = jose.base64url.encode(JSON.stringify({ sub: "1" }));
  await refuses(verifier, `${header}.${payload}.${signature}`, /its signature is not/);
  await refuses(verifier, `${header}.${payload}.`, /its signature is not/);
  await refuses(verifier, unsigned({ sub: "42" }), /no key for its algorithm/);
  const { privateKey } = await jose.generateKeyPair("RS256");
  await refuses(verifier, await sign({}, { key: privateKey, alg: "RS256" }), /no key/);
  for (const text of ["", "x", "a.b", "a.b.c", "....", `${token}.x`, `${token}\n`]) {
    await refuses(verifier, text, /malformed|signature/);
  }
  await refuses(verifier, "x".repeat(8193), /at most 8192 characters were expected: 8193$/);
});

Deno.test("a token holds from its nbf to its exp, give or take the tolerance", async () => {
  const verifier = await open({ key: SECRET, clockToleranceMs: 2000 });
  const at = async (times: jose.JWTPayload) => await sign({ sub: "42", ...times });
  await verifier.verify(await at({ exp: inMs(-1000, NOW) }));
  await verifier.verify(await at({ nbf: inMs(1000, NOW) }));
  const expired = await at({ exp: inMs(-3000, NOW) });
  await refuses(verifier, expired, /it has expired$/, CloseCode.TOKEN_EXPIRED);
  await refuses(verifier, await at({ nbf: inMs(3000, NOW) }), /its time has not come$/);
  await refuses(verifier, await at({ exp: "soon" as unknown as number }), /its exp is not/);
});

Deno.test("a token holds for the expected issuer and audience alone", async () => {
  const verifier = await open({ key: SECRET, issuer: "https://id.test", audience: ["a", "b"] });
  const claims = { iss: "https://id.test", aud: "b" };
  await verifier.verify(await sign(claims));
  await verifier.verify(await sign({ ...claims, aud: ["x", "a"] }));
  await refuses(verifier, await sign({ ...claims, aud: "c" }), /its aud is not the expected one$/);
  await refuses(verifier, await sign({ iss: claims.iss }), /its aud is not the expected one$/);
  await refuses(verifier, await sign({ ...claims, iss: "https://id.test.evil" }), /its iss is not/);
});

Deno.test("with several keys a token holds by any, or by the one that it names", async () => {
  const [one, two] = await Promise.all([1, 2].map(() => jose.generateKeyPair("ES256")));
  const keys = await Promise.all([one!, two!].map(async ({ publicKey }, at) => ({
    ...await jose.exportJWK(publicKey),
    kid: `key${at + 1}`,
  })));
  const verifier = await open({ key: [SECRET, ...keys as AuthKey[]] });
  await verifier.verify(await sign({ sub: "42" }));
  const alg = "ES256";
  await verifier.verify(await sign({}, { alg, key: two!.privateKey }));
  await verifier.verify(await sign({}, { alg, key: two!.privateKey, kid: "key2" }));
  const misnamed = await sign({}, { alg, key: two!.privateKey, kid: "key1" });
  await refuses(verifier, misnamed, /its signature is not/);
  const unknown = await sign({}, { alg, key: two!.privateKey, kid: "key3" });
  await refuses(verifier, unknown, /no key for its algorithm and kid$/);
});

Deno.test("a key that verifies no tokens is refused at the start, and not repeated", async () => {
  const weak = await jose.generateKeyPair("ES384", { extractable: true });
  const signing = await jose.generateKeyPair("ES256", { extractable: true });
  for (
    const [key, expected] of [
      ["short secret", /must have 32 bytes or more: 12$/],
      [new Uint8Array(31), /must have 32 bytes or more: 31$/],
      [{ kty: "oct", k: "AAAA" }, /must have 32 bytes or more: 3$/],
      ["-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", /of RSA, P-256 or Ed25519/],
      [await jose.exportSPKI(weak.publicKey), /of RSA, P-256 or Ed25519/],
      [await jose.exportJWK(weak.publicKey), /of RSA, P-256 or Ed25519: EC P-384$/],
      [await jose.exportJWK(signing.privateKey), /public and of .*: private EC P-256$/],
      [{ kty: "RSA", n: "AQAB" }, /must be whole: kty, n$/],
    ] as [AuthKey, RegExp][]
  ) {
    await assert.rejects(open({ key }), (error) => {
      assert(error instanceof TypeError);
      assert.match(error.message, expected);
      if (typeof key === "string") assert.ok(!error.message.includes(key));
      return true;
    });
  }
});
