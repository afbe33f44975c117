import { encodeVarint, varintLength } from "../varint.ts";
import type { Payload, Position } from "./message.ts";

/**
 * Builds one frame at a time in a buffer that all frames share, so that a frame costs one
 * allocation of exactly its size. Begin, write the fields, finish.
 */
export class BinaryWriter {
  #bytes = new Uint8Array(KEPT_BYTES);
  #at = 0;

  /** Starts a frame whose message has this type byte; forgets an unfinished one. */
  begin(type: number): void {
    this.#at = MAX_PREFIX;
    this.byte(type);
  }

  /** The finished frame, its length in front. */
  finish(): Uint8Array {
    const length = this.#at - MAX_PREFIX;
    const start = MAX_PREFIX - varintLength(length);
    encodeVarint(length, this.#bytes, start);
    const frame = this.#bytes.slice(start, this.#at);
    if (this.#bytes.length > MAX_KEPT_BYTES) this.#bytes = new Uint8Array(KEPT_BYTES);
    return frame;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = value;
  }

  bool(value: boolean): void {
    this.byte(value ? 1 : 0);
  }

  /** @throws {RangeError} If `value` is not an integer from 0 to 2^53 - 1. */
  varint(value: number): void {
    this.#reserve(MAX_PREFIX);
    this.#at = encodeVarint(value, this.#bytes, this.#at);
  }

  string(value: string): void {
    const { length } = value;
    if (length < SHORT) {
      // Names are short and ASCII nearly always: copying them here is cheaper than TextEncoder.
      this.#reserve(1 + SHORT);
      const bytes = this.#bytes;
      const start = this.#at + 1;
      let index = 0;
      for (; index < length; index++) {
        const code = value.charCodeAt(index);
        if (code >= 0x80) break;
        bytes[start + index] = code;
      }
      if (index === length) {
        bytes[this.#at] = length;
        this.#at = start + length;
        return;
      }
    }
    this.lengthAndBytes(encoder.encode(value));
  }

  optionalString(value: string | undefined): void {
    this.bool(value !== undefined);
    if (value !== undefined) this.string(value);
  }

  position(position: Position): void {
    this.string(position.epoch);
    this.varint(position.offset);
  }

  payload(payload: Payload | undefined): void {
    if (payload === undefined) return this.byte(0);
    this.byte(payload.format === "json" ? 1 : 2);
    this.lengthAndBytes(payload.bytes);
  }

  trailingPayload(payload: Payload): void {
    this.byte(payload.format === "json" ? 1 : 2);
    this.bytes(payload.bytes);
  }

  lengthAndBytes(bytes: Uint8Array): void {
    this.varint(bytes.length);
    this.bytes(bytes);
  }

  /** Bytes whose end the end of the message tells. */
  bytes(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  #reserve(count: number): void {
    const needed = this.#at + count;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    grown.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = grown;
  }
}

/** The longest varint: room for the length, which is known last. */
const MAX_PREFIX = 8;
/** A length below this is a varint of one byte. */
const SHORT = 64;
/** Most frames fit in without growing. */
const KEPT_BYTES = 4_096;
/** Pages of history can take megabytes; no buffer of that size is kept between them. */
const MAX_KEPT_BYTES = 262_144;

const encoder = new TextEncoder();
