import { decodeBase64 } from "./base64.ts";
import type { Payload, Position } from "./message.ts";
import { ProtocolError } from "./protocol_error.ts";

/**
 * Takes one JSON object apart, field by field. Every method throws a {@linkcode ProtocolError} if
 * the field is missing or of another type.
 */
export class JsonFields {
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

  has(name: string): boolean {
    return Object.hasOwn(this.#object, name);
  }

  string(name: string): string {
    const value = this.#take(name);
    if (typeof value !== "string") throw this.#unexpected(name, "a string", value);
    return value;
  }

  bool(name: string): boolean {
    const value = this.#take(name);
    if (typeof value !== "boolean") throw this.#unexpected(name, "true or false", value);
    return value;
  }

  integer(name: string): number {
    const value = this.#take(name);
    if (!Number.isSafeInteger(value) || (value as number) < 0) {
      throw this.#unexpected(name, "an integer from 0 to 2^53 - 1", value);
    }
    return value as number;
  }

  /** An integer above 0. */
  positive(name: string): number {
    const value = this.integer(name);
    if (value === 0) throw this.#unexpected(name, "an integer above 0", value);
    return value;
  }

  object(name: string): JsonFields {
    return new JsonFields(`${this.#what}.${name}`, this.#take(name));
  }

  array(name: string): JsonFields[] {
    const value = this.#take(name);
    if (!Array.isArray(value)) throw this.#unexpected(name, "an array", value);
    return value.map((item) => new JsonFields(`${this.#what}.${name}[]`, item));
  }

  position(name: string): Position {
    const fields = this.object(name);
    return { epoch: fields.string("epoch"), offset: fields.integer("offset") };
  }

  /** A payload under `name` as JSON, or under `name` + "64" as base64. */
  payload(name: string): Payload {
    if (this.has(`${name}64`)) {
      const text = this.string(`${name}64`);
      const bytes = decodeBase64(text);
      if (bytes === undefined) throw this.#unexpected(`${name}64`, "base64", text);
      return { format: "binary", bytes };
    }
    const value = this.#take(name);
    if (value === undefined) {
      throw new ProtocolError(`${this.#what} needs "${name}" or "${name}64": neither is there`);
    }
    return { format: "json", bytes: encoder.encode(stringify(value)) };
  }

  /** The payload of a publication: a removal has none. */
  data(removed: boolean): Payload {
    if (removed && !this.has("data") && !this.has("data64")) {
      return { format: "json", bytes: new Uint8Array(0) };
    }
    const data = this.payload("data");
    if (removed && data.bytes.length > 0) {
      throw new ProtocolError(`A removal has no data: ${data.bytes.length} bytes`);
    }
    return data;
  }

  /** Throws if the object has a field that nobody took. */
  end(): void {
    const names = Object.keys(this.#object);
    if (names.length === this.#taken.length) return;
    const unknown = names.filter((name) => !this.#taken.includes(name));
    throw new ProtocolError(`${this.#what} has no such field: ${excerpt(unknown[0])}`);
  }

  #take(name: string): unknown {
    if (!this.has(name)) return undefined;
    this.#taken.push(name);
    return this.#object[name];
  }

  #unexpected(name: string, expected: string, value: unknown): ProtocolError {
    return new ProtocolError(
      `"${name}" of ${this.#what} must be ${expected}: ${excerpt(value)}`,
    );
  }
}

/**
 * Parses one message of the dialect: an object with a `type`.
 *
 * @throws {ProtocolError} If `text` is none.
 */
export function parseMessage(text: string): { type: string; fields: JsonFields } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ProtocolError(`A JSON object was expected: ${text.slice(0, EXCERPT)}`);
  }
  const type = new JsonFields("a message", value).string("type");
  const fields = new JsonFields(type, value);
  fields.string("type");
  return { type, fields };
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

function stringify(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch {
    // JSON.parse() takes any depth, JSON.stringify() only what the stack takes.
    throw new ProtocolError("JSON of a depth that can be written was expected: deeper");
  }
}
