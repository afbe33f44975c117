import {
  AF_INET,
  AF_INET6,
  IPPROTO_TCP,
  loadLibc,
  MAX_DESCRIPTORS,
  SOCKADDR_BYTES,
  type SocketFunctions,
} from "./libc.ts";

/**
 * Sets what Deno has no call for on the peers of a listening TCP socket.
 *
 * - Nagle's algorithm (RFC 896) off. Deno does that by itself but for TLS. With it on, a small message
 *   waits until the peer has acknowledged the one before it: at more than one message a round trip,
 *   each comes a round trip late.
 * - A user timeout (RFC 5482): a socket whose peer has taken nothing of what waits for this long is
 *   ended by the kernel, though the peer lives and says again and again that it has no room. Deno
 *   cannot cut such a socket off, not even after it has closed it.
 *
 * On Linux a socket that is accepted inherits options from the one that listens. So one call at the
 * start is enough, for which `libc.ts` has the functions.
 *
 * @param userTimeoutMs In milliseconds; 0 leaves it to the system: never, while the peer lives.
 * @returns Why it is not done; `undefined` if it is.
 */
export function setTcpOptions(port: number, userTimeoutMs: number): string | undefined {
  const libc = loadLibc();
  if (typeof libc === "string") return libc;
  for (let fd = 0; fd < MAX_DESCRIPTORS; fd++) {
    if (portOf(libc, fd) !== port || option(libc, fd, SOL_SOCKET, SO_ACCEPTCONN) !== 1) continue;
    // The socket of an earlier certificate has the same port.
    if (option(libc, fd, IPPROTO_TCP, TCP_NODELAY) === 1) continue;
    const failed = setOption(libc, fd, TCP_USER_TIMEOUT, userTimeoutMs) ||
      setOption(libc, fd, TCP_NODELAY, 1);
    return failed === 0 ? undefined : `setsockopt failed: ${failed}`;
  }
  return `no socket listens on the port: ${port}`;
}

/** From <sys/socket.h> and <netinet/tcp.h>: the kernel's ABI wherever Deno runs. */
const SOL_SOCKET = 1;
const SO_ACCEPTCONN = 30;
const TCP_NODELAY = 1;
const TCP_USER_TIMEOUT = 18;

/** What the functions write to; each call is done before the next. */
const address = new Uint8Array(SOCKADDR_BYTES);
const value = new Int32Array(1);
const length = new Uint32Array(1);

/** The local port of a socket, of IPv4 or IPv6 alike; `undefined` for other descriptors. */
function portOf({ getsockname }: SocketFunctions, fd: number): number | undefined {
  length[0] = address.length;
  if (getsockname(fd, address, length) !== 0) return undefined;
  const family = address[0]! | address[1]! << 8;
  return family === AF_INET || family === AF_INET6 ? address[2]! << 8 | address[3]! : undefined;
}

function option(
  { getsockopt }: SocketFunctions,
  fd: number,
  level: number,
  name: number,
): number | undefined {
  length[0] = value.byteLength;
  return getsockopt(fd, level, name, value, length) === 0 ? value[0] : undefined;
}

function setOption({ setsockopt }: SocketFunctions, fd: number, name: number, to: number): number {
  value[0] = to;
  return setsockopt(fd, IPPROTO_TCP, name, value, value.byteLength);
}
