/** Draws each pointer as an arrow with its name and a fading trail. */

const TRAIL_MS = 600;
/** Where each pointer was of late, by session: `[{ x, y, at }]`. */
const trails = new Map();

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Map<string, { x: number, y: number, name: string, hue: number }>} pointers x and y from 0 to 1
 */
export function drawPointers(canvas, pointers) {
  const scale = devicePixelRatio;
  const { width, height } = canvas.getBoundingClientRect();
  if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale);
  if (canvas.height !== Math.round(height * scale)) canvas.height = Math.round(height * scale);
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  const now = performance.now();
  for (const session of trails.keys()) if (!pointers.has(session)) trails.delete(session);
  for (const [session, pointer] of pointers) {
    const x = Number(pointer?.x) * width;
    const y = Number(pointer?.y) * height;
    if (!Number.isFinite(x + y)) continue;
    const hue = Number(pointer.hue) || 0;
    drawTrail(context, trailOf(session, x, y, now), hue, now);
    drawArrow(context, x, y, hue);
    drawName(context, x, y, String(pointer.name ?? "").slice(0, 40), width);
  }
}

function trailOf(session, x, y, now) {
  let trail = trails.get(session);
  if (!trail) trails.set(session, trail = []);
  const last = trail.at(-1);
  if (!last || last.x !== x || last.y !== y) trail.push({ x, y, at: now });
  while (trail.length && now - trail[0].at > TRAIL_MS) trail.shift();
  return trail;
}

function drawTrail(context, trail, hue, now) {
  context.lineWidth = 4;
  // Round caps would overlap as beads where the line is translucent.
  context.lineCap = "butt";
  for (let i = 1; i < trail.length; i++) {
    const strength = 1 - (now - trail[i].at) / TRAIL_MS;
    context.strokeStyle = `hsl(${hue} 70% 55% / ${strength * 0.6})`;
    context.beginPath();
    context.moveTo(trail[i - 1].x, trail[i - 1].y);
    context.lineTo(trail[i].x, trail[i].y);
    context.stroke();
  }
}

function drawArrow(context, x, y, hue) {
  context.fillStyle = `hsl(${hue} 70% 50%)`;
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(x + 4, y + 15);
  context.lineTo(x + 7.5, y + 9);
  context.lineTo(x + 14, y + 8);
  context.closePath();
  context.fill();
}

function drawName(context, x, y, name, width) {
  context.font = "12px system-ui, sans-serif";
  context.fillStyle = getComputedStyle(context.canvas).color;
  const left = Math.min(x + 14, width - context.measureText(name).width - 4);
  context.fillText(name, left, y + 24);
}
