// deno-lint-ignore-file no-console -- this is a command
/**
 * Sends malformed messages to a live server over every transport, with honest sessions beside, and
 * exits with 1 if one of those was hurt or the server kept something.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { runAttack } from "./attack.ts";

const MAX_TROUBLES = 20;

if (import.meta.main) Deno.exit(await main());

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      messages: { type: "string", default: "100000" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
    },
  });
  const messages = Number(values.messages);
  const seed = Number(values.seed);
  if (!Number.isInteger(messages) || messages < 1 || !Number.isInteger(seed)) {
    console.error(`--messages and --seed must be integers: ${values.messages}, ${values.seed}`);
    return 1;
  }
  console.log(`${messages} malformed messages, --seed ${seed}`);
  let told = 0;
  const outcome = await runAttack({
    messages,
    seed,
    calmMs: 10_000,
    onProgress(sent) {
      if (sent - told < messages / 20) return;
      told = sent;
      console.log(`  ${sent} sent`);
    },
  });
  let sent = 0;
  let opened = 0;
  for (const [name, { messages, connections, outcomes }] of Object.entries(outcome.results)) {
    sent += messages;
    opened += connections;
    const ends = Object.entries(outcomes).sort(([, left], [, right]) => right - left)
      .map(([end, count]) => `${end} × ${count}`).join(", ");
    console.log(`${name}: ${messages} messages, ${connections} connections\n  ${ends}`);
  }
  const { calmP99Ms, attackedP99Ms, honestPublications, heard, before, after, seconds } = outcome;
  const ratio = attackedP99Ms / calmP99Ms;
  console.log(
    `${sent} messages over ${opened} connections in ${seconds.toFixed(0)} s\n` +
      `honest sessions: ${honestPublications} publications to each, ${heard} values of attackers, p99 ${
        calmP99Ms.toFixed(1)
      } ms ` +
      `without the attack, ${attackedP99Ms.toFixed(1)} ms with it: × ${ratio.toFixed(2)}\n` +
      `server, before and after: ${before.sessions} and ${after.sessions} sessions, ` +
      `${before.transports} and ${after.transports} transports, ${after.lingering} lingering, ` +
      `heap ${mb(before.heapBytes)} and ${mb(after.heapBytes)} MB, ` +
      `resident ${mb(before.rssBytes)} and ${mb(after.rssBytes)} MB`,
  );
  for (const trouble of outcome.troubles.slice(0, MAX_TROUBLES)) console.error(`HURT: ${trouble}`);
  if (outcome.troubles.length > 0) console.error(`${outcome.troubles.length} in all`);
  return outcome.troubles.length > 0 ? 1 : 0;
}

function mb(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}
