import assert from "node:assert/strict";
import fc from "fast-check";
import {
  addressKey,
  Admission,
  type AdmissionOptions,
  type Visitor,
} from "../../src/policy/admission.ts";
import { seededRandom } from "../../src/policy/random.ts";
import { FakeClock } from "../fake_clock.ts";

function setUp(options: AdmissionOptions = {}) {
  const clock = new FakeClock();
  return { clock, admission: new Admission(options, clock, seededRandom(9)) };
}

function requireAdmitted(admission: Admission, address: string) {
  const outcome = admission.admit(address);
  assert.ok(outcome.admitted, JSON.stringify(outcome));
  return outcome;
}

function requireRefused(admission: Admission, address: string) {
  const outcome = admission.admit(address);
  assert.ok(!outcome.admitted);
  return outcome;
}

Deno.test("Admission refuses above the total until a session ends", () => {
  const { admission } = setUp({ maxSessions: 2 });
  const first = requireAdmitted(admission, "192.0.2.1");
  requireAdmitted(admission, "192.0.2.2");
  const refused = requireRefused(admission, "192.0.2.3");
  assert.equal(refused.reason, "total");
  assert.ok(refused.retryAfterMs >= 5000 && refused.retryAfterMs <= 7500);
  first.release();
  requireAdmitted(admission, "192.0.2.3");
});

Deno.test("Admission refuses one address above its share and takes another", () => {
  const { admission } = setUp({ maxSessionsPerAddress: 2 });
  requireAdmitted(admission, "192.0.2.1");
  const second = requireAdmitted(admission, "192.0.2.1");
  assert.equal(requireRefused(admission, "192.0.2.1").reason, "address");
  assert.equal(requireRefused(admission, "::ffff:192.0.2.1").reason, "address");
  requireAdmitted(admission, "192.0.2.2");
  second.release();
  requireAdmitted(admission, "192.0.2.1");
});

Deno.test("Admission refuses above the rate and recovers with time", () => {
  const { clock, admission } = setUp({ ratePerSecond: 10, burst: 2 });
  requireAdmitted(admission, "192.0.2.1");
  requireAdmitted(admission, "192.0.2.1");
  assert.equal(requireRefused(admission, "192.0.2.1").reason, "rate");
  clock.advance(100);
  requireAdmitted(admission, "192.0.2.1");
});

Deno.test("Admission calls a refused herd back no faster than its rate", () => {
  const { admission } = setUp({ ratePerSecond: 100, burst: 1 });
  requireAdmitted(admission, "192.0.2.1");
  const delays = Array.from(
    { length: 2000 },
    (_, index) => requireRefused(admission, `192.0.${index >> 8}.${index & 255}`).retryAfterMs,
  ).sort((a, b) => a - b);
  for (let index = 0; index < delays.length; index++) {
    const atMost = 100 * delays[index]! / 1000 + 1;
    assert.ok(index + 1 <= atMost + 1e-6, `client ${index} after ${delays[index]} ms`);
  }
  assert.ok(delays.at(-1)! <= 30_000);
});

Deno.test("Admission puts nobody off for longer than 90 s, however many were refused", () => {
  const { admission } = setUp({ ratePerSecond: 1, burst: 1 });
  requireAdmitted(admission, "192.0.2.1");
  let longestMs = 0;
  for (let turn = 0; turn < 10_000; turn++) {
    longestMs = Math.max(longestMs, requireRefused(admission, "192.0.2.2").retryAfterMs);
  }
  assert.ok(longestMs > 60_000 && longestMs <= 90_000, `${longestMs}`);
});

Deno.test("an address over its share takes no token and books no time", () => {
  const { admission } = setUp({ ratePerSecond: 10, burst: 2, maxSessionsPerAddress: 1 });
  requireAdmitted(admission, "192.0.2.1");
  for (let turn = 0; turn < 1000; turn++) requireRefused(admission, "192.0.2.1");
  requireAdmitted(admission, "192.0.2.2");
  assert.ok(requireRefused(admission, "192.0.2.3").retryAfterMs <= 150);
});

Deno.test("release() counts once", () => {
  const { admission } = setUp({ maxSessions: 2 });
  const first = requireAdmitted(admission, "192.0.2.1");
  requireAdmitted(admission, "192.0.2.1");
  first.release();
  first.release();
  assert.equal(admission.sessions, 1);
});

Deno.test("Admission forgets an address with its last session", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { maxLength: 200 }), (steps) => {
      const { admission } = setUp({ maxSessions: 15, maxSessionsPerAddress: 4 });
      const open: { address: string; release(): void }[] = [];
      for (const step of steps) {
        if (step > 14) {
          open.splice(step % 5, 1)[0]?.release();
          continue;
        }
        const address = `192.0.2.${step}`;
        const outcome = admission.admit(address);
        const ofAddress = open.filter((session) => session.address === address).length;
        assert.equal(outcome.admitted, open.length < 15 && ofAddress < 4);
        if (outcome.admitted) open.push({ address, release: outcome.release });
      }
      assert.equal(admission.sessions, open.length);
      assert.equal(admission.addresses, new Set(open.map(({ address }) => address)).size);
      for (const { release } of open) release();
      assert.deepEqual([admission.sessions, admission.addresses], [0, 0]);
    }),
    { seed: 10, numRuns: 200 },
  );
});

Deno.test("Admission keeps the rate of others from an address that comes again and again", () => {
  const { clock, admission } = setUp({ ratePerSecond: 200, maxSessionsPerAddress: Infinity });
  for (let turn = 0; turn < 40; turn++) requireAdmitted(admission, "192.0.2.1").release();
  const refused = requireRefused(admission, "192.0.2.1");
  assert.equal(refused.reason, "address");
  assert.ok(refused.retryAfterMs > 0 && refused.retryAfterMs <= 37.5, `${refused.retryAfterMs}`);
  for (let turn = 0; turn < 120; turn++) requireAdmitted(admission, `192.0.3.${turn}`);
  clock.advance(100);
  for (let turn = 0; turn < 4; turn++) requireAdmitted(admission, "192.0.2.1");
  assert.equal(requireRefused(admission, "192.0.2.1").reason, "address");
});

Deno.test("Admission calls those refused for their address back at its rate", () => {
  const { admission } = setUp({ ratePerSecondPerAddress: 50, maxSessionsPerAddress: Infinity });
  for (let turn = 0; turn < 50; turn++) requireAdmitted(admission, "192.0.2.1");
  const delays = Array.from(
    { length: 500 },
    () => requireRefused(admission, "192.0.2.1").retryAfterMs,
  ).sort((a, b) => a - b);
  for (const [index, delayMs] of delays.entries()) {
    assert.ok(index + 1 <= 50 * delayMs / 1000 + 1e-6, `client ${index} after ${delayMs} ms`);
  }
  assert.ok(delays.at(-1)! <= 15_000);
});

Deno.test("Admission keeps a fifth of its burst for those who return", () => {
  const { clock, admission } = setUp({ ratePerSecond: 10, burst: 10 });
  const come = (number: number, visitor: Visitor) =>
    admission.admit(`192.0.2.${number}`, visitor).admitted;
  const admitted = (count: number, visitor: Visitor) =>
    Array.from({ length: count }, (_, number) => come(number, visitor)).filter(Boolean).length;
  assert.equal(admitted(50, "new"), 8);
  assert.equal(admitted(50, "returning"), 2);
  // While both come faster than the rate, those who return have all of it.
  let [returned, fresh] = [0, 0];
  for (let turn = 0; turn < 100; turn++) {
    clock.advance(50);
    if (come(1, "new")) fresh++;
    if (come(2, "returning")) returned++;
  }
  assert.deepEqual([returned, fresh], [50, 0]);
  clock.advance(300);
  assert.equal(come(1, "new"), true);
});

Deno.test("an invitation counts against the rate, and who is invited does not again", () => {
  const { admission } = setUp({ ratePerSecond: 10, burst: 2, maxSessions: 3 });
  assert.equal(admission.invite("192.0.2.1", "new"), undefined);
  assert.equal(admission.invite("192.0.2.2", "new"), undefined);
  assert.equal(admission.invite("192.0.2.3", "new")?.reason, "rate");
  assert.equal(admission.sessions, 0);
  for (let number = 1; number <= 3; number++) {
    assert.equal(admission.admit(`192.0.2.${number}`, "invited").admitted, true);
  }
  const refused = admission.admit("192.0.2.4", "invited");
  assert.ok(!refused.admitted);
  assert.equal(refused.reason, "total");
  assert.equal(admission.invite("192.0.2.4", "returning")?.reason, "total");
});

const keys: [address: string, key: string][] = [
  ["192.0.2.1", "192.0.2.1"],
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:DB8:1:2::9", "2001:db8:1:2::/64"],
  ["2001:db8::1", "2001:db8:0:0::/64"],
  ["2001:db8::", "2001:db8:0:0::/64"],
  ["::1", "0:0:0:0::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
];
for (const [address, key] of keys) {
  Deno.test(`addressKey() counts ${address} as ${key}`, () => {
    assert.equal(addressKey(address), key);
  });
}

Deno.test("Admission refuses limits that are none", () => {
  for (
    const bad of [
      { ratePerSecond: 0 },
      { burst: 0 },
      { ratePerSecondPerAddress: 0 },
      { maxSessions: 0 },
      { maxSessions: 1.5 },
      { maxSessionsPerAddress: -1 },
      { maxSessionsPerAddress: NaN },
    ]
  ) assert.throws(() => setUp(bad), RangeError, JSON.stringify(bad));
});

Deno.test("Admission with every limit disabled refuses nobody", () => {
  const { admission } = setUp({
    ratePerSecond: Infinity,
    maxSessions: Infinity,
    maxSessionsPerAddress: Infinity,
  });
  for (let turn = 0; turn < 5000; turn++) requireAdmitted(admission, "192.0.2.1");
});
