import { CommandError } from "../protocol/error_code.ts";

/** What went wrong with a request (RFC 9457 §3); `type` is `about:blank`: the status says it. */
export interface Problem {
  readonly type: "about:blank";
  readonly title: string;
  readonly status: number;
  /** What was expected and what came, for a person. */
  readonly detail: string;
}

/** The statuses that the API answers with, by their names (RFC 9110 §15). */
const TITLES: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  429: "Too Many Requests",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

export function problem(status: number, detail: string): Problem {
  return { type: "about:blank", title: TITLES[status] ?? "Error", status, detail };
}

/** The problem that an error is; `undefined` if it is the server's own. */
export function problemOf(error: unknown): Problem | undefined {
  return error instanceof CommandError ? problem(error.code, error.message) : undefined;
}

/** An answer that is a problem. */
export function problemResponse(what: Problem, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(what), {
    status: what.status,
    headers: {
      ...headers,
      "content-type": "application/problem+json",
      "cache-control": "no-store",
    },
  });
}
