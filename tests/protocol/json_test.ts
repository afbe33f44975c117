import assert from "node:assert/strict";
import fc from "fast-check";
import { CloseCode } from "../../src/protocol/close_code.ts";
import {
  decodeClientMessage,
  decodeServerMessage,
  encodeClientMessage,
  encodeServerMessage,
} from "../../src/protocol/json.ts";
import type { Payload, ServerMessage } from "../../src/protocol/message.ts";
import { ProtocolError } from "../../src/protocol/protocol_error.ts";
import { clientMessage, serverMessage } from "./arbitrary_message.ts";

const RUNS = { seed: 21, numRuns: 600 };
const decoder = new TextDecoder();
const payload = (format: Payload["format"], text: string): Payload => ({
  format,
  bytes: new TextEncoder().encode(text),
});

Deno.test("a client's messages come back as they were, each one line", () => {
  fc.assert(
    fc.property(clientMessage, (message) => {
      const text = encodeClientMessage(message);
      assert.doesNotMatch(text, /[\r\n]/);
      assert.deepEqual(decodeClientMessage(text), message);
    }),
    RUNS,
  );
});

Deno.test("a server's messages come back as they were, each one line", () => {
  fc.assert(
    fc.property(serverMessage, (message) => {
      const text = decoder.decode(encodeServerMessage(message));
      assert.doesNotMatch(text, /[\r\n]/);
      assert.deepEqual(decodeServerMessage(text), message);
    }),
    RUNS,
  );
});

const publication = (data: Payload): ServerMessage => ({
  type: "publication",
  channel: "a",
  offset: 1,
  time: 2,
  data,
});

const DATA: [what: string, data: Payload, text: string][] = [
  ["JSON is embedded", payload("json", '{"x":[1]}'), '"data":{"x":[1]}'],
  [
    "digits beyond a double are kept",
    payload("json", "12345678901234567890"),
    '"data":12345678901234567890',
  ],
  [
    "line breaks between tokens become spaces",
    payload("json", '{\n"x":\r\n1}'),
    '"data":{ "x":  1}',
  ],
  ["an escaped line break stays", payload("json", '"a\\nb"'), '"data":"a\\nb"'],
  ["binary is base64", payload("binary", "hi!"), '"data64":"aGkh"'],
  ["what is no JSON is base64", payload("json", "{x"), '"data64":"e3g="'],
  [
    "what would break out of its field is base64",
    payload("json", '1,"x":2'),
    '"data64":"MSwieCI6Mg=="',
  ],
  [
    "what is no UTF-8 is base64",
    { format: "json", bytes: Uint8Array.of(0x22, 0xff, 0x22) },
    '"data64":"Iv8i"',
  ],
  ["empty JSON that removes nothing is base64", payload("json", ""), '"data64":""'],
];

for (const [what, data, text] of DATA) {
  Deno.test(`of a payload, ${what}`, () => {
    assert.equal(
      decoder.decode(encodeServerMessage(publication(data))),
      `{"type":"publication","channel":"a","offset":1,"time":2,${text}}`,
    );
  });
}

Deno.test("a page of history names its channel once", () => {
  const page: ServerMessage = {
    type: "history",
    id: 1,
    channel: "a",
    publications: [{ channel: "a", offset: 1, time: 2, data: payload("json", "3") }],
    position: { epoch: "e", offset: 1 },
    complete: true,
  };
  assert.equal(
    decoder.decode(encodeServerMessage(page)),
    '{"type":"history","id":1,"position":{"epoch":"e","offset":1},"complete":true,"channel":"a",' +
      '"publications":[{"offset":1,"time":2,"data":3}]}',
  );
});

const MALFORMED: [what: string, text: string, error: RegExp][] = [
  ["no JSON", "hello", /A JSON object was expected: hello/],
  ["two objects", '{"type":"leave"}{"type":"leave"}', /A JSON object was expected/],
  ["an array", "[1]", /A JSON object was expected as a message: \[…\]/],
  ["null", "null", /A JSON object was expected as a message: null/],
  ["no type", "{}", /"type" of a message must be a string: nothing/],
  ["an unknown type", '{"type":"shout"}', /A known message type was expected: "shout"/],
  ["a type of the prototype", '{"type":"toString"}', /A known message type was expected/],
  [
    "a missing field",
    '{"type":"subscribe","id":1}',
    /"channel" of subscribe must be a string: nothing/,
  ],
  ["a field of another type", '{"type":"subscribe","id":1,"channel":2}', /must be a string: 2/],
  [
    "a fraction",
    '{"type":"ping","id":1.5}',
    /"id" of ping must be an integer from 0 to 2\^53 - 1: 1.5/,
  ],
  ["a negative number", '{"type":"ping","id":-1}', /must be an integer/],
  ["a number over 2^53 - 1", '{"type":"ping","id":9007199254740992}', /must be an integer/],
  [
    "id 0",
    '{"type":"subscribe","id":0,"channel":"a"}',
    /"id" of subscribe must be an integer above 0: 0/,
  ],
  [
    "a misspelt option",
    '{"type":"subscribe","id":1,"channel":"a","postion":{}}',
    /subscribe has no such field: "postion"/,
  ],
  [
    "a field of a prototype",
    '{"type":"ping","id":1,"__proto__":{"id":2}}',
    /ping has no such field: "__proto__"/,
  ],
  [
    "both kinds of data",
    '{"type":"rpc","id":1,"method":"m","data":1,"data64":""}',
    /rpc has no such field: "data"/,
  ],
  [
    "no data",
    '{"type":"publish","id":1,"channel":"a"}',
    /"data" of publish must be there, or "data64" in its place: nothing/,
  ],
  [
    "bad base64",
    '{"type":"publish","id":1,"channel":"a","data64":"*"}',
    /"data64" of publish must be base64: "\*"/,
  ],
  [
    "a removal with data",
    '{"type":"publish","id":1,"channel":"a","removed":true,"data":1}',
    /A removal has no data: 1 bytes/,
  ],
  [
    "half a position",
    '{"type":"subscribe","id":1,"channel":"a","position":{"epoch":"e"}}',
    /"offset" of subscribe.position must be an integer/,
  ],
  [
    "a position of a list",
    '{"type":"connect","id":1,"resume":{"session":"s","ticket":"t","positions":[1]}}',
    /as connect.resume.positions\[\]: 1/,
  ],
];

for (const [what, text, error] of MALFORMED) {
  Deno.test(`decodeClientMessage() rejects ${what}`, () => {
    assert.throws(() => decodeClientMessage(text), (thrown) => {
      assert(thrown instanceof ProtocolError);
      assert.match(thrown.message, error);
      assert.equal(thrown.closeCode, CloseCode.PROTOCOL_ERROR);
      return true;
    });
  });
}

Deno.test("data nested as deep as a message is long throws nothing but a ProtocolError", () => {
  for (const [open, close] of [["[", "]"], ['{"x":', "}"], ['{"x":[1,', "]}"]] as const) {
    const depth = Math.floor(65_000 / (open.length + close.length));
    const data = `${open.repeat(depth)}1${close.repeat(depth)}`;
    try {
      decodeClientMessage(`{"type":"rpc","id":1,"method":"m","data":${data}}`);
    } catch (error) {
      assert(error instanceof ProtocolError, String(error));
    }
  }
});

Deno.test("decodeServerMessage() tolerates fields of a newer server", () => {
  const message = decodeServerMessage('{"type":"ping","id":1,"more":2}');
  assert(message.type === "ping" && message.id === 1);
});

const NO_SERVER_MESSAGE: [what: string, text: string][] = [
  ["no JSON", "hello"],
  ["null", "null"],
  ["an unknown type", '{"type":"shout"}'],
  ["a type of the prototype", '{"type":"toString"}'],
  ["a missing field", '{"type":"published","id":1}'],
  ["a field that is null", '{"type":"published","id":1,"position":null}'],
  ["no data", '{"type":"result","id":1}'],
  ["bad base64", '{"type":"result","id":1,"data64":"*"}'],
  ["publications that are none", '{"type":"history","id":1,"channel":"a","publications":[1]}'],
];

for (const [what, text] of NO_SERVER_MESSAGE) {
  Deno.test(`decodeServerMessage() rejects ${what}`, () => {
    assert.throws(() => decodeServerMessage(text), (thrown) => {
      assert(thrown instanceof ProtocolError);
      assert.equal(thrown.message, `A message of a server was expected: ${text}`);
      return true;
    });
  });
}

Deno.test("arbitrary JSON throws nothing but a ProtocolError", () => {
  const types = [
    "connect",
    "subscribe",
    "publish",
    "history",
    "rpc",
    "publication",
    "members",
    "x",
  ];
  const names = ["id", "channel", "data", "data64", "resume", "position", "members", "removed"];
  fc.assert(
    fc.property(
      fc.constantFrom(...types),
      fc.dictionary(fc.constantFrom(...names), fc.jsonValue()),
      (type, fields) => {
        const text = JSON.stringify({ type, ...fields });
        for (const decode of [decodeClientMessage, decodeServerMessage]) {
          try {
            decode(text);
          } catch (error) {
            assert(error instanceof ProtocolError, String(error));
          }
        }
      },
    ),
    { seed: 21, numRuns: 500 },
  );
});
