import assert from "node:assert/strict";
import fc from "fast-check";
import { ErrorCode, Http3Error } from "../../src/http3/error.ts";
import { decodeSettings, encodeSettings, SettingId } from "../../src/http3/settings.ts";
import { concat, hex } from "../bytes.ts";

function rejects(payload: Uint8Array, code: number, message: RegExp): void {
  assert.throws(
    () => decodeSettings(payload),
    (error) =>
      error instanceof Http3Error && error.scope === "connection" && error.code === code &&
      message.test(error.message),
  );
}

Deno.test("encodeSettings() writes what browsers accept, in the order given", () => {
  const payload = encodeSettings([
    [SettingId.QPACK_MAX_TABLE_CAPACITY, 0],
    [SettingId.ENABLE_CONNECT_PROTOCOL, 1],
    [SettingId.ENABLE_WEBTRANSPORT, 1],
    [SettingId.WEBTRANSPORT_MAX_SESSIONS_DRAFT07, 1],
  ]);
  assert.deepEqual(payload, hex("0100 0801 ab60374201 c0000000c671706a01"));
});

Deno.test("decodeSettings() returns what encodeSettings() wrote", () => {
  const ids = Object.values(SettingId);
  fc.assert(
    fc.property(fc.uniqueArray(fc.constantFrom(...ids)), fc.nat(1), (some, value) => {
      const settings = some.map((id): [number, number] => [id, value]);
      assert.deepEqual([...decodeSettings(encodeSettings(settings))], settings);
    }),
    { seed: 5 },
  );
});

Deno.test("decodeSettings() leaves unknown and GREASE settings out", () => {
  const payload = encodeSettings([[0x21, 7], [SettingId.H3_DATAGRAM, 1], [0x1f * 9 + 0x21, 1]]);
  assert.deepEqual([...decodeSettings(payload)], [[SettingId.H3_DATAGRAM, 1]]);
});

Deno.test("decodeSettings() rejects a repeated setting, known or not, in any encoding", () => {
  rejects(hex("0100 0100"), ErrorCode.SETTINGS_ERROR, /repeated.*: 0x1 = 0$/);
  rejects(hex("2100 2101"), ErrorCode.SETTINGS_ERROR, /repeated/);
  rejects(hex("0801 400801"), ErrorCode.SETTINGS_ERROR, /repeated/);
});

Deno.test("decodeSettings() rejects the settings of HTTP/2", () => {
  for (const id of [2, 3, 4, 5]) {
    rejects(Uint8Array.of(id, 0), ErrorCode.SETTINGS_ERROR, /belongs to HTTP\/2/);
  }
});

Deno.test("decodeSettings() rejects a value other than 0 or 1 where it must be one", () => {
  for (
    const id of [
      SettingId.ENABLE_CONNECT_PROTOCOL,
      SettingId.H3_DATAGRAM,
      SettingId.H3_DATAGRAM_DRAFT04,
      SettingId.ENABLE_WEBTRANSPORT,
    ]
  ) {
    assert.equal(decodeSettings(encodeSettings([[id, 1]])).get(id), 1);
    rejects(encodeSettings([[id, 2]]), ErrorCode.SETTINGS_ERROR, /must be 0 or 1/);
  }
});

Deno.test("decodeSettings() rejects a payload that ends within a setting", () => {
  const whole = encodeSettings([[SettingId.H3_DATAGRAM, 1]]);
  rejects(concat(whole, hex("08")), ErrorCode.FRAME_ERROR, /ends within a setting/);
  rejects(concat(whole, hex("ab60")), ErrorCode.FRAME_ERROR, /ends within a setting/);
  rejects(concat(whole, hex("06 40")), ErrorCode.FRAME_ERROR, /ends within a setting/);
});
