import { toWebTransportError } from "./error.ts";

/**
 * What a default read allocates while it waits: small beside the 64 KiB of Deno's own stream, for
 * sessions that are idle, and still 16 KiB a read where much flows.
 */
const CHUNK_BYTES = 16_384;

/**
 * The app's view of a stream that the peer sends: a byte stream that nobody has read from, although
 * its header was read from `source`, and whose errors are those of W3C.
 *
 * @param holds Kept referenced as long as the readable is: the other half of a bidirectional stream.
 */
export function receiveStream(
  source: ReadableStream<Uint8Array<ArrayBuffer>>,
  holds?: object,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream(new ReceiveSource(source, holds), { highWaterMark: 0 });
}

/** Ends a stream that nobody wants: STOP_SENDING, and FIN for the other half. */
export function stopStream(
  stream: ReadableStream | { readonly readable: ReadableStream; readonly writable: WritableStream },
): void {
  if (stream instanceof ReadableStream) {
    stream.cancel().catch(() => {});
  } else {
    stream.readable.cancel().catch(() => {});
    stream.writable.close().catch(() => {});
  }
}

class ReceiveSource implements UnderlyingByteSource {
  readonly type = "bytes";
  readonly autoAllocateChunkSize = CHUNK_BYTES;
  readonly holds: object | undefined;
  readonly #reader: ReadableStreamBYOBReader;

  constructor(source: ReadableStream<Uint8Array<ArrayBuffer>>, holds: object | undefined) {
    this.holds = holds;
    this.#reader = source.getReader({ mode: "byob" });
  }

  async pull(controller: ReadableByteStreamController): Promise<void> {
    // With an automatic chunk size every pull is for a request.
    const request = controller.byobRequest!;
    try {
      const { value, done } = await this.#reader.read(request.view as Uint8Array<ArrayBuffer>);
      if (!done) return request.respondWithNewView(value);
      controller.close();
      request.respondWithNewView(value!);
    } catch (error) {
      throw toWebTransportError(error);
    }
  }

  async cancel(reason: unknown): Promise<void> {
    // STOP_SENDING(0); Deno can send no other code.
    await this.#reader.cancel(reason);
  }
}
