import { COLOURS, svg, text } from "../../svg.ts";
import type { Freshness } from "./measure.ts";
import type { Ages } from "./report.ts";

const WIDTH = 960;
const PANEL = { width: 250, height: 260, gap: 50, left: 64, top: 84 };
const LEGEND_LINE = 20;
/** The age axis, in milliseconds: each line twice the one below. */
const TICKS_MS = [25, 50, 100, 200, 400, 800, 1600];

const PANELS: readonly { title: string; of: (freshness: Freshness) => number }[] = [
  { title: "p50", of: ({ p50Ms }) => p50Ms },
  { title: "p99", of: ({ p99Ms }) => p99Ms },
  { title: "p99.9", of: ({ p999Ms }) => p999Ms },
];

/** Draws the ages over the losses, a panel for each quantile and a line for each server. */
export function chart(losses: readonly number[], ages: Ages): string {
  const height = PANEL.top + PANEL.height + 48 + ages.size * LEGEND_LINE;
  const names = [...ages.keys()].map(({ name }, i) => {
    const y = PANEL.top + PANEL.height + 60 + i * LEGEND_LINE;
    return `<path d="M${PANEL.left} ${y - 4}h28" stroke="${COLOURS[i]}" stroke-width="3"/>` +
      text(PANEL.left + 38, y, name);
  });
  const panels = PANELS.map(({ title, of }, at) => {
    const left = PANEL.left + at * (PANEL.width + PANEL.gap);
    const x = (i: number) => left + (i / Math.max(1, losses.length - 1)) * PANEL.width;
    const grid = TICKS_MS.map((ms) =>
      `<path d="M${left} ${y(ms).toFixed(1)}h${PANEL.width}" stroke="#ddd"/>` +
      text(left - 6, y(ms) + 4, String(ms), 'text-anchor="end"')
    );
    const marks = losses.map((loss, i) =>
      text(x(i), PANEL.top + PANEL.height + 20, `${loss * 100} %`, 'text-anchor="middle"')
    );
    const lines = [...ages.values()].map((runs, i) => {
      const points = runs.map((run, j) => `${x(j).toFixed(1)} ${y(of(run)).toFixed(1)}`);
      return `<path d="M${points.join("L")}" stroke="${COLOURS[i]}" stroke-width="2"/>`;
    });
    return [text(left, PANEL.top - 14, title, 'font-weight="600"'), ...grid, ...marks, ...lines]
      .join("\n");
  });
  const heading = text(
    PANEL.left,
    32,
    "Age of updates when they arrive, in ms, by loss",
    'font-size="17" font-weight="600"',
  );
  return svg(WIDTH, height, [heading, ...panels, ...names].join("\n"));
}

function y(ms: number): number {
  const [least, most] = [TICKS_MS[0]!, TICKS_MS.at(-1)!];
  const part = Math.log(Math.min(most, Math.max(least, ms)) / least) / Math.log(most / least);
  return PANEL.top + PANEL.height * (1 - part);
}
