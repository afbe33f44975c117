import type { TimerId } from "../policy/clock.ts";
import { ErrorCode, Http3Error } from "./error.ts";
import type { RequestStream } from "./request_stream.ts";

/** Who sent a request. */
export interface RequestInfo {
  readonly remoteAddr: Deno.NetAddr;
}

/** Answers one request; the same function can serve HTTP/1.1 and HTTP/2. */
export type RequestHandler = (
  request: Request,
  info: RequestInfo,
) => Response | Promise<Response>;

/**
 * Has a request answered by `handler` and ends its stream.
 *
 * - The body is read as fast as the handler takes it, the response sent as fast as the client does.
 * - `request.signal` aborts when the client gives up, and ends the response. A body that breaks the
 *   protocol or is cut off fails where the handler reads it.
 * - An error of the handler is a 500 and goes to `onError`; one in the middle of a response closes
 *   QUIC, since a FIN would make what was sent look whole.
 */
export async function serveRequest(
  stream: RequestStream,
  handler: RequestHandler,
  onError: (error: unknown) => void,
): Promise<void> {
  const abort = new AbortController();
  stream.onAbort = () => abort.abort();
  let request: Request;
  try {
    request = toRequest(stream, abort);
  } catch {
    // A target that is no URL, or a method that a Request cannot have.
    return await stream.refuse(/^(?:CONNECT|TRACE|TRACK)$/i.test(stream.head.method) ? 501 : 400);
  }
  let response: Response;
  try {
    response = await handler(request, { remoteAddr: stream.connection.quic.remoteAddr });
  } catch (error) {
    onError(error);
    response = new Response(null, { status: 500 });
  }
  try {
    await sendResponse(stream, response, abort.signal);
  } catch (error) {
    // A write fails when the client wants no more, or is gone.
    if (error instanceof BodyError) {
      onError(error.cause);
      stream.connection.close(ErrorCode.INTERNAL_ERROR);
    }
  } finally {
    await stream.finish();
  }
}

/** What the handler's body failed with, told apart from what QUIC fails with. */
class BodyError extends Error {}

function toRequest(stream: RequestStream, abort: AbortController): Request {
  const { method, scheme, authority, path, headers } = stream.head;
  const host = authority ?? headers.get("host") ?? "";
  const url = new URL(`${scheme}://${host}${path === "*" ? "" : path}`);
  if (!headers.has("host")) headers.set("host", host);
  const { signal } = abort;
  if (method === "GET" || method === "HEAD") {
    const request = new Request(url, { method, headers, signal });
    discardBody(stream, abort);
    return request;
  }
  return new Request(url, { method, headers, signal, body: bodyOf(stream) });
}

/** Reads a stream that has no content to its end: what breaks the protocol is noticed there. */
function discardBody(stream: RequestStream, abort: AbortController): void {
  (async () => {
    for (let chunk; (chunk = await stream.readData()) !== undefined;) {
      if (!stream.connection.spendOverhead(chunk.length)) return;
    }
  })().catch(() => abort.abort());
}

function bodyOf(stream: RequestStream): ReadableStream<Uint8Array<ArrayBuffer>> {
  const { clock, stallTimeoutMs } = stream.connection.options;
  const declared = stream.head.headers.get("content-length");
  let length = 0;
  return new ReadableStream({
    async pull(controller) {
      const timer: TimerId = stream.connection.closeAfter(stallTimeoutMs, "A body took too long");
      try {
        const chunk = await stream.readData();
        length += chunk?.length ?? 0;
        if (declared !== null && (chunk === undefined || length > Number(declared))) {
          if (length !== Number(declared)) throw lengthError(stream, declared, length);
        }
        if (chunk === undefined) controller.close();
        else controller.enqueue(chunk as Uint8Array<ArrayBuffer>);
      } finally {
        clock.clearTimeout(timer);
      }
    },
    // Nothing is read, and no timer runs, before the handler asks.
  }, { highWaterMark: 0 });
}

function lengthError(stream: RequestStream, declared: string, length: number): Http3Error {
  const error = new Http3Error(
    ErrorCode.MESSAGE_ERROR,
    "stream",
    `A body must be as long as content-length says, RFC 9114 §4.1.2: ${declared}, not ${length}`,
  );
  stream.connection.reject(error);
  return error;
}

async function sendResponse(
  stream: RequestStream,
  response: Response,
  signal: AbortSignal,
): Promise<void> {
  const { body } = response;
  try {
    await stream.respond(response.status, response.headers);
  } catch (error) {
    await body?.cancel().catch(() => {});
    if (!(error instanceof RangeError)) throw error;
    return await stream.respond(500);
  }
  if (body === null) return;
  if (stream.head.method === "HEAD") return await body.cancel().catch(() => {});
  const reader = body.getReader();
  const cancel = () => void reader.cancel(signal.reason).catch(() => {});
  if (signal.aborted) return cancel();
  signal.addEventListener("abort", cancel, { once: true });
  try {
    while (true) {
      const { value, done } = await reader.read().catch((cause) => {
        throw new BodyError("The body of a response failed", { cause });
      });
      if (done) return;
      await stream.writeData(value);
    }
  } finally {
    signal.removeEventListener("abort", cancel);
    cancel();
  }
}
