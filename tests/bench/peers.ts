import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("peers/", import.meta.url));

/** Installs the servers that we compare with; `undefined`, or why they cannot take part. */
export function installPeers(): string | undefined {
  if (spawnSync("node", ["--version"]).status !== 0) return "node was not found on the PATH";
  if (existsSync(`${folder}node_modules/ws`) && existsSync(`${folder}node_modules/socket.io`)) {
    return undefined;
  }
  const npm = spawnSync("npm", ["install", "--no-package-lock", "--no-audit", "--no-fund"], {
    cwd: folder,
    encoding: "utf8",
  });
  if (npm.status === 0) return undefined;
  return npm.error
    ? `npm could not be run: ${npm.error.message}`
    : `npm install failed: ${npm.stderr.trim()}`;
}
