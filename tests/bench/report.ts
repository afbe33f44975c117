import type { Contender } from "./contenders.ts";
import type { FanOut, Load, Sessions } from "./measure.ts";

/** Rounds of each contender, and in each round what it did with each load. */
export type FanOuts = ReadonlyMap<Contender, readonly (readonly FanOut[])[]>;

/** A figure that the project has promised to keep under a limit. */
export interface Target {
  readonly name: string;
  readonly limit: number;
  /** Absent if it could not be measured. */
  readonly figure: number | undefined;
}

/** Most of the CPU that `ws` takes for a delivery over WebSocket, by messages a turn. */
const MAX_RATIO: Readonly<Record<number, number>> = { 1: 0.8, 10: 0.15 };

/** The promises of the project against what was measured. */
export function targets(
  loads: readonly Load[],
  fanOuts: FanOuts,
  weights: ReadonlyMap<Contender, Sessions>,
  reference: string,
): Target[] {
  const list: Target[] = [];
  for (const [i, { perTurn }] of loads.entries()) {
    const limit = MAX_RATIO[perTurn];
    const ours = [...fanOuts.keys()].find((contender) => contender.protocol === "websocket");
    if (limit === undefined || ours === undefined) continue;
    const figure = ratio(fanOuts, ours, reference, i);
    list.push({ name: `WebSocket CPU, ${perTurn} a turn, × ${reference}`, limit, figure });
  }
  for (const [contender, { kbEach }] of weights) {
    if (contender.maxSessionKb === undefined) continue;
    list.push({
      name: `${contender.name} KB a session`,
      limit: contender.maxSessionKb,
      figure: kbEach,
    });
  }
  return list;
}

/** Whether a target is met, and by what. */
export function targetLine({ name, limit, figure }: Target): string {
  const verdict = figure === undefined ? "not measured" : figure <= limit ? "met" : "NOT met";
  return `  ${verdict.padEnd(12)} ${name}: ${figure?.toFixed(2) ?? "–"}, at most ${limit}`;
}

/** A row for each server and load. */
export function fanOutTable(loads: readonly Load[], fanOuts: FanOuts, reference: string): string {
  const rows = [
    ["", "a turn", "CPU µs each", "× ws", "reached /s", "/s a core", "p50 ms", "p99 ms", "lost"],
  ];
  for (const [i, { perTurn }] of loads.entries()) {
    for (const [contender, rounds] of fanOuts) {
      const of = (key: keyof FanOut) => median(rounds.map((round) => round[i]![key]));
      const micros = of("microsPerDelivery");
      const lost = of("lost");
      rows.push([
        contender.name,
        String(perTurn),
        micros.toFixed(2),
        ratio(fanOuts, contender, reference, i)?.toFixed(2) ?? "–",
        of("deliveriesPerSecond").toFixed(0),
        (1e6 / micros).toFixed(0),
        of("p50Ms").toFixed(1),
        of("p99Ms").toFixed(1),
        lost === 0 ? "0" : `${(lost * 100).toFixed(2)} %`,
      ]);
    }
  }
  return table(rows);
}

/** A row for each server: memory of an idle session, and what opening one takes. */
export function sessionsTable(weights: ReadonlyMap<Contender, Sessions>): string {
  const rows = [["", "KB each", "fresh", "new /s", "CPU ms each"]];
  for (const [contender, sessions] of weights) {
    rows.push([
      contender.name,
      sessions.kbEach.toFixed(1),
      sessions.freshKbEach.toFixed(1),
      sessions.perSecond.toFixed(0),
      sessions.cpuMsEach.toFixed(2),
    ]);
  }
  return table(rows);
}

/** Median over the rounds of the ratio within each round: what slows the machine slows both. */
function ratio(
  fanOuts: FanOuts,
  contender: Contender,
  reference: string,
  load: number,
): number | undefined {
  const base = [...fanOuts].find(([{ name }]) => name === reference)?.[1];
  return base && median(
    fanOuts.get(contender)!.map((round, i) =>
      round[load]!.microsPerDelivery / base[i]![load]!.microsPerDelivery
    ),
  );
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** First column to the left, the others to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)
    ).join("  ")
  ).join("\n");
}
