// What the list of a large catalogue loads before anything is typed, and how long each key takes after the first.

import { statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { check } from "./lib.mjs";

const MAX_BYTES = 150_000;
const MAX_MS = 50;
const ATTEMPTS = 6;

/** Runs in the page: milliseconds from each letter of `text` to the answer, with all before it typed. */
async function keystrokes(text) {
  const input = document.querySelector("#q");
  const status = document.querySelector("#status");
  const times = [];
  for (let end = 1; end <= text.length; end++) {
    status.textContent = "";
    const begin = performance.now();
    const answered = new Promise((done) => new MutationObserver((_, observer) => {
      if (!status.textContent) return;
      observer.disconnect();
      done();
    }).observe(status, { childList: true, characterData: true, subtree: true }));
    input.value = text.slice(0, end);
    input.dispatchEvent(new Event("input", { bubbles: true }));
    await answered;
    times.push(performance.now() - begin);
  }
  return times;
}

export default async function first(browser, site) {
  const [slug] = site.catalogues;
  const { docs } = site.shard(slug, "index");
  const page = await browser.open();
  const loaded = new Set();
  page.on("request", (request) => loaded.add(request.url().split(/[?#]/)[0]));
  await page.goto(site.address(`${slug}/index.html`), { waitUntil: "networkidle" });
  const bytes = [...loaded].reduce((sum, url) => sum + statSync(fileURLToPath(url)).size, 0);
  const { title } = site.documents(slug, docs)[Math.floor(docs / 2)];
  let best = [Infinity];
  for (let attempt = 0; attempt < ATTEMPTS && Math.max(...best) > MAX_MS; attempt++) {
    // The first word of a visit loads what later ones find loaded.
    const times = await page.evaluate(keystrokes, title);
    if (Math.max(...times) < Math.max(...best)) best = times;
  }
  const sorted = [...best].sort((a, b) => a - b);
  console.log(`list of ${docs}: ${loaded.size} files, ${bytes} bytes before the first key; keys ${sorted[Math.floor(sorted.length / 2)].toFixed(0)} ms median, ${sorted.at(-1).toFixed(0)} ms at most`);
  check(bytes <= MAX_BYTES, `the list loads at most ${MAX_BYTES} bytes`, String(bytes));
  check(sorted.at(-1) <= MAX_MS, `each key is answered within ${MAX_MS} ms`, sorted.map((ms) => ms.toFixed(0)).join(" "));
  await page.context().close();
}
