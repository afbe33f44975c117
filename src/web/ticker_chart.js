/** The price of the chosen symbol over time, by uPlot; one point for each quote that was seen. */
import uPlot from "/built/uplot.js";

const POINTS = 600;

export class Chart {
  #element;
  #plot;
  #times = [];
  #prices = [];
  #changed = false;

  constructor(element) {
    this.#element = element;
    this.#make();
    new ResizeObserver(() => this.#plot.setSize(this.#size())).observe(element);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.#plot.destroy();
      this.#make();
    });
  }

  clear() {
    this.#times = [];
    this.#prices = [];
    this.#changed = true;
  }

  /** Takes a price in cents, at a time in milliseconds since 1970. */
  take(time, price) {
    // uPlot wants times that rise.
    const at = Math.max(time / 1000, this.#times.at(-1) ?? 0);
    this.#times.push(at);
    this.#prices.push(price / 100);
    if (this.#times.length > POINTS) {
      this.#times.shift();
      this.#prices.shift();
    }
    this.#changed = true;
  }

  draw() {
    if (!this.#changed) return;
    this.#changed = false;
    this.#plot.setData([this.#times, this.#prices]);
  }

  #size() {
    return { width: this.#element.clientWidth, height: this.#element.clientHeight };
  }

  #make() {
    const style = getComputedStyle(this.#element);
    const color = (name) => style.getPropertyValue(`--chart-${name}`).trim();
    const axis = {
      stroke: color("ink"),
      grid: { stroke: color("line"), width: 1 },
      ticks: { stroke: color("line"), width: 1 },
      font: "12px system-ui, sans-serif",
    };
    this.#plot = new uPlot(
      {
        ...this.#size(),
        legend: { show: false },
        cursor: { drag: { x: false, y: false } },
        scales: { x: { time: true } },
        axes: [{ ...axis, space: 70 }, { ...axis, size: 64 }],
        series: [{}, {
          stroke: color("accent"),
          fill: color("fill"),
          width: 1.5,
          points: { show: false },
          paths: uPlot.paths.stepped({ align: 1 }),
        }],
      },
      [this.#times, this.#prices],
      this.#element,
    );
  }
}
