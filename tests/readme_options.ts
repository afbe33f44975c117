/**
 * Makes README's table of options from the doc comments of the options themselves. Run as a
 * program it writes the table into README.md.
 */

const ROOT = new URL("../", import.meta.url);
const README = new URL("README.md", ROOT);

/** The interfaces whose options users set, with the path that leads to them. */
const INTERFACES = [
  ["", "src/options.ts", "ServerOptions"],
  ["namespaces.*.", "src/options.ts", "NamespaceOptions"],
  ["auth.", "src/auth/options.ts", "AuthOptions"],
  ["webhooks.", "src/webhooks/options.ts", "WebhookOptions"],
  ["session.", "src/options.ts", "SessionOptions"],
  ["heartbeat.", "src/options.ts", "HeartbeatOptions"],
  ["origins.", "src/policy/origin.ts", "OriginOptions"],
  ["proxies.", "src/proxy/options.ts", "ProxyOptions"],
  ["admission.", "src/policy/admission.ts", "AdmissionOptions"],
  ["limits.*.", "src/policy/subject_limits.ts", "SubjectLimits"],
  ["webtransport.", "src/webtransport/options.ts", "WebTransportOptions"],
  ["webtransport.", "src/http3/options.ts", "Http3Options"],
] as const;

/** The table, in Markdown. */
export function optionsTable(): string {
  const rows = INTERFACES.flatMap(([path, file, name]) => {
    const source = Deno.readTextFileSync(new URL(file, ROOT));
    const body = new RegExp(`^export interface ${name}\\b[^{]*\\{\\n([^]*?)^\\}`, "m").exec(source);
    if (body === null) throw new Error(`${file} has no interface ${name}`);
    return [...body[1]!.matchAll(/^ {2}\/\*\*\n?([^]*?)\*\/\n {2}(?:readonly )?(\w+)\??:/gm)]
      .map(([, comment, option]) => row(`${path}${option}`, comment!))
      .filter((line) => line !== undefined);
  });
  return ["| option | default | meaning |", "| --- | --- | --- |", ...rows].join("\n");
}

/** What stands between the markers of `readme`, and what should. */
export function readOptions(readme: string): { before: string; table: string; after: string } {
  const match = /^([^]*<!-- options -->\n)([^]*)(\n<!-- end of options -->[^]*)$/.exec(readme);
  if (match === null) throw new Error("README.md has no markers for its options");
  return { before: match[1]!, table: match[2]!, after: match[3]! };
}

/** Options without a default are groups, whose own options follow, or a test's. */
function row(option: string, comment: string): string | undefined {
  const text = comment.replace(/^\s*\* ?/gm, "").trim();
  const [meaning = "", defaults] = text.split(/\s*@default /);
  if (defaults === undefined) return undefined;
  const cell = (words: string) => words.replace(/\s+/g, " ").replaceAll("|", "\\|").trim();
  return `| \`${option}\` | ${cell(defaults)} | ${cell(meaning)} |`;
}

if (import.meta.main) {
  const { before, after } = readOptions(Deno.readTextFileSync(README));
  Deno.writeTextFileSync(README, before + optionsTable() + after);
}
