import assert from "node:assert/strict";
import { AddressCounter, networkOf } from "../../src/http3/address_counter.ts";

Deno.test("AddressCounter.enter() counts each address up to the limit", () => {
  const counter = new AddressCounter(2);
  const key = counter.enter("10.0.0.1");
  assert.ok(key !== undefined);
  assert.ok(counter.enter("10.0.0.1") !== undefined);
  assert.equal(counter.enter("10.0.0.1"), undefined);
  assert.ok(counter.enter("10.0.0.2") !== undefined);
  counter.leave(key);
  assert.ok(counter.enter("10.0.0.1") !== undefined);
  assert.equal(counter.enter("10.0.0.1"), undefined);
});

Deno.test("networkOf() takes an IPv6 /64, however it is written, for one", () => {
  const same = ["2001:db8:0:7::1", "2001:DB8::7:1:2:3:4", "2001:0db8:0000:0007:ffff::"];
  for (const address of same) assert.equal(networkOf(address), "2001:db8:0:7::/64");
  assert.equal(networkOf("2001:db8:0:8::1"), "2001:db8:0:8::/64");
  assert.equal(networkOf("::1"), "0:0:0:0::/64");
  assert.equal(networkOf("fe80::1%eth0"), "fe80:0:0:0::/64");
});

Deno.test("networkOf() takes an IPv4-mapped address for the IPv4 address", () => {
  assert.equal(networkOf("::ffff:10.0.0.1"), networkOf("10.0.0.1"));
});
