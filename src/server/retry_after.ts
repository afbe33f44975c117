import type { Refused } from "../policy/admission.ts";

/** What a client is answered for whom there is no place: 429 if it is at fault itself, else 503. */
export function retryAfter(
  refused: Refused,
): { status: number; headers: Record<string, string>; text: string } {
  // Whole seconds are all that the header has (RFC 9110 §10.2.3): up, so that nobody is early.
  const seconds = Math.ceil(refused.retryAfterMs / 1000);
  return {
    status: refused.reason === "address" ? 429 : 503,
    headers: { "retry-after": String(seconds) },
    text: `${TEXT[refused.reason]}; come back in ${seconds} s\n`,
  };
}

const TEXT: Readonly<Record<Refused["reason"], string>> = {
  total: "The node takes no more sessions at the moment",
  address: "Too many sessions come from this address",
  rate: "Too many sessions come at once",
};
