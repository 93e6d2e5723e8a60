// Without JavaScript everything can be read and reached: list pages lead to every record, links are relative and lead
// somewhere, and nothing is offered that would not work.

import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { address, catalogues, check, documents, finish, kinds, launch, records, site, text } from "./lib.mjs";

// The references that escaping makes.
const unescape = (text) => text.replace(/&#x([0-9a-f]+);/gi, (_, hex) => String.fromCodePoint(parseInt(hex, 16))).replace(/&quot;/g, '"').replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&");
const links = (path) => [...text(path).matchAll(/<(?:a|link|img|script)\b[^>]*?\s(?:href|src)="([^"]*)"/g)].map((match) => unescape(match[1]));
const ids = (path) => new Set([...text(path).matchAll(/\sid="([^"]*)"/g)].map((match) => unescape(match[1])));
const target = (from, href) => join(dirname(from), decodeURIComponent(href.replace(/[?#].*$/, "")));

for (const path of kinds()) {
  const broken = links(path).filter((href) => {
    if (/^(https?:|mailto:)/i.test(href)) return false;
    if (href.startsWith("#")) return !ids(path).has(decodeURIComponent(href.slice(1)));
    const file = join(site, target(path, href));
    return href.startsWith("/") || !existsSync(file) || statSync(file).isDirectory();
  });
  check(!broken.length, `every link of ${path} is relative and leads to a file`, broken.slice(0, 5).join(" "));
}

for (const catalogue of catalogues) {
  const seen = new Map();
  let path = `${catalogue}/index.html`;
  let count = 0;
  while (path && count++ < 100_000) {
    for (const match of text(path).matchAll(/<li id="r-\d+"><a href="([^"]*)"/g)) {
      const record = target(path, unescape(match[1]));
      seen.set(record, (seen.get(record) ?? 0) + 1);
    }
    const next = text(path).match(/<link rel="next" href="([^"]*)"/);
    path = next && target(path, unescape(next[1]));
  }
  const missing = records(catalogue).filter((record) => seen.get(record) !== 1);
  check(!missing.length && seen.size === records(catalogue).length, `the list pages of ${catalogue} lead to every record once`, missing.slice(0, 5).join(" "));
}

const browser = await launch();
const page = await browser.open({ javaScriptEnabled: false });
for (const path of kinds()) {
  await page.goto(address(path));
  check((await page.locator("h1").count()) === 1 && (await page.locator("h1").innerText()).trim(), `${path} has one heading of the first level`);
  const useless = await page.locator("search:visible, button:visible, #filters:visible").count();
  check(useless === 0, `${path} offers nothing that needs JavaScript`, `${useless} things`);
}
for (const catalogue of catalogues) {
  const [first] = documents(catalogue, 1);
  if (!first) continue;
  await page.goto(address(`${catalogue}/index.html`));
  await page.locator(".rows > li > a").first().click();
  check((await page.locator("main").innerText()).includes(first.key), `the first row of ${catalogue} opens its record`);
}
await browser.close();
finish();
