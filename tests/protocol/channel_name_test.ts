import assert from "node:assert/strict";
import { parseChannelName } from "../../src/protocol/channel_name.ts";
import { CommandError, ErrorCode } from "../../src/protocol/error_code.ts";

const GOOD: [name: string, namespace: string][] = [
  ["chat:lobby", "chat"],
  ["chat", "chat"],
  ["chat:a:b", "chat"],
  ["chat:", "chat"],
  ["game:größe/1", "game"],
  ["чат:лобби", "чат"],
  ["emoji:🚀", "emoji"],
  ["x".repeat(255), "x".repeat(255)],
  [`a:${"é".repeat(126)}`, "a"],
];

for (const [name, namespace] of GOOD) {
  Deno.test(`"${name.slice(0, 20)}" is a channel of "${namespace.slice(0, 20)}"`, () => {
    assert.deepEqual(parseChannelName(name), { name, namespace });
  });
}

const BAD: [name: string, error: RegExp][] = [
  ["", /must not be empty/],
  [":lobby", /must begin with its namespace, as in "chat:lobby": ":lobby"/],
  ["chat:a b", /U\+0020 at character 6/],
  ["chat:a\n", /U\+000A/],
  ["chat:\u0000", /U\+0000/],
  ["chat:\u00a0", /U\+00A0/],
  ["chat:\u200b", /U\+200B/],
  ["chat:\u202e", /U\+202E/],
  ["chat:\ud800", /U\+D800/],
  ["x".repeat(256), /at most 255 bytes: 256/],
  [`a:${"é".repeat(127)}`, /at most 255 bytes: 256/],
];

for (const [name, error] of BAD) {
  Deno.test(`${JSON.stringify(name.slice(0, 20))} (${name.length}) is no channel name`, () => {
    assert.throws(() => parseChannelName(name), (thrown) => {
      assert(thrown instanceof CommandError);
      assert.equal(thrown.code, ErrorCode.BAD_REQUEST);
      assert.match(thrown.message, error);
      return true;
    });
  });
}
