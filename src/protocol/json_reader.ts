import { decodeBase64 } from "./base64.ts";
import type { ClientKind } from "./client_shapes.ts";
import type { Payload, Position, Resume } from "./message.ts";
import { ProtocolError } from "./protocol_error.ts";
import type { FieldReader, Incomplete } from "./shape.ts";

/** What a client's message is made of in this dialect. */
export type JsonKind = ClientKind | "string?" | "removed" | "data";

/**
 * Takes one JSON object of a client's apart, field by field. Every method throws a
 * {@linkcode ProtocolError} if the field is missing, unless it is optional, or of another type.
 */
export class JsonReader implements FieldReader<JsonKind> {
  /** What the object is, as errors call it. */
  readonly #what: string;
  readonly #object: Readonly<Record<string, unknown>>;
  readonly #taken: string[] = [];

  constructor(what: string, value: unknown) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new ProtocolError(`A JSON object was expected as ${what}: ${excerpt(value)}`);
    }
    this.#what = what;
    this.#object = value as Record<string, unknown>;
  }

  string(name: string): string {
    const value = this.#take(name);
    return typeof value === "string" ? value : this.#fail(name, "a string", value);
  }

  "string?"(name: string): string | undefined {
    return this.#has(name) ? this.string(name) : undefined;
  }

  optionalString(name: string): string | undefined {
    return this["string?"](name);
  }

  varint(name: string): number {
    const value = this.#take(name);
    return Number.isSafeInteger(value) && value as number >= 0
      ? value as number
      : this.#fail(name, "an integer from 0 to 2^53 - 1", value);
  }

  /** An integer above 0. */
  positive(name: string): number {
    const value = this.varint(name);
    return value > 0 ? value : this.#fail(name, "an integer above 0", value);
  }

  object(name: string): JsonReader {
    return new JsonReader(`${this.#what}.${name}`, this.#take(name));
  }

  array(name: string): JsonReader[] {
    const value = this.#take(name);
    if (!Array.isArray(value)) return this.#fail(name, "an array", value);
    return value.map((item) => new JsonReader(`${this.#what}.${name}[]`, item));
  }

  strings(name: string): string[] {
    const is = (value: unknown) => typeof value === "string";
    return this.#list(name, "an array of strings", is) as string[];
  }

  optionalStrings(name: string): string[] | undefined {
    return this.#has(name) ? this.strings(name) : undefined;
  }

  varints(name: string): number[] {
    const is = (value: unknown) => Number.isSafeInteger(value) && value as number >= 0;
    return this.#list(name, "an array of integers from 0 to 2^53 - 1", is) as number[];
  }

  position(name: string): Position {
    const position = this.object(name);
    return { epoch: position.string("epoch"), offset: position.varint("offset") };
  }

  "position?"(name: string): Position | undefined {
    return this.#has(name) ? this.position(name) : undefined;
  }

  resume(name: string): Resume | undefined {
    if (!this.#has(name)) return undefined;
    const resume = this.object(name);
    return {
      session: resume.string("session"),
      ticket: resume.string("ticket"),
      positions: resume.array("positions").map((position) => ({
        channel: position.string("channel"),
        epoch: position.string("epoch"),
        offset: position.varint("offset"),
      })),
    };
  }

  /** A payload under `name` as JSON, or under `name` + "64" as base64; `undefined` if neither. */
  payload(name: string): Payload | undefined {
    const text = this["string?"](`${name}64`);
    if (text !== undefined) {
      try {
        return { format: "binary", bytes: decodeBase64(text) };
      } catch {
        return this.#fail(`${name}64`, "base64", text);
      }
    }
    const value = this.#take(name);
    return value === undefined ? undefined : { format: "json", bytes: jsonBytes(value) };
  }

  /** A payload that must be there. */
  trailingPayload(name: string): Payload {
    return this.payload(name) ??
      this.#fail(name, `there, or "${name}64" in its place`, undefined);
  }

  removed(name: string): true | undefined {
    if (!this.#has(name)) return undefined;
    const value = this.#take(name);
    return typeof value === "boolean"
      ? value || undefined
      : this.#fail(name, "true or false", value);
  }

  /** The payload of a publication: a removal has none. */
  data(name: string, { removed }: Incomplete): Payload {
    if (removed === undefined) return this.trailingPayload(name);
    const data = this.payload(name) ?? { format: "json", bytes: new Uint8Array(0) };
    if (data.bytes.length > 0) {
      throw new ProtocolError(`A removal has no data: ${data.bytes.length} bytes`);
    }
    return data;
  }

  /** Throws if the object has a field that nobody took. */
  end(): void {
    const unknown = Object.keys(this.#object).find((name) => !this.#taken.includes(name));
    if (unknown !== undefined) {
      throw new ProtocolError(`${this.#what} has no such field: ${excerpt(unknown)}`);
    }
  }

  #list(name: string, expected: string, is: (value: unknown) => boolean): unknown[] {
    const value = this.#take(name);
    return Array.isArray(value) && value.every(is) ? value : this.#fail(name, expected, value);
  }

  #has(name: string): boolean {
    return Object.hasOwn(this.#object, name);
  }

  #take(name: string): unknown {
    if (!this.#has(name)) return undefined;
    this.#taken.push(name);
    return this.#object[name];
  }

  #fail(name: string, expected: string, value: unknown): never {
    throw new ProtocolError(`"${name}" of ${this.#what} must be ${expected}: ${excerpt(value)}`);
  }
}

/**
 * Reads one message, an object with a `type`: which one, and its fields.
 *
 * @throws {ProtocolError} If `text` is none.
 */
export function readMessage(text: string): { type: string; reader: JsonReader } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ProtocolError(`A JSON object was expected: ${text.slice(0, EXCERPT)}`);
  }
  const type = new JsonReader("a message", value).string("type");
  const reader = new JsonReader(type, value);
  reader.string("type");
  return { type, reader };
}

/** The error for a `type` that no message has. */
export function unknownType(type: string): ProtocolError {
  return new ProtocolError(`A known message type was expected: ${excerpt(type)}`);
}

/** How much of a wrong value an error repeats, in characters. */
const EXCERPT = 60;

const encoder = new TextEncoder();

function excerpt(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "[…]" : "{…}";
  return JSON.stringify(value).slice(0, EXCERPT);
}

function jsonBytes(value: unknown): Uint8Array {
  try {
    return encoder.encode(JSON.stringify(value));
  } catch {
    // JSON.parse() takes any depth, JSON.stringify() only what the stack takes.
    throw new ProtocolError("JSON of a depth that can be written was expected: deeper");
  }
}
