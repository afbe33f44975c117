/**
 * How old what is shown is. The clocks of server and page need not agree: the update that came
 * fastest tells by how much they differ, and that one was under way for half a round trip.
 */
const WINDOW_MS = 60_000;
const SAMPLES = 240;

export class AgeMeter {
  /** The least difference of the clocks in the present and the last window. */
  #least = Infinity;
  #leastBefore = Infinity;
  #windowEnds = 0;
  #newestTime = -Infinity;
  #samples = new Float32Array(SAMPLES);
  #count = 0;

  /** Tells of an update as it comes in, before anything is done to it. */
  arrived(serverTime) {
    const now = performance.timeOrigin + performance.now();
    if (now > this.#windowEnds) {
      this.#leastBefore = this.#least;
      this.#least = Infinity;
      this.#windowEnds = now + WINDOW_MS;
    }
    this.#least = Math.min(this.#least, now - serverTime);
  }

  /** Tells of an update that is shown from now on. */
  shown(serverTime) {
    this.#newestTime = Math.max(this.#newestTime, serverTime);
  }

  /** Takes a sample: the age of the newest that is shown, in milliseconds. Once a frame. */
  sample(rttMs = 0) {
    const difference = Math.min(this.#least, this.#leastBefore);
    if (!Number.isFinite(this.#newestTime + difference)) return;
    const now = performance.timeOrigin + performance.now();
    const age = now - this.#newestTime - difference + rttMs / 2;
    this.#samples[this.#count++ % SAMPLES] = age;
  }

  /** The newest sample. */
  get last() {
    return this.#count > 0 ? this.#samples[(this.#count - 1) % SAMPLES] : undefined;
  }

  /** The share of the last four seconds' frames that showed nothing older: `quantile(0.99)`. */
  quantile(share) {
    const filled = Math.min(this.#count, SAMPLES);
    if (filled === 0) return undefined;
    return this.#samples.slice(0, filled).sort()[Math.min(filled - 1, Math.floor(share * filled))];
  }

  /** Draws the samples as a line, the newest at the right; the full height is `topMs`. */
  draw(canvas, color, topMs) {
    const { clientWidth: width, clientHeight: height } = canvas;
    if (canvas.width !== width * 2) canvas.width = width * 2;
    if (canvas.height !== height * 2) canvas.height = height * 2;
    const context = canvas.getContext("2d");
    context.setTransform(2, 0, 0, 2, 0, 0);
    context.clearRect(0, 0, width, height);
    context.strokeStyle = context.fillStyle = color;
    context.lineWidth = 1.5;
    context.beginPath();
    const filled = Math.min(this.#count, SAMPLES);
    for (let at = 0; at < filled; at++) {
      const age = this.#samples[(this.#count - filled + at) % SAMPLES];
      const x = width - (filled - at) * (width / SAMPLES);
      context.lineTo(x, height - 1 - Math.min(1, age / topMs) * (height - 2));
    }
    context.stroke();
  }
}
