import assert from "node:assert/strict";
import fc from "fast-check";
import { type ServerSentEvent, SseParser } from "../../src/client/transports/sse_parser.ts";

function parse(text: string, cuts: number[] = [], limit = 1000): ServerSentEvent[] {
  const bytes = new TextEncoder().encode(text);
  const parser = new SseParser(limit);
  const events: ServerSentEvent[] = [];
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  let start = 0;
  for (const end of ends) {
    parser.push(bytes.subarray(start, end));
    start = end;
    for (let event = parser.next(); event !== undefined; event = parser.next()) events.push(event);
  }
  return events;
}

const STREAM =
  'event: open\ndata: {"transport":"ü"}\n\n: comment\n\nid: 7\ndata: a\r\ndata:b\r\n\r\n' +
  "retry: 5\n\nevent: close\ndata\n\ndata: cut";

const EVENTS = [
  { type: "open", data: '{"transport":"ü"}' },
  { type: "message", data: "a\nb" },
];

Deno.test("SseParser yields events with their type and lines, and nothing unfinished", () => {
  assert.deepEqual(parse(STREAM), [...EVENTS, { type: "close", data: "" }]);
});

Deno.test("SseParser yields the same however the bytes are cut", () => {
  const whole = parse(STREAM);
  fc.assert(
    fc.property(fc.array(fc.nat(200), { maxLength: 20 }), (cuts) => {
      assert.deepEqual(parse(STREAM, cuts), whole);
    }),
    { seed: 7 },
  );
});

Deno.test("SseParser refuses an event over the limit, in one line or in many, ended or not", () => {
  const tooLarge = { name: "ProtocolError", closeCode: 3502 };
  assert.throws(() => parse(`data: ${"x".repeat(200)}`, [], 100), tooLarge);
  assert.throws(() => parse("data: xxxxxxxx\n".repeat(20), [], 100), tooLarge);
  assert.throws(() => parse("data: xxxxxxxx\n: keep\n".repeat(20), [], 100), tooLarge);
  assert.throws(() => parse(`id: ${"x".repeat(60)}\n`.repeat(3), [], 100), tooLarge);
});

Deno.test("SseParser takes any number of events and comments below the limit", () => {
  assert.equal(parse("data: 12345678\n\n: keep alive\n\n".repeat(100), [], 100).length, 100);
  assert.equal(parse(": keep alive\n".repeat(100), [], 100).length, 0);
});
