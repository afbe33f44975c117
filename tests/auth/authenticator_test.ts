import assert from "node:assert/strict";
import { Authenticator } from "../../src/auth/authenticator.ts";
import type { AuthOptions } from "../../src/auth/options.ts";
import { TokenVerifier } from "../../src/auth/verifier.ts";
import { MemoryOnceStore } from "../../src/broker/once_store.ts";
import { CloseCode } from "../../src/protocol/close_code.ts";
import { FakeClock } from "../fake_clock.ts";
import { inMs, SECRET, sign } from "./tokens.ts";

const START = 1.7e12;

export async function openAuthenticator(
  clock: FakeClock,
  auth: AuthOptions = {},
): Promise<Authenticator> {
  const startMs = clock.now();
  const now = () => START + clock.now() - startMs;
  const verifier = await TokenVerifier.open({
    key: SECRET,
    ...auth,
    clock,
    now,
    onError: (error) => {
      throw error;
    },
  });
  const tickets = new MemoryOnceStore(clock, auth.maxTickets ?? 10_000);
  return new Authenticator({ auth, verifier, tickets, clock, now });
}

const refused = (closeCode: number, message: RegExp) => (error: unknown) => {
  assert.equal((error as { closeCode?: number }).closeCode, closeCode);
  assert.match((error as Error).message, message);
  return true;
};

Deno.test("a token says who its bearer is, and until when", async () => {
  const clock = new FakeClock();
  const authenticator = await openAuthenticator(clock);
  const exp = inMs(60_000, START);
  const identity = await authenticator.identify(await sign({ sub: "42", exp }));
  assert.equal(identity.user, "42");
  assert.equal(identity.claims.exp, exp);
  assert.equal(identity.expiresMs - clock.now(), 65_000);
  const endless = await authenticator.identify(await sign({ role: "bot" }));
  assert.deepEqual([endless.user, endless.expiresMs], [undefined, Infinity]);
});

Deno.test("whoever shows no token is let in where that is said, and as nobody", async () => {
  const clock = new FakeClock();
  const closed = await openAuthenticator(clock);
  assert.throws(
    () => closed.identify(undefined),
    refused(CloseCode.UNAUTHORIZED, /^A token was expected: there is none$/),
  );
  const open = await openAuthenticator(clock, { anonymous: true });
  const nobody = await open.identify(undefined);
  assert.deepEqual(nobody, {
    subject: undefined,
    user: undefined,
    claims: {},
    expiresMs: Infinity,
  });
  // A token that does not hold makes nobody of no one.
  await assert.rejects(
    Promise.resolve(open.identify("a.b.c")),
    refused(CloseCode.UNAUTHORIZED, /malformed/),
  );
});

Deno.test("a sub that is no text is nobody's", async () => {
  const authenticator = await openAuthenticator(new FakeClock());
  for (const sub of [42, "", {}, null] as unknown as string[]) {
    const token = await sign({ sub });
    await assert.rejects(
      Promise.resolve(authenticator.identify(token)),
      refused(CloseCode.UNAUTHORIZED, /its sub is no text$|its sub is not/),
    );
  }
});

Deno.test("a ticket stands for its token once, for a moment", async () => {
  const clock = new FakeClock();
  const authenticator = await openAuthenticator(clock, { ticketTtlMs: 5000 });
  const token = await sign({ sub: "42", exp: inMs(60_000, START) });
  const { ticket, expiresInMs } = await authenticator.issueTicket(token);
  assert.match(ticket, /^[0-9a-f]{64}$/);
  assert.equal(expiresInMs, 5000);
  const [first, second] = await Promise.allSettled(
    [1, 2].map(() => authenticator.identify(ticket)),
  );
  assert.equal(first!.status === "fulfilled" && first!.value.user, "42");
  assert.equal(first!.status === "fulfilled" && first!.value.expiresMs, clock.now() + 65_000);
  const replayed = refused(CloseCode.TOKEN_EXPIRED, /^The ticket does not hold: it was used/);
  assert.ok(second!.status === "rejected" && replayed(second!.reason));
  const late = await authenticator.issueTicket(token);
  clock.advance(5000);
  await assert.rejects(Promise.resolve(authenticator.identify(late.ticket)), replayed);
  for (const text of ["", "x", "0".repeat(64)]) {
    await assert.rejects(Promise.resolve(authenticator.identify(text)), replayed);
  }
});

Deno.test("no ticket is given for a token that does not hold, nor more than can be kept", async () => {
  const clock = new FakeClock();
  const authenticator = await openAuthenticator(clock, { maxTickets: 2, ticketTtlMs: 1000 });
  await assert.rejects(authenticator.issueTicket("a.b.c"), /malformed/);
  // Nor for a ticket: its time would never end.
  const token = await sign({ sub: "42" });
  const { ticket } = await authenticator.issueTicket(token);
  await assert.rejects(authenticator.issueTicket(ticket), /malformed/);
  await authenticator.issueTicket(token);
  await assert.rejects(authenticator.issueTicket(token), { code: 503 });
  clock.advance(1000);
  await authenticator.issueTicket(token);
  const without = await openAuthenticator(clock, { ticketTtlMs: 0 });
  await assert.rejects(without.issueTicket(token), { code: 404 });
});

Deno.test("a channel's token opens that channel, to the user that it names or to all", async () => {
  const clock = new FakeClock();
  const authenticator = await openAuthenticator(clock);
  const exp = inMs(10_000, START);
  const token = await sign({ channel: "room:1", sub: "42", exp });
  assert.equal(await authenticator.openChannel(token, "room:1", "42"), clock.now() + 15_000);
  const another = (what: string) => refused(CloseCode.UNAUTHORIZED, new RegExp(`another ${what}$`));
  await assert.rejects(authenticator.openChannel(token, "room:2", "42"), another("channel"));
  await assert.rejects(authenticator.openChannel(token, "room:1", "7"), another("user"));
  await assert.rejects(authenticator.openChannel(token, "room:1", undefined), another("user"));
  const forAll = await sign({ channel: "room:1" });
  assert.equal(await authenticator.openChannel(forAll, "room:1", undefined), Infinity);
  const connectToken = await sign({ sub: "42" });
  await assert.rejects(authenticator.openChannel(connectToken, "room:1", "42"), another("channel"));
});
