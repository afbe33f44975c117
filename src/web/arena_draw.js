/** Draws what a player sees: the ground, gems, bullets and ships around the own ship. */
import { HULL, SHIP_RADIUS, way } from "./arena_rules.js";

/** The side of a square as large as the view, in units: whoever has a wide screen sees no more. */
const VIEW = 760;
/** On a small screen less is seen, so that ships and names keep a size to be made out. */
const LEAST_SCALE = 0.64;
const GRID = 100;

/** How large the view is on a canvas: `{ scale, width, height }`, width and height in units. */
export function viewOf({ clientWidth, clientHeight }) {
  const scale = Math.max(LEAST_SCALE, Math.sqrt(clientWidth * clientHeight) / VIEW);
  return { scale, width: clientWidth / scale, height: clientHeight / scale };
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {{ place: { x: number, y: number }, things: Iterable<object>, gems: Iterable<number[]>,
 *   names: Map<number, { name: string, hue: number }>, own: number, colors: object }} scene
 */
export function drawArena(canvas, { place, things, gems, names, own, colors }) {
  const pixels = Math.min(devicePixelRatio, 2);
  const { clientWidth, clientHeight } = canvas;
  const { scale, width, height } = viewOf(canvas);
  if (canvas.width !== Math.round(clientWidth * pixels)) {
    canvas.width = Math.round(clientWidth * pixels);
  }
  if (canvas.height !== Math.round(clientHeight * pixels)) {
    canvas.height = Math.round(clientHeight * pixels);
  }
  const context = canvas.getContext("2d");
  context.setTransform(pixels * scale, 0, 0, pixels * scale, 0, 0);
  context.fillStyle = colors.ground;
  context.fillRect(0, 0, width, height);
  drawGrid(context, place, width, height, colors.line);

  const at = ({ x, y }) => [width / 2 + way(place.x, x), height / 2 + way(place.y, y)];
  for (const [x, y] of gems) drawGem(context, ...at({ x, y }), colors);
  const ships = [];
  for (const thing of things) {
    if (thing.kind === "bullet") drawBullet(context, ...at(thing), thing);
    else ships.push(thing);
  }
  for (const ship of ships) {
    const [x, y] = at(ship);
    if (ship.hull === 0) drawWreck(context, x, y);
    else drawShip(context, x, y, ship, names.get(ship.id), ship.id === own, colors);
  }
}

function drawGrid(context, place, width, height, color) {
  context.strokeStyle = color;
  context.lineWidth = 1;
  context.beginPath();
  for (let x = -((place.x - width / 2) % GRID) - GRID; x < width + GRID; x += GRID) {
    context.moveTo(x, 0);
    context.lineTo(x, height);
  }
  for (let y = -((place.y - height / 2) % GRID) - GRID; y < height + GRID; y += GRID) {
    context.moveTo(0, y);
    context.lineTo(width, y);
  }
  context.stroke();
}

function drawGem(context, x, y, { gem, ground }) {
  context.fillStyle = gem;
  context.beginPath();
  context.moveTo(x, y - 11);
  context.lineTo(x + 9, y);
  context.lineTo(x, y + 11);
  context.lineTo(x - 9, y);
  context.fill();
  context.fillStyle = ground;
  context.globalAlpha = 0.45;
  context.beginPath();
  context.moveTo(x, y - 11);
  context.lineTo(x + 4, y);
  context.lineTo(x, y + 11);
  context.lineTo(x - 9, y);
  context.fill();
  context.globalAlpha = 1;
}

function drawBullet(context, x, y, { vx, vy, hue }) {
  const speed = Math.hypot(vx, vy) || 1;
  context.strokeStyle = `hsl(${hue} 90% 55%)`;
  context.lineWidth = 4;
  context.lineCap = "round";
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(x - (vx / speed) * 14, y - (vy / speed) * 14);
  context.stroke();
}

function drawShip(context, x, y, { angle, hull, shielded, thrusting }, named, isOwn, colors) {
  const hue = named?.hue ?? 0;
  context.save();
  context.translate(x, y);
  context.rotate(angle);
  if (thrusting) {
    context.fillStyle = colors.flame;
    context.beginPath();
    context.moveTo(-SHIP_RADIUS * 0.6, -7);
    context.lineTo(-SHIP_RADIUS * (1.3 + Math.random() * 0.5), 0);
    context.lineTo(-SHIP_RADIUS * 0.6, 7);
    context.fill();
  }
  context.beginPath();
  context.moveTo(SHIP_RADIUS * 1.15, 0);
  context.lineTo(-SHIP_RADIUS * 0.8, SHIP_RADIUS * 0.8);
  context.lineTo(-SHIP_RADIUS * 0.4, 0);
  context.lineTo(-SHIP_RADIUS * 0.8, -SHIP_RADIUS * 0.8);
  context.closePath();
  context.fillStyle = `hsl(${hue} 70% ${isOwn ? 55 : 50}%)`;
  context.fill();
  context.lineWidth = isOwn ? 3 : 1.5;
  context.strokeStyle = isOwn ? colors.ink : colors.ground;
  context.stroke();
  context.restore();

  if (shielded) {
    context.strokeStyle = `hsl(${hue} 80% 60%)`;
    context.lineWidth = 2;
    context.setLineDash([6, 5]);
    context.beginPath();
    context.arc(x, y, SHIP_RADIUS * 1.6, 0, 2 * Math.PI);
    context.stroke();
    context.setLineDash([]);
  }
  for (let left = 0; left < HULL; left++) {
    context.fillStyle = left < hull ? colors.good : colors.line;
    context.fillRect(x - 17 + left * 12, y + 28, 10, 3);
  }
  if (!named) return;
  context.font = `${isOwn ? 600 : 400} 14px system-ui, sans-serif`;
  context.textAlign = "center";
  context.fillStyle = isOwn ? colors.ink : colors.quiet;
  context.fillText(isOwn ? "You" : named.name, x, y + 48);
}

function drawWreck(context, x, y) {
  const turn = performance.now() / 160;
  context.lineWidth = 3;
  context.strokeStyle = "hsl(24 95% 58%)";
  for (let ray = 0; ray < 9; ray++) {
    const angle = turn + (ray * 2 * Math.PI) / 9;
    const reach = 10 + 12 * Math.abs(Math.sin(turn * 2 + ray));
    context.beginPath();
    context.moveTo(x + Math.cos(angle) * 6, y + Math.sin(angle) * 6);
    context.lineTo(x + Math.cos(angle) * reach, y + Math.sin(angle) * reach);
    context.stroke();
  }
}
