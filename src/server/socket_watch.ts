import type { Clock, TimerId } from "../policy/clock.ts";
import type { TcpEnd } from "../transport/peer_transport.ts";
import {
  AF_INET,
  AF_INET6,
  IPPROTO_TCP,
  loadedLibc,
  MAX_DESCRIPTORS,
  SOCKADDR_BYTES,
  type SocketFunctions,
} from "./libc.ts";

/** A TCP socket, as long as it is open. */
export interface WatchedSocket {
  readonly remote: TcpEnd | undefined;
  /** Messages that have come of its bytes, in count. */
  readonly messages: number;
}

export interface SocketWatchOptions {
  readonly sockets: () => Iterable<WatchedSocket>;
  /** The process's resident memory, in bytes. */
  readonly residentBytes: () => number;
  /** What a socket may bring without a message coming of it, in bytes. */
  readonly limitBytes: number;
  readonly clock: Clock;
  /** Told how many sockets were cut off at once. */
  readonly onCut: (count: number) => void;
}

/**
 * Cuts off sockets that bring bytes and no message.
 *
 * Deno collects the fragments of a WebSocket message (RFC 6455 §5.4) until the last has come, in any
 * number and size, and what an HTTP/1.1 peer sends while it is answered (`streaming_sockets.ts`). It
 * shows nothing of either: one peer could fill the memory. It cannot close such a socket either. So
 * the kernel is asked what has come in, and told to end the socket, for which `libc.ts` must be loaded.
 *
 * - Nothing is looked at while the memory does not grow: to walk through all sockets takes
 *   milliseconds.
 * - A socket over the limit is looked at twice, with a turn of the event loop between: what waits in
 *   the kernel while this process is busy may be many messages.
 * - What a socket brought for earlier requests counts: its client, cut off in vain, comes back with
 *   its session.
 */
export class SocketWatch {
  readonly #options: SocketWatchOptions;
  /** What was seen last of a socket that a message had come from. */
  readonly #marks = new WeakMap<WatchedSocket, Mark>();
  #floorBytes: number;
  #looksLeft = 0;
  #timer: TimerId;

  constructor(options: SocketWatchOptions) {
    this.#options = options;
    this.#floorBytes = options.residentBytes();
    this.#timer = this.#schedule();
  }

  stop(): void {
    this.#options.clock.clearTimeout(this.#timer);
  }

  #schedule(): TimerId {
    return this.#options.clock.setTimeout(() => {
      this.#timer = this.#schedule();
      this.#check();
    }, INTERVAL_MS);
  }

  #check(): void {
    const bytes = this.#options.residentBytes();
    if (bytes - this.#floorBytes > GROWTH_BYTES) this.#looksLeft = LOOKS;
    if (this.#looksLeft === 0) {
      this.#floorBytes = Math.min(this.#floorBytes, bytes);
      return;
    }
    this.#looksLeft--;
    this.#floorBytes = bytes;
    const cut = this.#look();
    if (cut > 0) this.#options.onCut(cut);
  }

  /** Looks at every socket; returns how many were cut off. */
  #look(): number {
    const libc = loadedLibc();
    if (libc === undefined) return 0;
    const sockets = new Map<string, WatchedSocket>();
    for (const socket of this.#options.sockets()) {
      if (socket.remote !== undefined) sockets.set(nameOf(socket.remote), socket);
    }
    let cut = 0;
    for (let fd = 0; fd < MAX_DESCRIPTORS && sockets.size > 0; fd++) {
      const peer = peerOf(libc, fd);
      const socket = peer === undefined ? undefined : sockets.get(peer);
      if (socket === undefined) continue;
      sockets.delete(peer!);
      if (!this.#isOver(socket, receivedBytes(libc, fd))) continue;
      libc.shutdown(fd, SHUT_RDWR);
      cut++;
    }
    return cut;
  }

  #isOver(socket: WatchedSocket, bytes: number): boolean {
    const { messages } = socket;
    const mark = this.#marks.get(socket) ?? { messages: 0, bytes: 0, suspected: false };
    if (mark.messages !== messages) {
      this.#marks.set(socket, { messages, bytes, suspected: false });
      return false;
    }
    if (bytes - mark.bytes <= this.#options.limitBytes) return false;
    if (mark.suspected) return true;
    this.#marks.set(socket, { ...mark, suspected: true });
    return false;
  }
}

interface Mark {
  readonly messages: number;
  /** What had come in by then, all told. */
  readonly bytes: number;
  readonly suspected: boolean;
}

/** Within it a peer of 10 Gbit/s brings 300 MB. */
const INTERVAL_MS = 250;

/** Above what sessions come to in a storm within the interval, and below what hurts. */
const GROWTH_BYTES = 32 << 20;

/** Enough to see a socket's messages, suspect it and cut it off. */
const LOOKS = 4;

const TCP_INFO = 11;
/** `tcpi_bytes_received` in `struct tcp_info`, since Linux 4.1. */
const BYTES_RECEIVED_AT = 128;
const SHUT_RDWR = 2;

/** What the functions write to; each call is done before the next. */
const address = new Uint8Array(SOCKADDR_BYTES);
const info = new Uint8Array(BYTES_RECEIVED_AT + 8);
const infoView = new DataView(info.buffer);
const length = new Uint32Array(1);

/** Of a connected socket's peer, as {@linkcode nameOf} says it; `undefined` for other descriptors. */
function peerOf({ getpeername }: SocketFunctions, fd: number): string | undefined {
  length[0] = address.length;
  if (getpeername(fd, address, length) !== 0) return undefined;
  const port = address[2]! << 8 | address[3]!;
  switch (address[0]! | address[1]! << 8) {
    case AF_INET:
      return nameOf({ hostname: address.subarray(4, 8).join("."), port });
    case AF_INET6: {
      const groups = Array.from(
        { length: 8 },
        (_, at) => (address[8 + 2 * at]! << 8 | address[9 + 2 * at]!).toString(16),
      );
      return nameOf({ hostname: groups.join(":"), port });
    }
    default:
      return undefined;
  }
}

/** One text for each end, however its IPv6 address is written. */
function nameOf({ hostname, port }: TcpEnd): string {
  const url = hostname.includes(":") ? URL.parse(`http://[${hostname}]`)?.hostname : hostname;
  return `${url} ${port}`;
}

/** Bytes that a socket has brought since it was opened, what waits in the kernel included. */
function receivedBytes({ getsockopt }: SocketFunctions, fd: number): number {
  length[0] = info.length;
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, length) !== 0) return 0;
  return length[0] < info.length ? 0 : Number(infoView.getBigUint64(BYTES_RECEIVED_AT, true));
}
