/**
 * A network interface whose cable is this process: what the kernel sends over it is read here, and
 * what is written here arrives at it. Linux only; needs CAP_NET_ADMIN in its network namespace.
 *
 * The interface may be moved to another namespace while this process holds it.
 */
export class Tun {
  readonly name: string;
  readonly #fd: number;
  readonly #buffer = new Uint8Array(MAX_PACKET_BYTES);

  private constructor(name: string, fd: number) {
    this.name = name;
    this.#fd = fd;
  }

  /** @throws {Error} If the kernel does not give one, naming which call failed. */
  static open(name: string): Tun {
    const fd = libc().open(text("/dev/net/tun"), O_RDWR);
    if (fd < 0) throw new Error("open failed: /dev/net/tun");
    const request = new Uint8Array(40);
    request.set(text(name));
    new DataView(request.buffer).setUint16(16, IFF_TUN | IFF_NO_PI, true);
    if (libc().ioctl(fd, TUNSETIFF, request) < 0) throw new Error(`TUNSETIFF failed: ${name}`);
    return new Tun(name, fd);
  }

  /** The next packet; `undefined` once the interface is gone. */
  async read(): Promise<Uint8Array | undefined> {
    const length = Number(await libc().read(this.#fd, this.#buffer, BigInt(MAX_PACKET_BYTES)));
    return length < 0 ? undefined : this.#buffer.slice(0, length);
  }

  /** Has a packet arrive; one for an interface that is down or gone is lost. */
  write(packet: Uint8Array<ArrayBuffer>): void {
    libc().write(this.#fd, packet, BigInt(packet.byteLength));
  }
}

/** More than any interface's MTU here. */
const MAX_PACKET_BYTES = 65_536;

/** From <fcntl.h>, <linux/if_tun.h>: the kernel's ABI on every 64-bit Linux. */
const O_RDWR = 2;
const IFF_TUN = 0x1;
/** No header before each packet. */
const IFF_NO_PI = 0x1000;
const TUNSETIFF = 0x400454can;

let symbols: ReturnType<typeof load> | undefined;

function libc(): ReturnType<typeof load> {
  return symbols ??= load();
}

function load() {
  return Deno.dlopen("libc.so.6", {
    open: { parameters: ["buffer", "i32"], result: "i32" },
    ioctl: { parameters: ["i32", "u64", "buffer"], result: "i32" },
    // It blocks until there is a packet: not in the event loop's thread.
    read: { parameters: ["i32", "buffer", "usize"], result: "isize", nonblocking: true },
    write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  }).symbols;
}

function text(value: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${value}\0`);
}
