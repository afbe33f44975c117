import { Child } from "../bench/child.ts";
import type { PathConditions } from "./lossy_path.ts";

/** An end of a link. */
export type End = "near" | "far";

/** Addresses of those for tests (RFC 2544); each link is alone in its namespaces. */
const ADDRESSES: Readonly<Record<End, string>> = { near: "198.18.0.1", far: "198.18.0.2" };

const CONGESTION_CONTROL = "/proc/sys/net/ipv4/tcp_congestion_control";

/**
 * Two processes, each in a network namespace of its own, and a link between them that delays and
 * loses IP packets, TCP's and UDP's alike. Linux as root, with iproute2 and util-linux; the
 * kernel's own netem is not needed.
 */
export class Link {
  readonly #cable: Child;
  /** Sets TCP's congestion control in a namespace. */
  readonly #congestion: string;

  private constructor(cable: Child, congestion: string | undefined) {
    this.#cable = cable;
    this.#congestion = congestion === undefined
      ? ""
      : `echo ${congestion} > ${CONGESTION_CONTROL} || exit 1; `;
  }

  /**
   * Opens a link that loses nothing yet.
   *
   * @param seed Of what it will lose.
   * @param congestion TCP's congestion control at both ends; without it the machine's.
   */
  static async open(seed: number, congestion?: string): Promise<Link> {
    const file = new URL("link_process.ts", import.meta.url).pathname;
    const cable = new Child([
      "unshare",
      "--net",
      Deno.execPath(),
      "run",
      "-A",
      "--no-check",
      file,
      String(seed),
    ]);
    await cable.ask();
    return new Link(cable, congestion);
  }

  /** TCP's congestion control where nobody chooses another. */
  static async congestion(): Promise<string> {
    return (await Deno.readTextFile(CONGESTION_CONTROL)).trim();
  }

  /** The address of an end. */
  static address(end: End): string {
    return ADDRESSES[end];
  }

  /** Why links cannot be made here; `undefined` if they can. */
  static async obstacle(): Promise<string | undefined> {
    if (Deno.build.os !== "linux") return `it takes Linux: ${Deno.build.os}`;
    const script = "ip tuntap add dev probe mode tun";
    try {
      const { success, stderr } = await new Deno.Command("unshare", {
        args: ["--net", "sh", "-c", script],
      }).output();
      if (success) return undefined;
      return `it takes root and /dev/net/tun: ${new TextDecoder().decode(stderr).trim()}`;
    } catch (error) {
      return `it takes unshare and ip: ${error instanceof Error ? error.message : error}`;
    }
  }

  /** Starts a process at one end; resolves with it and its first line, parsed. */
  async start<Greeting>(end: End, command: readonly string[]): Promise<[Child, Greeting]> {
    const script =
      `read go; ${this.#congestion}ip link set lo up; ip addr add ${
        ADDRESSES[end]
      }/30 dev ${end}; ` +
      `ip link set ${end} up; exec "$@"`;
    const child = new Child(["unshare", "--net", "sh", "-c", script, "sh", ...command]);
    try {
      await this.#move(end, child);
      return [child, await child.ask<Greeting>("go")];
    } catch (error) {
      await child.end();
      throw error;
    }
  }

  /** Changes what the link does from now on; what is not named stays. */
  async set(conditions: Partial<PathConditions>): Promise<void> {
    await this.#cable.ask({ conditions });
  }

  /** Packets that arrived, and that were lost, both ways. */
  counts(): Promise<{ carried: number; lost: number }> {
    return this.#cable.ask({ counts: true });
  }

  async close(): Promise<void> {
    await this.#cable.end();
  }

  /** Plugs the end in, once the child has left this namespace for its own. */
  async #move(end: End, child: Child): Promise<void> {
    const own = await Deno.readLink("/proc/self/ns/net");
    while (await Deno.readLink(`/proc/${child.pid}/ns/net`) === own) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const args = ["-t", `${this.#cable.pid}`, "-n", "ip", "link", "set", end, "netns"];
    const { success, stderr } = await new Deno.Command("nsenter", {
      args: [...args, `${child.pid}`],
    })
      .output();
    if (!success) throw new Error(`ip link set failed: ${new TextDecoder().decode(stderr).trim()}`);
  }
}
