/**
 * The page at `/arena`. The server decides; the page sends what is pressed and shows what it hears.
 * Written against the SDK alone:
 *
 * - `arena.join` (rpc) gives the session its ship.
 * - `arena-in:1` takes the buttons, thirty times a second, unacknowledged: by datagram.
 * - `arena:1` (`latest`) brings the cells of the world around the ship, `arena_pane.js`.
 * - `arena-events:1` (`ordered`) brings joins, kills and scores, `arena_board.js`.
 */
import { Board } from "./arena_board.js";
import { Controls } from "./arena_controls.js";
import { Pane } from "./arena_pane.js";
import { Inputs } from "./arena_prediction.js";
import { TICKS_PER_SECOND } from "./arena_rules.js";

const element = (id) => document.getElementById(id);
const parameters = new URLSearchParams(location.search);
const TICK_MS = 1000 / TICKS_PER_SECOND;

const inputs = new Inputs();
const controls = new Controls(element("fire"));
/** What the sliders say; the panes' links read it. */
const weather = { lossShare: 0, roundTripMs: 0 };
let ship = 0;
/** What went wrong, until it is right again. */
let notice = "";
const board = new Board(element("standings"), element("news"), () => ship);
const main = addPane(parameters.get("transport") ?? "");
let other;
const { client } = main;

// For a newcomer to play with in the browser's console.
globalThis.client = client;
globalThis.arena = { main, board, weather, inputs, ship: () => ship };

function addPane(transport) {
  const fragment = element("pane").content.cloneNode(true);
  const pane = new Pane(fragment.firstElementChild, { transport, inputs, weather });
  element("panes").append(fragment);
  controls.watch(pane.canvas);
  return pane;
}

// --- joining -----------------------------------------------------------------------------------

const visitor = JSON.parse(sessionStorage.getItem("visitor") ?? "null") ??
  { name: `Pilot ${1 + Math.floor(Math.random() * 999)}`, hue: Math.floor(Math.random() * 360) };
sessionStorage.setItem("visitor", JSON.stringify(visitor));

async function join() {
  try {
    const { ship: own, standings } = await client.rpc("arena.join", visitor);
    board.reset(standings);
    notice = "";
    if (own === ship) return;
    ship = own;
    main.follow(ship);
    other?.follow(ship);
  } catch (error) {
    tell(error.message);
  }
}

client.channel("arena-events:1").subscribe({
  // At first, and whenever the session is another.
  onSubscribed: join,
  onPublication: ({ data }) => {
    board.take(data);
    // Away for more than 5 s, as in the background: the ship is gone.
    if (data.some(({ type, id }) => type === "leave" && id === ship) && !document.hidden) join();
  },
  onGap: join,
  onUnsubscribed: ({ reason }) => tell(reason),
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && ship && !board.ships.has(ship)) join();
});

function tell(text) {
  notice = text;
}

// --- the loop ----------------------------------------------------------------------------------

let tickDue = performance.now();
let buttons = 0;
let colors = readColors();
matchMedia("(prefers-color-scheme: dark)")
  .addEventListener("change", () => colors = readColors());

function frame(now) {
  // After a pause of the page only the present counts.
  if (now - tickDue > 500) tickDue = now;
  for (; now >= tickDue; tickDue += TICK_MS) tick();
  const part = 1 - (tickDue - now) / TICK_MS;
  for (const pane of [main, other]) pane?.draw(part, { board, colors, buttons });
  requestAnimationFrame(frame);
}
requestAnimationFrame(frame);

function tick() {
  if (!ship || client.state !== "connected") return;
  buttons = controls.buttons(main.prediction.ship?.angle);
  const sent = inputs.add(buttons);
  const send = () =>
    client.channel("arena-in:1")
      .publish(sent, { key: client.session, acknowledge: false })
      .catch((error) => tell(error.message));
  // The emulated way to the server is as long as the way back.
  if (weather.roundTripMs > 0) setTimeout(send, weather.roundTripMs / 2);
  else send();
  main.prediction.step(buttons);
  other?.prediction.step(buttons);
}

function readColors() {
  const style = getComputedStyle(document.documentElement);
  const scheme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  return Object.fromEntries(
    ["ground", "line", "ink", "quiet", "good", "accent", "gem", "flame"].map((name) => [
      name,
      style.getPropertyValue(`--arena-${name}-${scheme}`).trim(),
    ]),
  );
}

// --- figures -----------------------------------------------------------------------------------

setInterval(() => {
  element("status").textContent = notice || client.state;
  element("status").dataset.state = notice ? "closed" : client.state;
  for (const pane of [main, other]) pane?.showFigures(colors);
  board.show();
}, 200);

async function showLoad() {
  if (client.state !== "connected") return;
  const { load, ships, standings } = await client.rpc("arena.standings");
  board.reset(standings);
  element("ships").textContent = ships;
  const { p50, p99 } = load.workMs;
  element("load").textContent = `${p50.toFixed(2)} · ${p99.toFixed(2)} ms`;
}
setInterval(() => showLoad().catch(() => {}), 2000);

// --- the bad link ------------------------------------------------------------------------------

function readWeather() {
  weather.lossShare = element("loss").valueAsNumber / 100;
  weather.roundTripMs = element("delay").valueAsNumber;
  element("loss-value").textContent = `${element("loss").value} %`;
  element("delay-value").textContent = `${element("delay").value} ms`;
}
for (const id of ["loss", "delay"]) element(id).addEventListener("input", readWeather);
readWeather();

function compare() {
  const wanted = element("compare").checked;
  element("panes").classList.toggle("two", wanted);
  if (wanted && !other) {
    other = addPane("websocket");
    if (ship) other.follow(ship);
  } else if (!wanted) {
    other?.close();
    other = undefined;
  }
}
element("compare").addEventListener("change", compare);
element("compare").checked = parameters.has("compare");
compare();
