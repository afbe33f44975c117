import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("peers/", import.meta.url));

/** What the peers run on, or why they cannot take part. */
export type Peers = { readonly nodeVersion: string } | { readonly missing: string };

/** Installs the servers that we compare with, unless they are there. */
export function installPeers(): Peers {
  // Where there is no Node, Deno answers in its place, and would be compared with itself.
  const nodeVersion = spawnSync("node", ["--version"], { encoding: "utf8" }).stdout?.trim() ?? "";
  if (!nodeVersion.startsWith("v")) return { missing: "node was not found on the PATH" };
  const packages = ["ws", "socket.io", "@socket.io/redis-adapter", "ioredis"];
  if (packages.every((name) => existsSync(`${folder}node_modules/${name}`))) return { nodeVersion };
  const npm = spawnSync("npm", ["install", "--no-package-lock", "--no-audit", "--no-fund"], {
    cwd: folder,
    encoding: "utf8",
  });
  if (npm.status === 0) return { nodeVersion };
  return {
    missing: npm.error
      ? `npm could not be run: ${npm.error.message}`
      : `npm install failed: ${npm.stderr.trim()}`,
  };
}
