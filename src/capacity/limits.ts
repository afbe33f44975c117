/** What the system lets this process have. */
export interface Limits {
  /** Open files, in count: the soft limit. `undefined` where it cannot be read. */
  readonly openFiles: number | undefined;
  /** The smaller of the machine's memory and its cgroup's, in bytes; `undefined` if unreadable. */
  readonly memoryBytes: number | undefined;
  /** V8's own limit of its heap, in bytes. */
  readonly heapBytes: number;
}

/** Reads a file of `/proc` or `/sys`: its text, or `undefined` if it cannot be read. */
export type ReadSystemFile = (path: string) => string | undefined;

/** Gathers the limits from the files of Linux; elsewhere only V8's is known. */
export function limitsFrom(read: ReadSystemFile, heapBytes: number): Limits {
  const memory = [
    parseTotalMemory(read("/proc/meminfo") ?? ""),
    ...memoryLimitFiles(read("/proc/self/cgroup") ?? "").map((path) => parseBytes(read(path))),
  ].filter((bytes) => bytes !== undefined);
  return {
    openFiles: parseOpenFiles(read("/proc/self/limits") ?? ""),
    memoryBytes: memory.length === 0 ? undefined : Math.min(...memory),
    heapBytes,
  };
}

/** The soft limit of open files in the text of `/proc/<pid>/limits` (proc_pid_limits(5)). */
export function parseOpenFiles(text: string): number | undefined {
  const [, soft] = /^Max open files +(\d+|unlimited) /m.exec(text) ?? [];
  if (soft === undefined) return undefined;
  return soft === "unlimited" ? Infinity : Number(soft);
}

/** The machine's memory in the text of `/proc/meminfo`, in bytes. */
export function parseTotalMemory(text: string): number | undefined {
  const [, kibibytes] = /^MemTotal: +(\d+) kB$/m.exec(text) ?? [];
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
}

/**
 * Where the memory limits are that the text of `/proc/self/cgroup` (cgroups(7)) leads to, for
 * version 1 and 2. The limit of each group above holds too. Within a container the path may be the
 * host's; the container's own group is then the root.
 */
export function memoryLimitFiles(text: string): string[] {
  return text.split("\n").flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) return [];
    const groups = ancestors(path);
    if (controllers === "") return groups.map((group) => `/sys/fs/cgroup${group}memory.max`);
    if (!controllers.split(",").includes("memory")) return [];
    return groups.map((group) => `/sys/fs/cgroup/memory${group}memory.limit_in_bytes`);
  });
}

/** `/a/b` → `/`, `/a/`, `/a/b/`. */
function ancestors(path: string): string[] {
  const names = path.split("/").filter((name) => name !== "");
  return [0, ...names.keys().map((index) => index + 1)]
    .map((depth) => names.slice(0, depth).map((name) => `/${name}`).join("") + "/");
}

/** A limit in bytes; version 2 says "max" where there is none. */
function parseBytes(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+\s*$/.test(text) ? Number(text) : undefined;
}
