import assert from "node:assert/strict";
import {
  encodeBidirectionalHeader,
  encodeUnidirectionalHeader,
} from "../../src/webtransport/stream_header.ts";
import { hex } from "../bytes.ts";

Deno.test("a stream of a session begins with its type and the Session ID", () => {
  assert.deepEqual(encodeBidirectionalHeader(0), hex("4041 00"));
  assert.deepEqual(encodeBidirectionalHeader(64), hex("4041 4040"));
  assert.deepEqual(encodeUnidirectionalHeader(4), hex("4054 04"));
});
