// NchanSubscriber.js, as it is on npm, over each of its transports: all messages in order, with their ids, whatever happens
// to the server. Arguments: the server's address.

import { createRequire } from "node:module";
import { SERVER_WAS_AWAY, eventually, noErrors, open, perform, publish, server } from "./stage.mjs";

const TRANSPORTS = ["websocket", "eventsource", "longpoll"];
const LIBRARY = createRequire(import.meta.url).resolve("nchan");
const url = process.argv[2];

/** What was published so far, with ids, as `[text, id]`. */
const published = [];

await perform(async (windows) => {
  await say("stored");
  await say("of two\nlines, grüße 🫖");
  const pages = await Promise.all(TRANSPORTS.map((transport) => listen(windows, transport)));
  await allReceived(pages);
  await say("new");
  await allReceived(pages);
  await connectedOnce(pages);

  await meanwhile(() => server("reload"), "reloaded");
  await allReceived(pages);
  await connectedOnce(pages);
  await meanwhile(() => server("upgrade"), "upgraded");
  await allReceived(pages);

  await Promise.all(pages.map((page) => page.evaluate(() => void subscriber.stop())));
  await eventually("nobody is left", subscribers, 0);
  await say("while they were stopped");
  await say("and this");
  const beforeTheStop = published.slice(0, -2);
  for (const page of pages) await eventually("it is silent", () => received(page), beforeTheStop);
  await Promise.all(pages.map((page) => page.evaluate(() => void subscriber.start())));
  await allReceived(pages);
  noErrors(pages);

  await server("stop");
  await server("start");
  await eventually("all are back", subscribers, TRANSPORTS.length);
  await say("after the restart");
  await say("and so on");
  await allReceived(pages);
  noErrors(pages, SERVER_WAS_AWAY);
});

/** Opens a window that subscribes over a transport. */
async function listen(windows, transport) {
  const page = await open(windows, url, transport);
  await page.addScriptTag({ path: LIBRARY });
  await page.evaluate((transport) => {
    window.received = [];
    window.connects = 0;
    window.subscriber = new NchanSubscriber("/sub?id=a", { subscriber: transport, reconnectTimeout: 200 });
    subscriber.on("message", (text, { id }) => received.push([text, id]));
    subscriber.on("connect", () => connects++);
    subscriber.start();
  }, transport);
  return page;
}

async function say(text) {
  published.push([text, await publish(new URL("pub?id=a", url), text)]);
}

/** Goes on publishing while something is done. */
async function meanwhile(deed, text) {
  const done = deed();
  for (let number = 0; number < 20; number++) await say(`${text} ${number}`);
  await done;
  await say(`${text} at last`);
}

function received(page) {
  return page.evaluate(() => window.received);
}

async function allReceived(pages) {
  for (const [index, page] of pages.entries()) {
    await eventually(`${TRANSPORTS[index]} received`, () => received(page), published);
  }
}

/** Nobody had to connect again. */
async function connectedOnce(pages) {
  for (const [index, page] of pages.entries()) {
    await eventually(`${TRANSPORTS[index]} connects`, () => page.evaluate(() => connects), 1);
  }
}

async function subscribers() {
  const answer = await fetch(new URL("pub?id=a", url), { headers: { Accept: "text/json" } });
  // 404: nobody came yet, and nothing is stored.
  return answer.ok ? (await answer.json()).subscribers : 0;
}
