import type { WrittenDelivery } from "./delivery.ts";
import { readAtMost } from "./read_at_most.ts";
import { DELIVERY_HEADER, SIGNATURE_HEADER, type WebhookKeys } from "./signature.ts";

/** What one request has come to. */
export type Attempted =
  /** The backend has spoken: 200 with a body, or 204 without. */
  | { readonly kind: "answer"; readonly body: Uint8Array<ArrayBuffer> }
  /** It has, but not as expected. */
  | { readonly kind: "invalid"; readonly why: string }
  /**
   * There is no answer, or one that says so. `handled`: whether the backend has begun with what it
   * was asked.
   */
  | {
    readonly kind: "unreachable" | "failed";
    readonly why: string;
    readonly handled: "no" | "perhaps" | "yes";
  }
  /** The signal was aborted. */
  | { readonly kind: "aborted"; readonly why: string };

/** Where and how requests are sent. */
export interface Target {
  readonly url: string;
  readonly keys: WebhookKeys;
  readonly client: Deno.HttpClient;
  readonly maxAnswerBytes: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Sends a delivery once. A notice is answered by any status of success. Never throws: whatever goes wrong is an outcome. */
export async function attempt(
  target: Target,
  { event, id, body }: WrittenDelivery,
  signal: AbortSignal,
): Promise<Attempted> {
  const { url, keys, client, now } = target;
  let begun = false;
  try {
    // Each time anew: what is sent late would else be too old.
    const signature = await keys.sign(body, Math.floor(now() / 1000));
    const response = await fetch(url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        [SIGNATURE_HEADER]: signature,
        [DELIVERY_HEADER]: id,
        "user-agent": "Slipstream",
      },
      body,
      redirect: "manual",
      signal,
      client,
    });
    begun = true;
    return await judge(response, event === "disconnect" ? 0 : target.maxAnswerBytes);
  } catch (error) {
    if (signal.aborted) return { kind: "aborted", why: messageOf(signal.reason) };
    const { cause } = error as { cause?: unknown };
    const why = messageOf(cause ?? error);
    // hyper's word for whatever fails before a request could be sent.
    const handled = begun ? "yes" : why.includes("client error (Connect)") ? "no" : "perhaps";
    return { kind: "unreachable", why: withoutUrl(why), handled };
  }
}

/** @param maxAnswerBytes 0 where nothing is to be read. */
async function judge(response: Response, maxAnswerBytes: number): Promise<Attempted> {
  const { status } = response;
  if (status === 200 && maxAnswerBytes > 0) {
    const body = await readAtMost(response.body, maxAnswerBytes);
    if (body === undefined) {
      return { kind: "invalid", why: `an answer of more than ${maxAnswerBytes} bytes` };
    }
    if (body.length === 0) return { kind: "invalid", why: "an empty answer with status 200" };
    return { kind: "answer", body };
  }
  await response.body?.cancel();
  if (status === 204 || response.ok && maxAnswerBytes === 0) {
    return { kind: "answer", body: new Uint8Array(0) };
  }
  const why = `status ${status}`;
  if (status < 500 && status !== 429) return { kind: "invalid", why };
  return { kind: "failed", why, handled: HANDLED[status] ?? "yes" };
}

/** Too Many Requests and Service Unavailable come from who has not begun; gateways cannot know. */
const HANDLED: Readonly<Record<number, "no" | "perhaps">> = {
  429: "no",
  502: "perhaps",
  503: "no",
  504: "perhaps",
};

/** The URL of a webhook may hold what nobody is to read in a log. */
function withoutUrl(why: string): string {
  return why.replace(/ (for|to) (url \()?\w+:\/\/\S+/g, "");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
