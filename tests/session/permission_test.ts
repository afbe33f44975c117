import assert from "node:assert/strict";
import fc from "fast-check";
import { ANONYMOUS, type Identity } from "../../src/session/rights/access.ts";
import { checkPattern, matchesChannel } from "../../src/session/rights/channel_pattern.ts";
import { allows, type PermissionRule } from "../../src/session/rights/permission.ts";

const ann: Identity = {
  subject: "42",
  user: "42",
  claims: { sub: "42", role: "trader", roles: ["a", "b"], scope: "read write", level: 3, org: "x" },
  expiresMs: Infinity,
};

for (
  const [rule, channel, who, granted, allowed] of [
    [true, "a:b", ANONYMOUS, false, true],
    [false, "a:b", ann, true, false],
    [{ authenticated: true }, "a:b", ann, false, true],
    [{ authenticated: true }, "a:b", ANONYMOUS, false, false],
    [{ claim: { role: "trader" } }, "a:b", ann, false, true],
    [{ claim: { role: "admin" } }, "a:b", ann, false, false],
    [{ claim: { role: "trader" } }, "a:b", ANONYMOUS, false, false],
    [{ claim: { roles: "b" } }, "a:b", ann, false, true],
    [{ claim: { roles: "c" } }, "a:b", ann, false, false],
    [{ claim: { scope: "write" } }, "a:b", ann, false, true],
    [{ claim: { scope: "writ" } }, "a:b", ann, false, false],
    [{ claim: { level: 3 } }, "a:b", ann, false, true],
    [{ claim: { level: "3" } }, "a:b", ann, false, false],
    [{ claim: { toString: "x" } }, "a:b", ann, false, false],
    [{ pattern: "user:#{user}" }, "user:#42", ann, false, true],
    [{ pattern: "user:#{user}" }, "user:#421", ann, false, false],
    [{ pattern: "user:#{user}" }, "user:#", ANONYMOUS, false, false],
    [{ pattern: "user:#{user}" }, "user:#undefined", ANONYMOUS, false, false],
    [{ pattern: "org:{org}:*" }, "org:x:news", ann, false, true],
    [{ pattern: "org:{org}:*" }, "org:y:news", ann, false, false],
    [{ token: true }, "a:b", ann, true, true],
    [{ token: true }, "a:b", ann, false, false],
    [{ authenticated: true, claim: { role: "admin" } }, "a:b", ann, false, false],
    [{ claim: { role: "trader" }, pattern: "a:{user}" }, "a:42", ann, false, true],
    [{ claim: { role: "trader" }, pattern: "a:{user}" }, "a:43", ann, false, false],
  ] as [boolean | PermissionRule, string, Identity, boolean, boolean][]
) {
  const name = who === ann ? "user 42" : "nobody";
  const token = granted ? " with the channel's token" : "";
  Deno.test(`${JSON.stringify(rule)} lets ${name}${token} ${allowed ? "" : "not "}to ${channel}`, () => {
    assert.equal(allows(rule, who, channel, granted), allowed);
  });
}

Deno.test("what a user is called never has a meaning in a pattern", () => {
  for (const user of ["*", "{org}", "4*", "^.*$", "42:*"]) {
    assert.ok(matchesChannel("user:#{user}", `user:#${user}`, user, {}));
    assert.ok(!matchesChannel("user:#{user}", "user:#42", user, {}));
  }
});

Deno.test("a pattern matches as the regular expression that it stands for", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", ":"), maxLength: 6 });
  const part = fc.oneof(text, fc.constant("*"), fc.constant("{user}"));
  const run = fc.property(fc.array(part, { maxLength: 5 }), text, text, (parts, user, channel) => {
    const expression = parts.map((each) => each === "*" ? ".*" : each.replace("{user}", user));
    assert.equal(
      matchesChannel(parts.join(""), channel, user, {}),
      new RegExp(`^${expression.join("")}$`).test(channel),
    );
  });
  fc.assert(run, { seed: 1, numRuns: 2000 });
});

Deno.test("a pattern whose braces hold no name is refused", () => {
  for (const pattern of ["user:{", "user:}", "user:{}", "{{user}}"]) {
    assert.throws(() => checkPattern(pattern), /must have names in its braces/);
  }
});
