import { CommandError, ErrorCode } from "./error_code.ts";

/** A channel's name, checked, and the namespace that sets its options. */
export interface ChannelName {
  readonly name: string;
  /** What precedes the first `:`; the whole name where there is none. */
  readonly namespace: string;
}

/** The longest channel name, in bytes of UTF-8: it travels in every message of the channel. */
export const MAX_CHANNEL_BYTES = 255;

/**
 * Checks a channel name: `namespace:rest`, or a namespace alone that is one channel. It is 1 to
 * 255 bytes of printable characters, so without white space, control characters and invisible
 * ones, and does not begin with `:`. Names are compared byte by byte: `é` in one code point and in
 * two are two names.
 *
 * @throws {CommandError} With `BAD_REQUEST` if `name` is none.
 */
export function parseChannelName(name: string): ChannelName {
  if (name === "") throw bad("A channel name must not be empty");
  if (!(name.length <= MAX_CHANNEL_BYTES && PLAIN.test(name))) checkUnicode(name);
  const colon = name.indexOf(":");
  if (colon === 0) {
    throw bad(`A channel name must begin with its namespace, as in "chat:lobby": "${name}"`);
  }
  return { name, namespace: colon < 0 ? name : name.slice(0, colon) };
}

/** What nearly all names are, checked without looking at Unicode's tables. */
const PLAIN = /^[!-~]+$/;

/** White space, control and format characters, lone surrogates. */
const UNPRINTABLE = /[\s\p{Z}\p{Cc}\p{Cf}\p{Cs}]/u;

function checkUnicode(name: string): void {
  const length = name.length > MAX_CHANNEL_BYTES ? name.length : encoder.encode(name).length;
  if (length > MAX_CHANNEL_BYTES) {
    throw bad(`A channel name has at most ${MAX_CHANNEL_BYTES} bytes: ${length} or more`);
  }
  const found = UNPRINTABLE.exec(name);
  if (found !== null) {
    const point = found[0].codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0");
    throw bad(
      "A channel name has no white space, control or invisible characters: " +
        `U+${point} at character ${found.index}`,
    );
  }
}

const encoder = new TextEncoder();

function bad(message: string): CommandError {
  return new CommandError(ErrorCode.BAD_REQUEST, message);
}
