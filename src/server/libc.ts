/**
 * The functions of the C library for what Deno has no call for: options of sockets, whose they are,
 * and their end. Loading them takes Linux and Deno's permission for foreign functions (`--allow-ffi`),
 * which may be revoked afterwards.
 *
 * @returns Why they cannot be had, if they cannot.
 */
export function loadLibc(): SocketFunctions | string {
  if (libc !== undefined) return libc;
  if (Deno.build.os !== "linux") return `it takes Linux: ${Deno.build.os}`;
  if (Deno.permissions.querySync({ name: "ffi" }).state !== "granted") {
    return "it takes --allow-ffi";
  }
  return (libc = load()) ?? `no C library was found: ${LIBRARIES.join(", ")}`;
}

/** What {@linkcode loadLibc} has loaded by now. */
export function loadedLibc(): SocketFunctions | undefined {
  return libc;
}

/** Functions of <sys/socket.h>; each returns 0 where it has worked. */
export type SocketFunctions = NonNullable<ReturnType<typeof load>>;

/** A new descriptor has the lowest number that is free: this is past as many sessions as fit. */
export const MAX_DESCRIPTORS = 65_536;

/** From <sys/socket.h> and <netinet/tcp.h>: the kernel's ABI wherever Deno runs. */
export const AF_INET = 2;
export const AF_INET6 = 10;
export const IPPROTO_TCP = 6;

/** A `struct sockaddr_in6`, the largest that sockets here have, in bytes. */
export const SOCKADDR_BYTES = 28;

let libc: SocketFunctions | undefined;

/** Of glibc, and of musl. */
const LIBRARIES = ["libc.so.6", `libc.musl-${Deno.build.arch}.so.1`];

function load() {
  for (const library of LIBRARIES) {
    try {
      return Deno.dlopen(library, {
        getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
        getpeername: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
        getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
        setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
        shutdown: { parameters: ["i32", "i32"], result: "i32" },
      }).symbols;
    } catch {
      // The next one, then.
    }
  }
  return undefined;
}
