import { table } from "../report.ts";
import type { Target } from "../report.ts";
import type { Contender, Freshness, Settling } from "./measure.ts";

/** What each server did, by the losses in their order. */
export type Ages = ReadonlyMap<Contender, readonly Freshness[]>;

/** A row for each loss and server. */
export function freshnessTable(losses: readonly number[], ages: Ages): string {
  const rows = [["", "loss", "p50", "p99", "p99.9", "on screen p99", "unseen"]];
  for (const [i, loss] of losses.entries()) {
    for (const [{ name }, runs] of ages) {
      const { p50Ms, p99Ms, p999Ms, screenP99Ms, unseen } = runs[i]!;
      const figures = [p50Ms, p99Ms, p999Ms, screenP99Ms].map((ms) => ms.toFixed(1));
      rows.push([name, percent(loss), ...figures, percent(unseen)]);
    }
  }
  return table(rows);
}

/** A row for each loss. */
export function settlingTable(losses: readonly number[], settled: readonly Settling[]): string {
  const rows = [["loss", "values", "p99 ms", "longest ms", "missing"]];
  for (const [i, loss] of losses.entries()) {
    const { values, p99Ms, maxMs, missing } = settled[i]!;
    rows.push([percent(loss), String(values), p99Ms.toFixed(1), maxMs.toFixed(1), String(missing)]);
  }
  return table(rows);
}

/** The promises of the project against what was measured. */
export function targets(
  losses: readonly number[],
  ages: Ages,
  settled: readonly Settling[],
  settleLimitMs: number,
): Target[] {
  const most = `${percent(losses.at(-1)!)} loss`;
  const p99 = (name: string, run: number) =>
    [...ages].find(([contender]) => contender.name === name)![1].at(run)!.p99Ms;
  const datagram = p99("latest, WebTransport", -1);
  return [
    {
      name: `latest, WebTransport: p99 at ${most}, ms over that without loss`,
      limit: 10,
      figure: datagram - p99("latest, WebTransport", 0),
    },
    {
      name: `latest, WebTransport: p99 at ${most}, × that of latest, WebSocket`,
      limit: 0.2,
      figure: datagram / p99("latest, WebSocket", -1),
    },
    {
      name: "last values: the longest until one is seen, ms",
      limit: settleLimitMs,
      figure: Math.max(...settled.map(({ maxMs }) => maxMs)),
    },
    {
      name: "last values that never came",
      limit: 0,
      figure: settled.reduce((sum, { missing }) => sum + missing, 0),
    },
  ];
}

function percent(part: number): string {
  return part === 0 ? "0" : `${Number((part * 100).toFixed(1))} %`;
}
