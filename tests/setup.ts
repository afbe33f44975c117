/**
 * Finds what the tests need besides Deno: Chromium, redis-server and nginx. On Debian as root what
 * is missing is installed; elsewhere this says what to install, and ends with 1.
 */

const PROGRAMS = {
  chromium: {
    variable: "CHROMIUM",
    names: ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"],
    debian: ["chromium"],
  },
  redis: { variable: "REDIS_SERVER", names: ["redis-server"], debian: ["redis-server"] },
  nginx: { variable: "NGINX", names: ["nginx"], debian: ["nginx-light", "libnginx-mod-stream"] },
} as const;

/** The path of a program, or `undefined` if it is not installed. */
export function findProgram(name: keyof typeof PROGRAMS): string | undefined {
  const { variable, names } = PROGRAMS[name];
  const said = Deno.env.get(variable);
  if (said !== undefined) return said;
  // Debian keeps nginx where only root looks.
  const folders = `${Deno.env.get("PATH") ?? ""}:/usr/sbin`.split(":");
  for (const program of names) {
    const path = folders.map((folder) => `${folder}/${program}`).find(isFile);
    if (path !== undefined) return path;
  }
  return undefined;
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

function missingPackages(): string[] {
  return Object.entries(PROGRAMS)
    .filter(([name]) => findProgram(name as keyof typeof PROGRAMS) === undefined)
    .flatMap(([, { debian }]) => debian);
}

async function apt(...args: string[]): Promise<boolean> {
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  try {
    return (await new Deno.Command("apt-get", { args, env }).spawn().status).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function say(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${text}\n`));
}

if (import.meta.main) {
  const missing = missingPackages();
  if (missing.length > 0 && Deno.build.os === "linux" && Deno.uid() === 0) {
    say(`Installing ${missing.join(" and ")}`);
    await apt("update", "-q") &&
      await apt("install", "-q", "-y", "--no-install-recommends", ...missing);
  }
  const still = missingPackages();
  if (still.length > 0) {
    say(
      `The tests need ${still.join(" and ")}. On Debian: sudo apt-get install ${
        still.join(" ")
      }\n` +
        "If they are installed elsewhere, set " +
        Object.values(PROGRAMS).filter(({ debian: [first] }) => still.includes(first))
          .map(({ variable }) => variable).join(" and ") +
        " to their path.",
    );
    Deno.exit(1);
  }
}
