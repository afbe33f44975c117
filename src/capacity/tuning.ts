import { HTTP3_DEFAULTS } from "../http3/options.ts";
import type { TransportKind } from "../transport/transport.ts";
import { capacityOf, defaultMaxSessions, spareDescriptors, USABLE } from "./capacity.ts";
import type { Limits, ReadSystemFile } from "./limits.ts";
import { NODE_COST, SESSION_COST } from "./session_cost.ts";

/** What somebody wants of a machine. */
export interface Wish {
  /** Sessions at once on one node, in count. */
  readonly sessions: number;
  /** The transports that they may come over: each limit must hold if all came over the costliest. */
  readonly transports: readonly TransportKind[];
  /** Datagrams that each client sends, a second. */
  readonly datagramsPerSecond: number;
}

/** One limit, what is needed of it and what there is. */
export interface Need {
  readonly name: string;
  readonly needed: number;
  /** `undefined` where it cannot be read, or this system has none. */
  readonly now: number | undefined;
  readonly unit: "" | "bytes" | "pages";
  /** How `needed` comes about. */
  readonly why: string;
  /** How to get there: a command, or what to set. */
  readonly change: string;
}

/** A sysctl, as far as it is looked at. */
interface Sysctl {
  readonly name: string;
  readonly value: number | undefined;
}

/** Everything that `wish` needs, beside what there is. Files are read from `/proc/sys` alone. */
export function tuningFor(wish: Wish, limits: Limits, read: ReadSystemFile): Need[] {
  const { sessions, transports, datagramsPerSecond } = wish;
  const each = (resource: "descriptors" | "memoryBytes" | "heapBytes") => {
    const [kind, cost] = transports
      .map((kind) => [kind, SESSION_COST[kind][resource]] as const)
      .reduce((most, one) => one[1] > most[1] ? one : most);
    return { kind, cost, all: sessions * cost };
  };
  const files = each("descriptors");
  const memory = each("memoryBytes");
  const heap = each("heapBytes");
  const tcpTransports = transports.filter((kind) => kind !== "webtransport");
  const openFiles = openFilesFor(files.all);
  const memoryBytes = Math.ceil((memory.all + NODE_COST.memoryBytes) / USABLE);
  const heapBytes = Math.ceil((heap.all + NODE_COST.heapBytes) / USABLE);
  const heapMiB = Math.ceil(heapBytes / 2 ** 20);
  const sysctl = (path: string, index = 0): Sysctl => {
    const numbers = read(`/proc/sys/${path}`)?.trim().split(/\s+/).map(Number);
    return { name: path.replaceAll("/", "."), value: numbers?.[index] };
  };

  const needs: Need[] = [
    {
      name: "open files",
      needed: openFiles,
      now: limits.openFiles,
      unit: "",
      why: `${files.cost} a session (${files.kind}), ${NODE_COST.descriptors} for the node, ` +
        "a tenth to spare",
      change: `ulimit -n ${openFiles}   (systemd: LimitNOFILE=${openFiles})`,
    },
    atLeast(sysctl("fs/nr_open"), openFiles, "no process may have more open files"),
    atLeast(sysctl("fs/file-max"), 2 * openFiles, "all processes together; twice the node's"),
    {
      name: "memory",
      needed: memoryBytes,
      now: limits.memoryBytes,
      unit: "bytes",
      why: `${kilobytes(memory.cost)} a session (${memory.kind}, idle), ` +
        `${NODE_COST.memoryBytes / 1e6} MB for the node, a tenth to spare; queues and history add`,
      change: "more RAM, or a higher limit of the cgroup (docker --memory, systemd MemoryMax=)",
    },
    {
      name: "V8 heap",
      needed: heapBytes,
      now: limits.heapBytes,
      unit: "bytes",
      why: `${kilobytes(heap.cost)} a session (${heap.kind}, idle), a tenth to spare`,
      change: `deno run --v8-flags=--max-old-space-size=${heapMiB} …`,
    },
    {
      name: "admission.maxSessions",
      needed: sessions,
      now: defaultMaxSessions(capacityOf(limits)),
      unit: "",
      why: "an option of serve(); now is its default",
      change: `admission: { maxSessions: ${sessions} }`,
    },
  ];
  if (tcpTransports.length > 0) {
    const range = sysctl("net/ipv4/ip_local_port_range");
    const last = sysctl("net/ipv4/ip_local_port_range", 1).value;
    const ports = range.value === undefined || last === undefined
      ? undefined
      : last - range.value + 1;
    needs.push(
      atLeast(
        sysctl("net/core/somaxconn"),
        LISTEN_BACKLOG,
        "what Deno asks for: peers that wait to be accepted when all come back at once",
      ),
      {
        ...atLeast(
          sysctl("net/ipv4/tcp_mem", 2),
          Math.ceil(sessions * TCP_BUFFER_BYTES / PAGE_BYTES),
          "the first 16 KiB of send buffer (tcp_wmem) and a page to receive, in use by all at once",
        ),
        unit: "pages",
        change: tcpMemCommand(read, Math.ceil(sessions * TCP_BUFFER_BYTES / PAGE_BYTES)),
      },
      {
        name: range.name,
        needed: files.all,
        now: ports,
        unit: "",
        why: "only on a proxy or load client before the node: it takes a port for each TCP " +
          "connection from one address",
        change: files.all <= USER_PORTS
          ? 'sysctl -w net.ipv4.ip_local_port_range="1024 65535"'
          : `${Math.ceil(files.all / USER_PORTS)} source addresses, each with ` +
            'sysctl -w net.ipv4.ip_local_port_range="1024 65535"',
      },
    );
  }
  if (transports.includes("webtransport")) {
    const bytes = Math.ceil(sessions * datagramsPerSecond * STALL_SECONDS * DATAGRAM_BYTES);
    needs.push(
      atLeast(
        sysctl("net/core/rmem_default"),
        bytes,
        `${datagramsPerSecond} datagrams a second of each client for ${
          STALL_SECONDS * 1000
        } ms, in ` +
          `which the process does something else, ${DATAGRAM_BYTES} bytes each; Deno cannot set it ` +
          "for its one UDP socket",
        "bytes",
      ),
      {
        name: "webtransport.maxConnections",
        needed: sessions,
        now: HTTP3_DEFAULTS.maxConnections,
        unit: "",
        why: "an option of serve(): one QUIC connection a session; now is its default",
        change: `webtransport: { maxConnections: ${sessions} }`,
      },
    );
  }
  const flows = sysctl("net/netfilter/nf_conntrack_max");
  // The module is loaded only where a firewall or NAT keeps track.
  if (flows.value !== undefined) {
    needs.push(atLeast(flows, Math.max(sessions, files.all), "a tracked flow for each"));
  }
  return needs;
}

/** The smallest limit of open files that leaves `descriptors` to sessions. */
function openFilesFor(descriptors: number): number {
  const taken = descriptors + NODE_COST.descriptors;
  let limit = Math.ceil(taken / 0.9);
  while (limit - spareDescriptors(limit) < taken) limit++;
  return limit;
}

function atLeast(
  { name, value }: Sysctl,
  needed: number,
  why: string,
  unit: Need["unit"] = "",
): Need {
  return { name, needed, now: value, unit, why, change: `sysctl -w ${name}=${needed}` };
}

/** Its three numbers rise: when to save, when to press, when to refuse. */
function tcpMemCommand(read: ReadSystemFile, most: number): string {
  const [low = 0, pressure = 0] = (read("/proc/sys/net/ipv4/tcp_mem") ?? "").trim()
    .split(/\s+/).map(Number);
  return `sysctl -w net.ipv4.tcp_mem="${low} ${Math.min(pressure, most)} ${most}"`;
}

function kilobytes(bytes: number): string {
  return `${bytes / 1000} KB`;
}

/** What Deno 2.9.6 listens with, as `ss -ltn` shows. */
const LISTEN_BACKLOG = 511;

const PAGE_BYTES = 4096;

const TCP_BUFFER_BYTES = 16_384 + PAGE_BYTES;

/** The ports above those that need rights. */
const USER_PORTS = 65_535 - 1023;

/** What a small datagram takes of a receive buffer: 256 of 64 bytes filled one of 212,992. */
const DATAGRAM_BYTES = 832;

/** A collection of V8 or a large fan-out. */
const STALL_SECONDS = 0.05;
