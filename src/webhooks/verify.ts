import type { WebhookDelivery } from "./delivery.ts";
import { readAtMost } from "./read_at_most.ts";
import { readSignature, SIGNATURE_HEADER, WebhookKeys } from "./signature.ts";

export type { WebhookClient, WebhookData, WebhookDelivery, WebhookSession } from "./delivery.ts";

/** How {@linkcode verifyWebhook} judges. */
export interface VerifyOptions {
  /**
   * How far the time of the signature may be from now, in milliseconds: whoever got hold of a
   * request may send it again for that long.
   * @default 300000
   */
  readonly toleranceMs?: number;
  /**
   * A larger body is not read to its end, in bytes.
   * @default 1048576
   */
  readonly maxBodyBytes?: number;
  /**
   * Milliseconds since 1970; a test injects its own.
   * @default Date.now
   */
  readonly now?: () => number;
}

/**
 * What Slipstream asks or tells, or `undefined` for a request that it did not sign with one of
 * `secrets`, or not lately. Reads the body. A delivery that was seen before has the same `id`.
 *
 * @throws {TypeError} If a secret has fewer than 32 characters, or the body was read already; whatever its stream fails with.
 */
export async function verifyWebhook(
  request: Request,
  secrets: readonly string[],
  { toleranceMs = 300_000, maxBodyBytes = 1_048_576, now = Date.now }: VerifyOptions = {},
): Promise<WebhookDelivery | undefined> {
  const signature = readSignature(request.headers.get(SIGNATURE_HEADER) ?? "");
  if (signature === undefined) return undefined;
  if (Math.abs(now() - Number(signature.t) * 1000) > toleranceMs) return undefined;
  const body = await readAtMost(request.body, maxBodyBytes);
  if (body === undefined) return undefined;
  if (!await new WebhookKeys(secrets).verify(body, signature)) return undefined;
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    // Signed by something else that has the secret.
    return undefined;
  }
}
