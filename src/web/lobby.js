/**
 * The page at `/`: one session, a `latest` channel for the pointers, an `ordered` one for the
 * chat. Written against the SDK alone.
 */
import { connect } from "/slipstream.js";
import { drawPointers } from "/pointers.js";

const element = (id) => document.getElementById(id);
const NAMES = { webtransport: "WebTransport", websocket: "WebSocket", sse: "SSE + POST" };

/** Which transports may be used: all of them, or the one that is forced. */
const transportsOf = (forced) => Object.hasOwn(NAMES, forced) ? [forced] : Object.keys(NAMES);
const parameters = new URLSearchParams(location.search);

const me = visitor();
const client = connect(location.origin, {
  info: me,
  transports: transportsOf(parameters.get("transport")),
});

// For a newcomer to play with in the browser's console.
globalThis.client = client;

/** From the start of the page until its first session, in milliseconds. */
client.ready.then(() => globalThis.connectedAfterMs = performance.now());

const force = element("force");
force.value = parameters.get("transport") ?? "";
// The session moves; nothing is lost on the way.
force.addEventListener("change", () => client.use(transportsOf(force.value)));

// --- who is here -------------------------------------------------------------------------------

const members = new Map();

function showMembers() {
  const items = [...members].map(([session, info]) => {
    const item = document.createElement("li");
    item.style.setProperty("--hue", hueOf(info));
    item.textContent = session === client.session ? `${nameOf(info)} (you)` : nameOf(info);
    return item;
  });
  element("members").replaceChildren(...items);
}

/** Who joined (with what they say of themselves) or left (`undefined`) while the answer was out. */
let meanwhile = new Map();

async function refreshMembers() {
  const changes = meanwhile = new Map();
  const present = await chat.presence();
  members.clear();
  for (const { session, info } of present) members.set(session, info);
  for (const [session, info] of changes) setMember(session, info);
  showMembers();
}

function setMember(session, info) {
  if (info === undefined) members.delete(session);
  else members.set(session, info);
}

// --- chat: ordered -----------------------------------------------------------------------------

const chat = client.channel("chat:lobby");
chat.subscribe({
  onSubscribed: () => refreshMembers().catch(note),
  onPublication: (publication) => say(publication),
  onJoin: ({ session, info }) => {
    meanwhile.set(session, info ?? {});
    setMember(session, info ?? {});
    showMembers();
  },
  onLeave: ({ session }) => {
    meanwhile.set(session, undefined);
    setMember(session, undefined);
    pointers.delete(session);
    showMembers();
  },
  onGap: (gap) => note(`${gap.missed ?? "Some"} messages were missed`),
});
client.ready.then(() => chat.history({ limit: 30 })).then((history) => {
  for (const publication of history.publications) say(publication);
}).catch(note);

/** Shown messages by offset: history and live delivery may both bring one. */
const shown = new Set();

function say({ offset, data, time }) {
  if (shown.has(offset)) return;
  shown.add(offset);
  const item = document.createElement("li");
  const name = document.createElement("b");
  const at = document.createElement("time");
  item.style.setProperty("--hue", hueOf(data));
  item.dataset.offset = offset;
  name.textContent = `${nameOf(data)} `;
  at.textContent = new Date(time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  item.append(at, name, String(data?.text ?? ""));
  const log = element("log");
  const next = [...log.children].find((other) => Number(other.dataset.offset) > offset);
  log.insertBefore(item, next ?? null);
  log.scrollTop = log.scrollHeight;
}

function note(text) {
  const item = document.createElement("li");
  item.className = "note";
  item.textContent = text instanceof Error ? text.message : text;
  element("log").append(item);
}

element("composer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = element("text").value.trim();
  if (!text) return;
  element("text").value = "";
  try {
    await chat.publish({ ...me, text });
  } catch (error) {
    element("text").value = text;
    note(error);
  }
});

// --- pointers: latest --------------------------------------------------------------------------

/** The newest pointer of each session: `{ x, y, name, hue }`, x and y from 0 to 1. */
const pointers = new Map();
const canvas = element("canvas");
const lobby = client.channel("pointers:lobby");
lobby.subscribe({
  onPublication: ({ key, data, removed }) => {
    if (removed) pointers.delete(key);
    else pointers.set(key, data);
  },
  onGap: () => pointers.clear(),
});

/** Where our pointer is, until the next frame sends it: at most one update a frame. */
let moved;
canvas.addEventListener("pointermove", (event) => {
  const box = canvas.getBoundingClientRect();
  moved = { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
});
canvas.addEventListener("pointerleave", () => {
  moved = undefined;
  if (client.session) lobby.remove(client.session, { acknowledge: false });
});

function frame() {
  if (moved && client.state === "connected") {
    lobby.publish({ ...me, ...moved }, { key: client.session, acknowledge: false });
    moved = undefined;
  }
  drawPointers(canvas, pointers);
  requestAnimationFrame(frame);
}
requestAnimationFrame(frame);

// --- gauges ------------------------------------------------------------------------------------

function showGauges() {
  const { messagesIn, messagesOut, bytesIn, bytesOut } = client.stats;
  element("status").textContent = client.state;
  element("status").dataset.state = client.state;
  element("transport").textContent = NAMES[client.transport] ?? "–";
  element("rtt").textContent = client.rttMs === undefined ? "–" : `${client.rttMs.toFixed(1)} ms`;
  element("messages").textContent = `${messagesIn} / ${messagesOut}`;
  element("bytes").textContent = `${bytesText(bytesIn)} / ${bytesText(bytesOut)}`;
  const reasons = client.fallbacks.map(({ transport, reason }) => `${NAMES[transport]}: ${reason}`);
  element("fallback").hidden = reasons.length === 0;
  element("fallback").textContent = `Fell back. ${reasons.join("; ")}`;
}
setInterval(showGauges, 250);
// Or the round trip would be measured by heartbeats alone.
setInterval(() => client.ping(), 2000);
showGauges();

function bytesText(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${(bytes / 1000).toFixed(1)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

// --- visitors ----------------------------------------------------------------------------------

/** A name and hue for this tab, kept over reloads: `{ name, hue }`. */
function visitor() {
  const kept = sessionStorage.getItem("visitor");
  if (kept) return JSON.parse(kept);
  const pick = (words) => words[Math.floor(Math.random() * words.length)];
  const name = `${pick(["Brisk", "Calm", "Keen", "Quick", "Sly", "Swift", "Warm", "Wry"])} ${
    pick(["Falcon", "Gull", "Heron", "Kite", "Martin", "Plover", "Swift", "Tern"])
  }`;
  const fresh = { name, hue: Math.floor(Math.random() * 360) };
  sessionStorage.setItem("visitor", JSON.stringify(fresh));
  return fresh;
}

// What other visitors send is theirs to choose: take it as text and number, whatever it is.
function nameOf(info) {
  return String(info?.name ?? "someone").slice(0, 40);
}

function hueOf(info) {
  return Number(info?.hue) || 0;
}
