// Two windows with the page of conf-examples/chat.conf: every panel shows every message once and in order, whatever
// happens to the server. Arguments: the server's address.

import { SERVER_WAS_AWAY, eventually, noErrors, open, perform, publish, server } from "./stage.mjs";

const TRANSPORTS = ["WebSocket", "EventSource", "Long-poll"];
const url = process.argv[2];
const room = new URL("room/lobby", url);

/** What was said so far. */
const said = [];

await perform(async (windows) => {
  const pages = [await open(windows, url, "Anna"), await open(windows, url, "Bert")];
  await connected(pages);

  await say(pages[0], "POST", "first");
  await say(pages[1], "WebSocket", "second");
  await say(pages[0], "WebSocket", "grüße 🫖");
  await say(pages[1], "POST", "<img src=x onerror=alert(1)> &lt;b&gt;");
  await byOthers("plain text\nof two lines");
  await byOthers('{"from": "<b>", "via": "&", "text": "{"}', "{");
  await byOthers('{"from": {"toString": 1}, "via": [], "text": {}}');
  await byOthers("no text, by its type", undefined, "application/octet-stream");
  await allShown(pages);

  // Nobody notices.
  await meanwhile(() => server("reload"), "reloaded");
  await allShown(pages);
  for (const transport of TRANSPORTS) await resumed(pages[0], transport, 0);

  // Who waits goes along, streams are told to come back.
  await meanwhile(() => server("upgrade"), "upgraded");
  await allShown(pages);
  await say(pages[0], "WebSocket", "to the new process");
  await allShown(pages);
  for (const transport of ["WebSocket", "EventSource"]) await resumed(pages[0], transport, 1);

  await disconnectAndReconnect(pages);

  // A page that is loaded anew begins with what is stored.
  await pages[1].reload();
  await allShown(pages);
  noErrors(pages);

  // A restart forgets what is stored; who has seen it goes on from there.
  const before = await Promise.all(TRANSPORTS.map((transport) => lastId(pages[0], transport)));
  const notesBefore = await Promise.all(TRANSPORTS.map((transport) => rows(pages[0], transport, "note").count()));
  await server("stop");
  await Promise.all(pages.flatMap((page) => TRANSPORTS.map((transport) => panel(page, transport, "connecting").waitFor())));
  await notSent(pages[0]);
  await server("start");
  await connected(pages);
  for (const [index, transport] of TRANSPORTS.entries()) {
    const note = rows(pages[0], transport, "note").nth(notesBefore[index]);
    await eventually(transport, () => note.textContent(), `resumed after id ${before[index]}`);
  }
  await say(pages[1], "POST", "after the restart");
  await say(pages[0], "WebSocket", "and so on");
  await allShown(pages);
  noErrors(pages, SERVER_WAS_AWAY);
});

/** Writes into the form of a window. */
async function say(page, via, text) {
  await page.bringToFront();
  await page.getByLabel(via, { exact: true }).check();
  await page.getByLabel("Message").fill(text);
  await page.getByLabel("Message").press("Enter");
  said.push(text);
  // Only then the next, for their order.
  await shown(page, "WebSocket");
}

async function byOthers(text, asShown = text, type = "text/plain") {
  await publish(room, text, type);
  said.push(asShown);
}

/** Goes on publishing while something is done. */
async function meanwhile(deed, text) {
  const done = deed();
  for (let number = 0; number < 20; number++) await byOthers(`${text} ${number}`);
  await done;
  await byOthers(`${text} at last`);
}

async function disconnectAndReconnect([page, other]) {
  await page.bringToFront();
  for (const transport of TRANSPORTS) {
    const before = await lastId(page, transport);
    const notesBefore = await rows(page, transport, "note").count();
    await panel(page, transport).getByRole("button").click();
    await panel(page, transport, "disconnected").waitFor();
    await byOthers(`1 without ${transport}`);
    await byOthers(`2 without ${transport}`);
    await shown(other, transport);
    await panel(page, transport).getByRole("button").click();
    await panel(page, transport, "connected").waitFor();
    await shown(page, transport);
    await eventually(transport, () => rows(page, transport, "note").nth(notesBefore).textContent(), `resumed after id ${before}`);
  }
  await allShown([page, other]);
}

/** What cannot be sent stays in the form. */
async function notSent(page) {
  await page.bringToFront();
  for (const [via, why] of [["POST", /^Not sent: /], ["WebSocket", /^Not sent: the WebSocket is not connected$/]]) {
    await page.getByLabel(via, { exact: true }).check();
    await page.getByLabel("Message").fill("lost?");
    await page.getByLabel("Message").press("Enter");
    await page.locator("output", { hasText: why }).waitFor();
    await eventually("the text stays", () => page.getByLabel("Message").inputValue(), "lost?");
  }
}

function panel(page, transport, state = "*") {
  return page.locator(state === "*" ? "section" : `section.${state}`).and(page.locator(`[data-transport="${transport}"]`));
}

function rows(page, transport, kind) {
  return panel(page, transport).locator(`li.${kind}`);
}

async function lastId(page, transport) {
  return rows(page, transport, "message").last().getAttribute("data-id");
}

async function connected(pages) {
  await Promise.all(pages.flatMap((page) => TRANSPORTS.map((transport) => panel(page, transport, "connected").waitFor())));
}

/** A panel shows what was said: all of it, in this order, and nothing twice. */
async function shown(page, transport) {
  const texts = panel(page, transport).locator("li:not(.note) span");
  await eventually(`${transport} shows`, () => texts.allTextContents(), said);
}

async function allShown(pages) {
  for (const page of pages) {
    for (const transport of TRANSPORTS) await shown(page, transport);
    const agreement = `All three have the same ${said.length} messages in the same order.`;
    await eventually("the panels agree", () => page.locator("#agreement").textContent(), agreement);
    await eventually("nothing is markup", () => page.locator("main").locator("img, li b *, li span *").count(), 0);
  }
}

/** How often a panel has resumed. */
async function resumed(page, transport, count) {
  await eventually(`${transport} resumed`, () => rows(page, transport, "note").count(), count);
}
