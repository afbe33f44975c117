import { encodeServerMessage as encodeBinary } from "./binary.ts";
import { encodeServerMessage as encodeJson } from "./json.ts";
import type { ServerMessage } from "./message.ts";

/**
 * The dialects. `binary` bytes are one length-prefixed frame; `json` bytes are one UTF-8 JSON
 * object without line breaks.
 */
export type Encoding = "binary" | "json";

/**
 * A server message on its way to any number of peers, encoded at most once per encoding. Queues
 * hold references to it; its bytes are shared and never changed.
 */
export class EncodedMessage {
  readonly message: ServerMessage;
  #binary: Uint8Array | undefined;
  #json: Uint8Array | undefined;

  constructor(message: ServerMessage) {
    this.message = message;
  }

  bytes(encoding: Encoding): Uint8Array {
    return encoding === "binary"
      ? this.#binary ??= encodeBinary(this.message)
      : this.#json ??= encodeJson(this.message);
  }
}
