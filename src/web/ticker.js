/**
 * The page at `/ticker`, against the SDK alone: what may be skipped comes by `latest` channels
 * (`quotes:1`, `book:1`), what may not by `ordered` ones (`trades:1`, the account's own `orders:…`).
 */
import { connect } from "/slipstream.js";
import { AgeMeter } from "./age_meter.js";
import { Book } from "./ticker_book.js";
import { Chart } from "./ticker_chart.js";
import { priceText } from "./ticker_format.js";
import { Orders } from "./ticker_orders.js";
import { SlowReader } from "./ticker_slow.js";
import { Tape } from "./ticker_tape.js";
import { Watchlist } from "./ticker_watchlist.js";

const element = (id) => document.getElementById(id);
const NAMES = { webtransport: "WebTransport", websocket: "WebSocket", sse: "SSE + POST" };
const transportsOf = (forced) => Object.hasOwn(NAMES, forced) ? [forced] : Object.keys(NAMES);

const force = element("force");
force.value = new URLSearchParams(location.search).get("transport") ?? "";
const slow = new SlowReader();
slow.install();
const client = connect(location.origin, { transports: transportsOf(force.value) });
force.addEventListener("change", () => client.use(transportsOf(force.value)));

// --- quotes: latest, of the symbols in view -----------------------------------------------------

const ages = new AgeMeter();
let selected = "";
/** The symbols that are asked for: those in view and the chosen one. */
const wanted = new Set();
const watchlist = new Watchlist(element("watchlist"), { onSelect: select, onView: look });

const quotes = client.channel("quotes:1").subscribe({
  keys: wanted,
  onPublication({ key, data, removed, time }) {
    // What was under way when the view moved on.
    if (removed || !wanted.has(key)) return;
    watchlist.take(key, data);
    ages.arrived(time);
    ages.shown(time);
    slow.count(key, data.n);
    if (key === selected) chart.take(time, data.price);
  },
});

function look(add, remove) {
  for (const symbol of add) wanted.add(symbol);
  const left = remove.filter((symbol) => symbol !== selected);
  for (const symbol of left) {
    wanted.delete(symbol);
    slow.forget(symbol);
  }
  quotes.track(add, left);
}

// --- the chosen symbol --------------------------------------------------------------------------

const chart = new Chart(element("chart"));
const book = new Book(element("asks"), element("bids"), element("spread"));
const booked = new Set();
const books = client.channel("book:1").subscribe({
  keys: booked,
  onPublication({ key, data, removed }) {
    if (key === selected && !removed) book.take(data);
  },
});

function select(symbol) {
  const before = selected;
  if (symbol === before) return;
  selected = symbol;
  element("symbol").textContent = symbol;
  chart.clear();
  book.clear();
  booked.clear();
  booked.add(symbol);
  books.track([symbol], before ? [before] : []);
  look([symbol], before && !watchlist.visible.has(before) ? [before] : []);
}

/** The market of the server says its symbols; a feed from outside has those that it has quoted. */
async function findSymbols() {
  const { symbols } = await client.rpc("market.symbols");
  if (symbols.length > 0) return watchlist.open(symbols);
  const { publications } = await client.channel("quotes:1").history({ limit: 1000 });
  watchlist.open(publications.map(({ key }) => key));
  if (publications.length === 0) setTimeout(() => findSymbols().catch(note), 2000);
}
findSymbols().catch(note);

// --- trades: ordered ----------------------------------------------------------------------------

const tape = new Tape(element("tape"));
client.channel("trades:1").subscribe({
  onPublication: ({ data }) => tape.take(data),
  onGap: ({ missed }) => note(`${missed ?? "Some"} trades were missed`),
});

// --- own orders: placed by rpc, told by an ordered channel ---------------------------------------

const account = accountName();
const orders = new Orders(element("orders"), (id) => {
  client.rpc("market.cancel", { account, id }).catch(note);
});
const own = client.channel(`orders:${account}`);
let early = [];
own.subscribe({
  // Until the history is there, what happens waits.
  onPublication: ({ data }) => early ? early.push(data) : orders.take(data),
  onGap: ({ missed }) => note(`${missed ?? "Some"} order events were missed`),
});
own.history({ limit: 500 }).then(({ publications }) => {
  for (const { data } of publications) orders.take(data);
}).catch(note).finally(() => {
  for (const event of early) orders.take(event);
  early = undefined;
});

async function place(count) {
  const limit = element("limit").valueAsNumber;
  const order = {
    account,
    symbol: selected,
    side: element("side").value,
    quantity: element("quantity").valueAsNumber,
    ...(Number.isFinite(limit) && { limit: Math.round(limit * 100) }),
  };
  try {
    const placed = Array.from({ length: count }, () => client.rpc("market.place", order));
    await Promise.all(placed);
    note("");
  } catch (error) {
    note(error);
  }
}

element("entry").addEventListener("submit", (event) => {
  event.preventDefault();
  place(1);
});
element("burst").addEventListener("click", () => place(50));

/** The account of this browser: whoever knows its name reads its orders. */
function accountName() {
  const kept = localStorage.getItem("account");
  if (kept) return kept;
  const fresh = crypto.randomUUID();
  localStorage.setItem("account", fresh);
  return fresh;
}

function note(text) {
  element("note").textContent = text instanceof Error ? text.message : text;
}

// --- figures, and one drawing a frame -----------------------------------------------------------

element("slow").addEventListener("change", () => {
  slow.on = element("slow").checked;
  const without = slow.on && client.transport !== "webtransport";
  note(without ? "On one stream everything would wait together: choose WebTransport" : "");
});

function frame() {
  watchlist.draw();
  book.draw();
  chart.draw();
  tape.draw();
  orders.draw();
  const quote = watchlist.quote(selected);
  if (quote) element("last").textContent = priceText(quote.price);
  requestAnimationFrame(frame);
}
requestAnimationFrame(frame);

setInterval(() => {
  const { made, seen } = slow.takeRates();
  element("status").textContent = client.state;
  element("status").dataset.state = client.state;
  element("transport").textContent = NAMES[client.transport] ?? "–";
  element("made").textContent = Math.round(made);
  element("seen").textContent = Math.round(seen);
  ages.sample(client.rttMs);
  element("age").textContent = `${Math.round(ages.last ?? 0)} ms`;
  element("skipped").textContent = slow.skipped;
  element("events").textContent = orders.events;
  element("lost").textContent = orders.lost;
}, 1000);

client.on("state", (state) => {
  element("status").textContent = state;
  element("status").dataset.state = state;
});

// For a newcomer to play with in the browser's console.
globalThis.client = client;
globalThis.ticker = { slow, orders, tape, watchlist, wanted };
