import { getHeapStatistics } from "node:v8";
import { type Limits, limitsFrom } from "./limits.ts";

/**
 * Reads the limits of this process. What the process may not read, or a system other than Linux
 * does not have, is `undefined`: see {@linkcode readSystemFile}.
 */
export function readLimits(): Limits {
  return limitsFrom(readSystemFile, getHeapStatistics().heap_size_limit);
}

/**
 * The text of a file of `/proc` or `/sys`, or `undefined`. Deno reads these only for a process with
 * every permission, and would ask for it; `--allow-run=cat` is the smallest one that suffices.
 */
export function readSystemFile(path: string): string | undefined {
  if (Deno.build.os !== "linux") return undefined;
  try {
    if (isGranted(...EVERY)) return Deno.readTextFileSync(path);
    if (!isGranted({ name: "run", command: "cat" })) return undefined;
    const { success, stdout } = new Deno.Command("cat", { args: [path], stderr: "null" })
      .outputSync();
    return success ? new TextDecoder().decode(stdout) : undefined;
  } catch {
    // There is no such file, or no cat.
    return undefined;
  }
}

const EVERY: readonly Deno.PermissionDescriptor[] = (
  ["run", "read", "write", "net", "env", "sys", "ffi"] as const
).map((name) => ({ name }));

function isGranted(...permissions: readonly Deno.PermissionDescriptor[]): boolean {
  return permissions.every((one) => Deno.permissions.querySync(one).state === "granted");
}
