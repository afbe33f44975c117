import assert from "node:assert/strict";
import { ByteCollector, ByteReader } from "../../src/http3/byte_reader.ts";
import { hex } from "../bytes.ts";

Deno.test("ByteReader keeps a copy of a torn varint, so that the chunk's buffer may be reused", () => {
  const reader = new ByteReader();
  const buffer = hex("9d7f");
  reader.push(buffer);
  assert.equal(reader.varint(), undefined);
  buffer.fill(0);
  reader.push(hex("3e7d 25"));
  assert.equal(reader.varint(), 494_878_333);
  assert.equal(reader.varint(), 37);
  assert.equal(reader.position, 5);
  assert.equal(reader.length, 0);
});

Deno.test("ByteReader.take() returns views, not copies", () => {
  const reader = new ByteReader();
  const chunk = hex("010203");
  reader.push(chunk);
  const view = reader.take(2);
  assert.equal(view.buffer, chunk.buffer);
  assert.deepEqual(view, hex("0102"));
  assert.deepEqual(reader.take(9), hex("03"));
  assert.deepEqual(reader.take(9), hex(""));
});

Deno.test("ByteReader joins what is unread with the next chunk", () => {
  const reader = new ByteReader();
  reader.push(hex("010203"));
  reader.take(1);
  reader.push(hex("04"));
  assert.deepEqual(reader.take(9), hex("020304"));
});

Deno.test("ByteCollector gathers a value over chunks and leaves what follows it", () => {
  const reader = new ByteReader();
  const collector = new ByteCollector(4);
  assert.equal(collector.collect(reader), undefined);
  reader.push(hex("01"));
  assert.equal(collector.collect(reader), undefined);
  reader.push(hex("0203"));
  assert.equal(collector.collect(reader), undefined);
  reader.push(hex("0405"));
  assert.deepEqual(collector.collect(reader), hex("01020304"));
  assert.equal(reader.length, 1);
});

Deno.test("ByteCollector takes an empty value at once", () => {
  assert.deepEqual(new ByteCollector(0).collect(new ByteReader()), hex(""));
});
