import { decodeVarint, MAX_VARINT } from "../varint.ts";
import type { Payload, Position } from "./message.ts";
import { ProtocolError } from "./protocol_error.ts";

/**
 * Takes one message apart, field by field. Every method throws a {@linkcode ProtocolError} if the
 * message ends within the field or the field has a value it cannot have.
 */
export class BinaryReader {
  /** The message's type byte. */
  readonly type: number;
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(message: Uint8Array) {
    this.#bytes = message;
    this.type = this.byte();
  }

  /** Whether bytes are left. */
  get more(): boolean {
    return this.#at < this.#bytes.length;
  }

  byte(): number {
    const value = this.#bytes[this.#at];
    if (value === undefined) throw this.#ended();
    this.#at++;
    return value;
  }

  /** A byte in which only the bits of `mask` may be set. */
  flags(mask: number): number {
    const value = this.byte();
    if ((value & ~mask) !== 0) throw this.#unexpected(`flags within ${hex(mask)}`, value);
    return value;
  }

  bool(): boolean {
    return this.flags(1) === 1;
  }

  varint(): number {
    const decoded = decodeVarint(this.#bytes, this.#at);
    if (decoded === undefined) throw this.#ended();
    if (decoded.value > MAX_VARINT) {
      throw this.#unexpected("a number up to 2^53 - 1", decoded.value);
    }
    this.#at = decoded.next;
    return decoded.value;
  }

  /** A number above 0. */
  positive(): number {
    const value = this.varint();
    if (value === 0) throw this.#unexpected("an id above 0", value);
    return value;
  }

  string(): string {
    const bytes = this.#take(this.varint());
    if (bytes.length <= SHORT && isAscii(bytes)) {
      return String.fromCharCode.apply(null, bytes as unknown as number[]);
    }
    try {
      return decoder.decode(bytes);
    } catch {
      throw this.#unexpected("UTF-8", "other bytes");
    }
  }

  /** A string that a byte in front says is there. */
  optionalString(): string | undefined {
    return this.bool() ? this.string() : undefined;
  }

  position(): Position {
    return { epoch: this.string(), offset: this.varint() };
  }

  payload(): Payload | undefined {
    const format = this.byte();
    if (format === 0) return undefined;
    return { format: this.#format(format), bytes: this.bytes() };
  }

  trailingPayload(): Payload {
    const format = this.#format(this.byte());
    return { format, bytes: this.rest() };
  }

  /** A copy of a varint length's bytes: payloads are kept, and must not keep the chunk alive. */
  bytes(): Uint8Array {
    return this.#take(this.varint()).slice();
  }

  /** A copy of all bytes that are left. */
  rest(): Uint8Array {
    const bytes = this.#bytes.slice(this.#at);
    this.#at = this.#bytes.length;
    return bytes;
  }

  /** Throws if bytes are left. */
  end(): void {
    const left = this.#bytes.length - this.#at;
    if (left > 0) throw this.#unexpected("its end", `${left} more bytes`);
  }

  #format(format: number): Payload["format"] {
    if (format === 1) return "json";
    if (format === 2) return "binary";
    throw this.#unexpected("payload format 1 or 2", format);
  }

  #take(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw this.#ended();
    const bytes = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }

  #ended(): ProtocolError {
    return this.#unexpected("more", `${this.#bytes.length} bytes in all`);
  }

  #unexpected(expected: string, found: unknown): ProtocolError {
    const type = hex(this.#bytes[0] ?? 0);
    return new ProtocolError(
      `A message of type ${type} needs ${expected} at byte ${this.#at}: ${found}`,
    );
  }
}

/** The error for a type byte that no message has. */
export function unknownType(type: number): ProtocolError {
  return new ProtocolError(`A known message type was expected: ${hex(type)}`);
}

/** Up to here a string is cheaper to read here than by TextDecoder. */
const SHORT = 64;

// A byte order mark is a character like any other inside a message.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function isAscii(bytes: Uint8Array): boolean {
  for (let index = 0; index < bytes.length; index++) if (bytes[index]! >= 0x80) return false;
  return true;
}

function hex(byte: number): string {
  return `0x${byte.toString(16).padStart(2, "0")}`;
}
