import type { TcpEnd } from "../transport/peer_transport.ts";
import type { WatchedSocket } from "./socket_watch.ts";

/**
 * The TCP sockets of requests without content that are being answered, for as long as that takes.
 *
 * While a response goes out Deno reads on, and keeps without a limit what an HTTP/1.1 peer sends
 * meanwhile, which no handler sees. HTTP/2 has limits of its own: another request on the same socket
 * shows that it is spoken.
 */
export class StreamingSockets {
  /** Bounded by the sockets that the process may have. */
  readonly #open = new Map<string, StreamingSocket>();

  /** Those on which nothing should come in. */
  *all(): Iterable<WatchedSocket> {
    for (const socket of this.#open.values()) if (!socket.shared) yield socket;
  }

  /** A request has come over a socket. */
  request(remote: TcpEnd): void {
    if (this.#open.size === 0) return;
    const socket = this.#open.get(nameOf(remote));
    if (socket !== undefined) socket.shared = true;
  }

  /** A request without content is answered over a socket until `completed` settles. */
  answer(remote: TcpEnd, completed: Promise<void>): void {
    const name = nameOf(remote);
    let socket = this.#open.get(name);
    if (socket === undefined) {
      socket = { remote, messages: 0, answers: 0, shared: false };
      this.#open.set(name, socket);
    }
    socket.answers++;
    const end = () => {
      if (--socket.answers === 0) this.#open.delete(name);
    };
    completed.then(end, end);
  }
}

interface StreamingSocket extends WatchedSocket {
  answers: number;
  shared: boolean;
}

function nameOf({ hostname, port }: TcpEnd): string {
  return `${hostname} ${port}`;
}
