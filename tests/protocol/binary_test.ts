import assert from "node:assert/strict";
import fc from "fast-check";
import {
  decodeClientMessage,
  decodeServerMessage,
  encodeClientMessage,
  encodeServerMessage,
} from "../../src/protocol/binary.ts";
import { CloseCode } from "../../src/protocol/close_code.ts";
import { Framer } from "../../src/protocol/framer.ts";
import type { ClientMessage, ServerMessage } from "../../src/protocol/message.ts";
import { ProtocolError } from "../../src/protocol/protocol_error.ts";
import { CLIENT_TYPES, clientMessage, SERVER_TYPES, serverMessage } from "./arbitrary_message.ts";

const RUNS = { seed: 20, numRuns: 600 };

Deno.test("a client's messages come back as they were", () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(clientMessage, (message) => {
      seen.add(message.type);
      assert.deepEqual(decodeClientMessage(unframe(encodeClientMessage(message))), message);
    }),
    RUNS,
  );
  assert.deepEqual([...seen].sort(), [...CLIENT_TYPES].sort());
});

Deno.test("a server's messages come back as they were", () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(serverMessage, (message) => {
      seen.add(message.type);
      assert.deepEqual(decodeServerMessage(unframe(encodeServerMessage(message))), message);
    }),
    RUNS,
  );
  assert.deepEqual([...seen].sort(), [...SERVER_TYPES].sort());
});

const json = (text: string) => ({ format: "json", bytes: new TextEncoder().encode(text) }) as const;
const binary = (...bytes: number[]) =>
  ({ format: "binary", bytes: Uint8Array.from(bytes) }) as const;

const CLIENT_VECTORS: [ClientMessage, string][] = [
  [{ type: "connect", id: 1 }, "05 01 01 00 00 00"],
  [
    {
      type: "connect",
      id: 2,
      info: json("{}"),
      resume: {
        session: "s",
        ticket: "t",
        positions: [{ channel: "c", epoch: "e", offset: 300 }],
      },
    },
    "12 01 02 01027b7d 00 01 0173 0174 0163 0165 412c",
  ],
  [{ type: "connect", id: 1, token: "t" }, "07 01 01 00 01 0174 00"],
  [{ type: "subscribe", id: 3, channel: "a:b" }, "08 02 03 03613a62 00 00"],
  [{ type: "subscribe", id: 3, channel: "a", token: "t" }, "08 02 03 0161 01 0174 00"],
  [
    { type: "subscribe", id: 3, channel: "a", position: { epoch: "e", offset: 1 } },
    "09 02 03 0161 00 00 0165 01",
  ],
  [{ type: "subscribe", id: 3, channel: "a", keys: ["k"] }, "09 02 03 0161 00 01 01 016b"],
  [{ type: "unsubscribe", id: 3, channel: "a" }, "04 03 03 0161"],
  [
    { type: "track", id: 3, channel: "a", add: ["k"], remove: [] },
    "08 15 03 0161 01 016b 00",
  ],
  [{ type: "seen", newest: 70, missing: [64] }, "06 16 4046 01 4040"],
  [{ type: "age", channel: "a", ageMs: 25 }, "04 17 0161 19"],
  [{ type: "publish", id: 0, channel: "a", data: binary(255) }, "07 04 00 0161 00 02 ff"],
  [
    { type: "publish", id: 5, channel: "a", key: "k", removed: true, data: json("") },
    "08 04 05 0161 03 016b 01",
  ],
  [{ type: "presence", id: 5, channel: "a" }, "04 05 05 0161"],
  [{ type: "history", id: 5, channel: "a", limit: 100 }, "06 06 05 0161 4064"],
  [{ type: "rpc", id: 5, method: "m", data: json("1") }, "06 07 05 016d 01 31"],
  [{ type: "refresh", id: 5, token: "t" }, "04 1f 05 0174"],
  [{ type: "ping", id: 5 }, "02 08 05"],
  [{ type: "pong", id: 5 }, "02 09 05"],
  [{ type: "leave" }, "01 0a"],
];

const SERVER_VECTORS: [ServerMessage, string][] = [
  [
    { type: "publication", channel: "a", offset: 1, time: 2 ** 40, data: json("1") },
    "0e 10 0161 00 01 c000010000000000 31",
  ],
  [
    {
      type: "publication",
      channel: "é",
      offset: 64,
      time: 0,
      key: "k",
      publisher: "p",
      data: binary(),
    },
    "0c 10 02c3a9 0d 4040 00 016b 0170",
  ],
  [
    {
      type: "subscribed",
      id: 1,
      channel: "a",
      delivery: "latest",
      position: pos(7),
      recovered: true,
    },
    "09 12 01 0161 01 01 0165 07",
  ],
  [{ type: "gap", channel: "a", position: pos(7) }, "06 19 0161 0165 07"],
  [{ type: "gap", channel: "a", position: pos(7), missed: 2 }, "07 19 0161 0165 07 02"],
  [{ type: "join", channel: "a", member: { session: "s" } }, "07 1a 0161 0173 00 00"],
  [
    { type: "join", channel: "a", member: { session: "s", user: "u" } },
    "09 1a 0161 0173 00 01 0175",
  ],
  [{ type: "close", code: 3001, reason: "x" }, "05 1d 4bb9 0178"],
];

function pos(offset: number) {
  return { epoch: "e", offset };
}

for (const [message, hex] of CLIENT_VECTORS) {
  Deno.test(`a client's ${message.type} is ${hex}`, () => {
    assert.equal(toHex(encodeClientMessage(message)), hex.replaceAll(" ", ""));
    assert.deepEqual(decodeClientMessage(unframe(fromHex(hex))), message);
  });
}

for (const [message, hex] of SERVER_VECTORS) {
  Deno.test(`a server's ${message.type} is ${hex}`, () => {
    assert.equal(toHex(encodeServerMessage(message)), hex.replaceAll(" ", ""));
    assert.deepEqual(decodeServerMessage(unframe(fromHex(hex))), message);
  });
}

const MALFORMED: [what: string, hex: string, error: RegExp][] = [
  ["nothing", "", /needs more at byte 0: 0 bytes in all/],
  ["an unknown type", "7f", /known message type was expected: 0x7f/],
  ["a server's type", "10 0161 00 01 00 31", /known message type was expected: 0x10/],
  ["a missing field", "02 01", /A message of type 0x02 needs more at byte 2: 2 bytes in all/],
  ["half a varint", "08 40", /needs more at byte 1: 2 bytes in all/],
  [
    "a string that is longer than the message",
    "02 01 05 61",
    /needs more at byte 3: 4 bytes in all/,
  ],
  ["a string of 2^62 bytes", "02 01 ffffffffffffffff 61", /up to 2\^53 - 1/],
  ["bad UTF-8", "02 01 01 ff", /needs UTF-8/],
  ["an overlong UTF-8 form", "02 01 02 c080", /needs UTF-8/],
  ["trailing bytes", "08 01 00", /A message of type 0x08 needs its end at byte 2: 1 more bytes/],
  ["id 0", "03 00 0161", /an id above 0 at byte 2: 0/],
  ["an unknown flag", "04 01 0161 04 01", /flags within 0x03 at byte 5: 4/],
  ["an unknown payload format", "07 01 0161 03", /payload format 1 or 2 at byte 5: 3/],
  ["a bool of 2", "01 01 00 02", /flags within 0x01/],
  ["a removal with data", "04 01 0161 03 016b 01 31", /A removal has no data: 1 bytes/],
  ["half a position", "02 01 0161 00 00 0165", /needs more at byte 8: 8 bytes in all/],
];

for (const [what, hex, error] of MALFORMED) {
  Deno.test(`decodeClientMessage() rejects ${what}`, () => {
    assert.throws(() => decodeClientMessage(fromHex(hex)), (thrown) => {
      assert(thrown instanceof ProtocolError);
      assert.match(thrown.message, error);
      assert.equal(thrown.closeCode, CloseCode.PROTOCOL_ERROR);
      return true;
    });
  });
}

Deno.test("every cut of a message is a ProtocolError or, where fields are optional, a message", () => {
  fc.assert(
    fc.property(clientMessage, serverMessage, fc.nat(), (client, server, cut) => {
      const clientBytes = unframe(encodeClientMessage(client));
      const serverBytes = unframe(encodeServerMessage(server));
      orProtocolError(() => decodeClientMessage(clientBytes.subarray(0, cut % clientBytes.length)));
      orProtocolError(() => decodeServerMessage(serverBytes.subarray(0, cut % serverBytes.length)));
    }),
    RUNS,
  );
});

Deno.test("arbitrary bytes throw nothing but a ProtocolError", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 0x1f }),
      fc.uint8Array({ maxLength: 60 }),
      (type, rest) => {
        const bytes = Uint8Array.of(type, ...rest);
        orProtocolError(() => decodeClientMessage(bytes));
        orProtocolError(() => decodeServerMessage(bytes));
      },
    ),
    { seed: 20, numRuns: 5_000 },
  );
});

Deno.test("a decoded payload does not share the chunk's memory", () => {
  const bytes = unframe(
    encodeClientMessage({ type: "publish", id: 0, channel: "a", data: binary(1) }),
  );
  const message = decodeClientMessage(bytes);
  bytes.fill(0);
  assert(message.type === "publish");
  assert.deepEqual(message.data.bytes, Uint8Array.of(1));
  assert.equal(message.data.bytes.buffer.byteLength, 1);
});

Deno.test("a frame of megabytes leaves no buffer of megabytes behind, and small frames stay right", () => {
  const large = encodeServerMessage({
    type: "result",
    id: 1,
    data: { format: "binary", bytes: new Uint8Array(3_000_000) },
  });
  assert.equal(large.length, 3_000_007);
  assert.equal(toHex(encodeServerMessage({ type: "ping", id: 1 })), "020801");
});

function orProtocolError(decode: () => unknown): void {
  try {
    decode();
  } catch (error) {
    assert(error instanceof ProtocolError, String(error));
  }
}

/** The one message in `frame`, which must be exactly one frame. */
function unframe(frame: Uint8Array): Uint8Array {
  const framer = new Framer(1 << 20);
  framer.push(frame);
  const message = framer.next();
  assert(message !== undefined);
  assert.equal(framer.next(), undefined);
  assert.equal(framer.pendingBytes, 0);
  return message;
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function fromHex(hex: string): Uint8Array {
  const digits = hex.replaceAll(" ", "");
  return Uint8Array.from(
    { length: digits.length / 2 },
    (_, index) => Number.parseInt(digits.slice(2 * index, 2 * index + 2), 16),
  );
}
