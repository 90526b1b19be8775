// The same channel over three transports. What they have in common: every message has an id, and whoever names the last
// one it saw gets what came after it. So a panel that comes back misses nothing, and sees nothing twice.
"use strict";

const room = location.hash.slice(1).replace(/[^\w-]/g, "") || "lobby";
const address = new URL(`room/${room}`, location.href.replace(/#.*/, ""));

/** How long to wait before connecting again, in milliseconds. */
const RETRY = 1000;
/** How many lines a panel keeps. */
const LINES = 500;

// === Transports ===
//
// Each is a function of (after, on): `after` is the last id that was seen, if any, and `on` is told of `opened()`,
// `message(id, text)`, `lost(why)`, and `interrupted()` if nothing has to be done about it. What is returned has `close()`.

/** An address that says after which message to begin. */
function since(after, protocol = address.protocol) {
  const url = new URL(address);
  url.protocol = protocol;
  if (after) url.searchParams.set("last_event_id", after);
  return url;
}

function webSocket(after, on) {
  // In this subprotocol lines with the id and the type come before the message, and an empty one.
  const socket = new WebSocket(since(after, address.protocol.replace("http", "ws")), "ws+meta.nchan");
  socket.onopen = () => on.opened();
  socket.binaryType = "arraybuffer";
  socket.onmessage = ({ data }) => {
    const whole = typeof data === "string" ? data : new TextDecoder().decode(data);
    const [, id, text] = whole.match(/^id: (.*)\n(?:.+\n)*\n([^]*)$/);
    on.message(id, text);
  };
  socket.onclose = ({ code, reason }) => on.lost(`closed with ${code} ${reason}`);
  return { close: () => socket.close(), send: (text) => socket.send(text) };
}

function eventSource(after, on) {
  const source = new EventSource(since(after));
  source.onopen = () => on.opened();
  source.onmessage = ({ lastEventId, data }) => on.message(lastEventId, data);
  source.onerror = () => {
    // Browsers connect again by themselves and send the last id, unless the answer was an error.
    if (source.readyState === EventSource.CONNECTING) on.interrupted();
    else on.lost("refused");
  };
  return { close: () => source.close() };
}

function longPoll(after, on) {
  const controller = new AbortController();
  poll(after, on, controller.signal).catch((error) => {
    if (error.name !== "AbortError") on.lost(error.message);
  });
  return { close: () => controller.abort() };
}

/** Asks for one message after the other. An id is made of two headers: `Last-Modified`, as seconds, and `Etag`. */
async function poll(after, on, signal) {
  for (;;) {
    const headers = {};
    if (after) {
      const [time, tag] = after.split(":");
      headers["If-Modified-Since"] = new Date(time * 1000).toUTCString();
      headers["If-None-Match"] = tag;
    }
    // A request that waits says nothing; one that fails does so soon.
    const waits = setTimeout(() => on.opened(), RETRY / 4);
    const answer = await fetch(address, { headers, cache: "no-store", signal }).finally(() => clearTimeout(waits));
    if (answer.status !== 200) throw new Error(`answered ${answer.status}`);
    const text = await answer.text();
    after = `${Date.parse(answer.headers.get("Last-Modified")) / 1000}:${answer.headers.get("Etag")}`;
    on.opened();
    on.message(after, text);
  }
}

// === Panels ===

/** What one transport received, and how it is. */
class Panel {
  ids = [];

  constructor(title, transport) {
    this.transport = transport;
    this.section = document.getElementById("panel").content.firstElementChild.cloneNode(true);
    this.section.dataset.transport = title;
    this.section.querySelector("h2").textContent = title;
    this.list = this.section.querySelector("ol");
    this.button = this.section.querySelector("button");
    this.button.onclick = () => (this.button.textContent === "Disconnect" ? this.disconnect() : this.connect());
    document.querySelector("main").append(this.section);
    this.connect();
  }

  connect() {
    clearTimeout(this.retry);
    this.button.textContent = "Disconnect";
    this.show("connecting", "connecting");
    const line = this.line = {};
    // What a line that was given up still says is not heard.
    const heard = (react) => (...what) => { if (line === this.line) react(...what); };
    this.connection = this.transport(this.ids.at(-1), {
      opened: heard(() => this.opened()),
      message: heard((id, text) => this.receive(id, text)),
      interrupted: heard(() => this.show("connecting", "interrupted; the browser connects again")),
      lost: heard((why) => this.lost(why)),
    });
  }

  disconnect() {
    this.line = null;
    this.connection.close();
    clearTimeout(this.retry);
    this.button.textContent = "Reconnect";
    this.show("disconnected", "disconnected by you");
  }

  opened() {
    if (this.state === "connected") return;
    this.show("connected", "connected");
    if (this.ids.length > 0) this.append("note", `resumed after id ${this.ids.at(-1)}`);
  }

  lost(why) {
    this.line = null;
    this.connection?.close();
    this.show("connecting", `${why}; connecting again`);
    this.retry = setTimeout(() => this.connect(), RETRY);
  }

  receive(id, text) {
    const row = this.append(this.ids.includes(id) ? "twice" : "message", ...parts(id, text));
    row.dataset.id = id;
    this.ids.push(id);
    compare();
  }

  show(state, words) {
    this.state = state;
    this.section.className = state;
    this.section.querySelector(".state").textContent = words;
  }

  append(kind, ...content) {
    const row = document.createElement("li");
    row.className = kind;
    row.append(...content);
    this.list.append(row);
    if (this.list.childElementCount > LINES) this.list.firstElementChild.remove();
    this.list.scrollTop = this.list.scrollHeight;
    return row;
  }
}

/** A message as it is shown: who, what, and by which way it came. Strangers wrote it, so all of it is text. */
function parts(id, text) {
  const { from, via, words } = understood(text);
  const name = element("b", from);
  name.style.setProperty("--hue", hue(from));
  return [name, element("span", words), element("small", via ? `${id} via ${via}` : id)];
}

/** What a page like this one published, or the whole text as it came. */
function understood(text) {
  try {
    const { from, via, text: words } = JSON.parse(text);
    if ([from, via, words].every((part) => typeof part === "string")) return { from, via, words };
  } catch {
    // Somebody published by other means.
  }
  return { from: "", via: "", words: text };
}

function element(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

/** A colour for a name, in degrees. */
function hue(name) {
  return [...name].reduce((sum, letter) => (sum * 67 + letter.codePointAt(0)) % 360, 0);
}

/** Says whether all panels show the same. */
function compare() {
  const [first, ...others] = panels.map((panel) => panel.ids);
  const same = others.every((ids) => ids.join() === first.join());
  const counts = panels.map((panel) => `${panel.section.dataset.transport} ${panel.ids.length}`).join(", ");
  const agreement = document.getElementById("agreement");
  agreement.className = same ? "same" : "differs";
  agreement.textContent = same ? `All three have the same ${first.length} messages in the same order.` : counts;
}

// === This window ===

/** Windows are called after periodic comets. A name lasts as long as the window. */
const COMETS = "Halley Biela Faye Brorsen Tempel Wolf Finlay Holmes Borrelly Kopff Schaumasse Wild Crommelin Olbers".split(" ");
const name = sessionStorage.name ??= COMETS[Math.floor(Math.random() * COMETS.length)];

document.getElementById("room").textContent = room;
document.getElementById("name").textContent = name;
document.getElementById("name").style.setProperty("--hue", hue(name));

const panels = [];
for (const [title, transport] of [["WebSocket", webSocket], ["EventSource", eventSource], ["Long-poll", longPoll]]) {
  panels.push(new Panel(title, transport));
}
compare();
addEventListener("hashchange", () => location.reload());

const form = document.querySelector("form");
form.onsubmit = async (event) => {
  event.preventDefault();
  const { text, via } = form.elements;
  const words = text.value;
  if (words === "") return;
  const message = JSON.stringify({ from: name, via: via.value, text: words });
  const output = form.querySelector("output");
  text.value = output.textContent = "";
  try {
    await (via.value === "POST" ? post(message) : sendOverWebSocket(message));
  } catch (error) {
    output.textContent = `Not sent: ${error.message}`;
    text.value ||= words;
  }
};

async function post(message) {
  const answer = await fetch(address, { method: "POST", headers: { "Content-Type": "application/json" }, body: message });
  if (!answer.ok) throw new Error(`answered ${answer.status}`);
}

function sendOverWebSocket(message) {
  const { connection, state } = panels[0];
  if (state !== "connected") throw new Error("the WebSocket is not connected");
  connection.send(message);
}
