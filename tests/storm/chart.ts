import { COLOURS, svg, text } from "../svg.ts";
import type { Curve } from "./curve.ts";

const WIDTH = 960;
const LEFT = 76;
const RIGHT = 24;
const PANEL_HEIGHT = 200;
const PANEL_GAP = 56;
const HEADER = 48;
const LEGEND_LINE = 20;

/** One panel: what is drawn over the seconds since the loss. */
interface Panel {
  readonly title: string;
  readonly values: (curve: Curve) => readonly number[];
  /** Each power of ten as high as the one before it. */
  readonly logarithmic: boolean;
}

const ARRIVALS: Panel = {
  title: "Attempts that arrive, a second (each step is ten times the one below)",
  values: ({ arrivals }) => arrivals,
  logarithmic: true,
};
const QUEUE: Panel = {
  title: "Accept queue, longest in each second",
  values: ({ queue }) => queue,
  logarithmic: false,
};
const BACK: Panel = {
  title: "Clients that are back, %",
  values: ({ admitted, clients }) => {
    let back = 0;
    return admitted.map((count) => 100 * (back += count) / clients);
  },
  logarithmic: false,
};

/** Draws curves over each other as one SVG: arrivals, the accept queue where known, who is back. */
export function chart(title: string, curves: readonly Curve[]): string {
  const panels = curves.some(({ queue }) => queue.length > 0)
    ? [ARRIVALS, QUEUE, BACK]
    : [ARRIVALS, BACK];
  const seconds = Math.max(
    2,
    ...panels.flatMap(({ values }) => curves.map((curve) => values(curve).length)),
  );
  const top = HEADER + curves.length * LEGEND_LINE + 32;
  const height = top + panels.length * (PANEL_HEIGHT + PANEL_GAP);
  const legend = curves.map((curve, i) => {
    const y = HEADER + i * LEGEND_LINE;
    return `<path d="M${LEFT} ${y}h28" stroke="${COLOURS[i % COLOURS.length]}" stroke-width="3"/>` +
      text(LEFT + 38, y + 4, describe(curve));
  });
  const drawn = panels.map((panel, i) =>
    drawPanel(panel, curves, seconds, top + i * (PANEL_HEIGHT + PANEL_GAP))
  );
  const heading = text(LEFT, 24, title, 'font-size="17" font-weight="600"');
  return svg(WIDTH, height, [heading, ...legend, ...drawn].join("\n"));
}

function describe({ name, figures: { peakArrivals, allBackMs, refused } }: Curve): string {
  const end = allBackMs === undefined ? "not all back" : `all back after ${seconds(allBackMs)}`;
  return `${name}: peak ${peakArrivals}/s, ${end}, ${refused} refused`;
}

function drawPanel(
  { title, values, logarithmic }: Panel,
  curves: readonly Curve[],
  length: number,
  top: number,
): string {
  const series = curves.map(values);
  const most = Math.max(1, ...series.map((each) => Math.max(0, ...each)));
  const ticks = logarithmic ? powersOfTen(most) : evenTicks(most);
  const highest = ticks.at(-1)!;
  const bottom = top + PANEL_HEIGHT;
  const x = (second: number) => LEFT + second / length * (WIDTH - LEFT - RIGHT);
  const scale = (value: number) =>
    logarithmic ? Math.log10(1 + value) / Math.log10(1 + highest) : value / highest;
  const y = (value: number) => bottom - scale(value) * PANEL_HEIGHT;
  const grid = ticks.map((tick) =>
    `<path d="M${LEFT} ${y(tick).toFixed(1)}H${WIDTH - RIGHT}" stroke="#ddd"/>` +
    text(LEFT - 8, y(tick) + 4, String(tick), 'text-anchor="end"')
  );
  const times = evenTicks(length).filter((tick) => tick <= length).map((tick) =>
    `<path d="M${x(tick).toFixed(1)} ${bottom}v5" stroke="#888"/>` +
    text(x(tick), bottom + 20, `${tick} s`, 'text-anchor="middle"')
  );
  const lines = series.map((each, i) => {
    if (each.length === 0) return "";
    const points = each.map((value, second) => `${x(second).toFixed(1)} ${y(value).toFixed(1)}`);
    return `<path d="M${points.join("L")}" stroke="${COLOURS[i % COLOURS.length]}" ` +
      `stroke-width="1.8" stroke-linejoin="round"/>`;
  });
  return [text(LEFT, top - 12, title, 'font-weight="600"'), ...grid, ...times, ...lines]
    .join("\n");
}

/** 0, 10, 100 and so on, the last not below `most`. */
function powersOfTen(most: number): number[] {
  const ticks = [0, 10];
  while (ticks.at(-1)! < most) ticks.push(ticks.at(-1)! * 10);
  return ticks;
}

/** About five round numbers from 0, the last not below `most`. */
function evenTicks(most: number): number[] {
  const rough = most / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough)!;
  return Array.from(
    { length: Math.ceil(most / step) + 1 },
    (_, i) => Number((i * step).toFixed(6)),
  );
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
}
