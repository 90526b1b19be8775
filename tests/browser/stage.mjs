// What the scripts share: a browser, pages whose errors are failures, and a line to the test that started the script.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

/** How long anything may take, in milliseconds. */
const PATIENCE = 20_000;

const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

/** Runs `play` with the windows of a browser that knows nothing yet, and ends the process with its verdict. */
export async function perform(play, options = {}) {
  const profile = await mkdtemp(join(tmpdir(), "encke-browser-"));
  const executablePath = process.env.ENCKE_CHROMIUM ?? "/usr/bin/chromium";
  const windows = await chromium.launchPersistentContext(profile, { executablePath, args: FLAGS, ...options });
  windows.setDefaultTimeout(PATIENCE);
  let status = 0;
  try {
    await play(windows);
  } catch (error) {
    console.error(error.stack);
    status = 1;
  }
  await windows.close();
  await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  process.exit(status);
}

/** Opens a window. `page.errors` is what its console and its scripts complain of. */
export async function open(windows, url, name) {
  const page = await windows.newPage();
  page.errors = [];
  page.on("pageerror", (error) => page.errors.push(`${error}`));
  page.on("console", (message) => {
    if (message.type() === "error") page.errors.push(`${message.text()} ${message.location().url}`);
  });
  await page.addInitScript((name) => sessionStorage.setItem("name", name), name);
  await page.goto(url);
  return page;
}

/** What a console says of a server that is not there, or is going. */
export const SERVER_WAS_AWAY = [/^Failed to load resource: /, /^WebSocket connection to .* failed/];

/** Throws if a window complained since this was last called, of anything but what is expected. */
export function noErrors(pages, expected = []) {
  const errors = pages.flatMap((page) => page.errors.splice(0));
  const others = errors.filter((error) => !expected.some((pattern) => pattern.test(error)));
  if (others.length > 0) throw new Error(`errors in a window:\n${others.join("\n")}`);
}

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Has the test that started the script do something with the server: `reload`, `upgrade`, `stop` or `start`. */
export async function server(deed) {
  console.log(deed);
  const { value } = await answers.next();
  if (value !== "done") throw new Error(`${deed}: ${value}`);
}

/** Publishes, and returns the message's id. */
export async function publish(url, text, type = "text/plain") {
  const headers = { "Content-Type": type, Accept: "text/json" };
  const answer = await fetch(url, { method: "POST", headers, body: text });
  if (!answer.ok) throw new Error(`publishing is answered ${answer.status}`);
  return (await answer.json()).last_message_id;
}

/** Waits until `look` returns what is expected; throws what it returned instead. */
export async function eventually(what, look, expected) {
  const wanted = JSON.stringify(expected);
  const deadline = Date.now() + PATIENCE;
  let seen;
  while ((seen = JSON.stringify(await look())) !== wanted) {
    if (Date.now() > deadline) throw new Error(`${what}:\n     got ${seen}\nexpected ${wanted}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
