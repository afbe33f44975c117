/** The header of a webhook's signature: `t=<seconds since 1970>,v1=<hex>`, one `v1` for each secret. */
export const SIGNATURE_HEADER = "slipstream-signature";
/** The header that names a delivery; the same when it is sent again. */
export const DELIVERY_HEADER = "slipstream-delivery";

/** The secrets of webhooks, ready to sign and to check: HMAC-SHA256 over `<t>.<body>`. */
export class WebhookKeys {
  readonly #keys: Promise<readonly CryptoKey[]>;

  /** @throws {TypeError} If one is so short that it could be found by trying, or forgotten. */
  constructor(secrets: readonly string[]) {
    const short = secrets.find(({ length }) => length < MIN_SECRET_LENGTH);
    if (short !== undefined) {
      throw new TypeError(
        `A webhook's secret has ${MIN_SECRET_LENGTH} characters or more: ${short.length}`,
      );
    }
    this.#keys = Promise.all(
      secrets.map((secret) =>
        crypto.subtle.importKey(
          "raw",
          encoder.encode(secret),
          { name: "HMAC", hash: "SHA-256" },
          false,
          ["sign", "verify"],
        )
      ),
    );
    // Whoever signs or checks is told.
    this.#keys.catch(() => {});
  }

  /** What the header says of `body`, sent at `seconds` since 1970. */
  async sign(body: Uint8Array<ArrayBuffer>, seconds: number): Promise<string> {
    const signed = signedBytes(String(seconds), body);
    const signatures = await Promise.all(
      (await this.#keys).map((key) => crypto.subtle.sign("HMAC", key, signed)),
    );
    return `t=${seconds}${
      signatures.map((each) => `,v1=${new Uint8Array(each).toHex()}`).join("")
    }`;
  }

  /** Whether one of the secrets has signed `body`; compared in constant time, by Web Crypto. */
  async verify(body: Uint8Array<ArrayBuffer>, { t, signatures }: ReadSignature): Promise<boolean> {
    const signed = signedBytes(t, body);
    for (const key of await this.#keys) {
      for (const signature of signatures) {
        if (await crypto.subtle.verify("HMAC", key, signature, signed)) return true;
      }
    }
    return false;
  }
}

/** What a header of {@linkcode SIGNATURE_HEADER} says. */
export interface ReadSignature {
  /** Seconds since 1970, as they were written and signed. */
  readonly t: string;
  readonly signatures: readonly Uint8Array<ArrayBuffer>[];
}

/** Reads the header; `undefined` for one that says nothing we know. */
export function readSignature(header: string): ReadSignature | undefined {
  if (header.length > MAX_HEADER_LENGTH) return undefined;
  let t: string | undefined;
  const signatures = [];
  for (const part of header.split(",")) {
    const [, name, value] = /^\s*(\w+)=(\S*)\s*$/.exec(part) ?? [];
    if (name === "t") {
      // Two times would leave open which of them was signed.
      if (t !== undefined || !/^\d{1,12}$/.test(value!)) return undefined;
      t = value;
    } else if (name === "v1" && /^[0-9a-f]{64}$/.test(value!)) {
      signatures.push(Uint8Array.fromHex(value!));
    }
  }
  return t === undefined || signatures.length === 0 ? undefined : { t, signatures };
}

const MIN_SECRET_LENGTH = 32;

/** Room for fourteen signatures: nobody has that many secrets, and each costs a hash of the body. */
const MAX_HEADER_LENGTH = 1024;

function signedBytes(t: string, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const head = encoder.encode(`${t}.`);
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  return bytes;
}

const encoder = new TextEncoder();
