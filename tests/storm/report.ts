import type { Curve } from "./curve.ts";

/** A row of figures for each curve. */
export function table(curves: readonly Curve[]): string {
  const rows = [[
    "",
    "peak /s",
    "let in /s",
    "queue",
    "full until",
    "attempts",
    "refused",
    "lost",
    "half back",
    "99 %",
    "all",
  ]];
  for (const curve of curves) {
    const { figures, back, clients } = curve;
    rows.push([
      curve.name,
      String(figures.peakArrivals),
      String(figures.peakAdmitted),
      figures.peakQueue === undefined ? "–" : String(figures.peakQueue),
      figures.fullUntilMs === 0 ? "–" : time(figures.fullUntilMs),
      String(figures.attempts),
      String(figures.refused),
      String(figures.lost),
      time(figures.halfBackMs),
      time(figures.mostBackMs),
      figures.allBackMs === undefined ? `${clients - back} are out` : time(figures.allBackMs),
    ]);
  }
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows.map((row) =>
    row.map((cell, i) => i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)).join("  ")
  ).join("\n");
}

function time(ms: number | undefined): string {
  return ms === undefined ? "–" : `${(ms / 1000).toFixed(1)} s`;
}
