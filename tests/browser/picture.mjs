// Writes docs/images/chat.png: a conversation in two windows. Arguments: the server's address.

import { fileURLToPath } from "node:url";
import { eventually, open, perform, publish } from "./stage.mjs";

const url = process.argv[2];
const path = fileURLToPath(new URL("../../docs/images/chat.png", import.meta.url));
const viewport = { width: 1000, height: 560 };

await perform(async (windows) => {
  const halley = await open(windows, url, "Halley");
  const biela = await open(windows, url, "Biela");
  await say(halley, "POST", "Anybody out there?");
  await publish(new URL("room/lobby", url), "The kettle boils.");

  await button(halley, "EventSource").click();
  await say(biela, "WebSocket", "Milk, or <b>sugar</b>?");
  await button(halley, "EventSource").click();
  await halley.locator("li.note").waitFor();
  await say(halley, "WebSocket", "Both. I was away, and missed nothing.");

  await button(biela, "Long-poll").click();
  await say(halley, "POST", "Still there?");
  const shots = [];
  for (const page of [halley, biela]) {
    await page.bringToFront();
    await page.mouse.move(0, 0);
    await page.getByLabel("Message").focus();
    shots.push(await page.screenshot({ animations: "disabled" }));
  }

  const frame = await windows.newPage();
  await frame.setViewportSize({ width: viewport.width + 80, height: 2 * viewport.height + 190 });
  await frame.setContent(framed(shots));
  await frame.screenshot({ path });
}, { viewport, colorScheme: "light" });

async function say(page, via, text) {
  await page.bringToFront();
  await page.getByLabel(via, { exact: true }).check();
  await page.getByLabel("Message").fill(text);
  await page.getByLabel("Message").press("Enter");
  const count = () => page.locator('[data-transport="WebSocket"] li', { hasText: text }).count();
  await eventually("it is said", count, 1);
}

function button(page, transport) {
  return page.locator(`[data-transport="${transport}"]`).getByRole("button");
}

/** Pictures of windows, in frames. */
function framed(shots) {
  const figures = shots.map((shot) => `
    <figure>
      <figcaption><i></i><i></i><i></i><span>127.0.0.1:8080</span></figcaption>
      <img src="data:image/png;base64,${shot.toString("base64")}">
    </figure>`);
  return `<!doctype html>
    <style>
      body { margin: 0; padding: 40px; background: #33496b; font: 13px system-ui, sans-serif; }
      figure { margin: 0 0 34px; border-radius: 10px; overflow: hidden; box-shadow: 0 4px 16px #0005; }
      figcaption { display: flex; gap: 7px; align-items: center; height: 36px; padding: 0 14px; background: #dbe2ec; color: #5a6879; }
      figcaption span { flex: 1; margin-right: 54px; text-align: center; }
      i { width: 11px; height: 11px; border-radius: 50%; background: #aab6c6; }
      img { display: block; }
    </style>${figures.join("")}`;
}
