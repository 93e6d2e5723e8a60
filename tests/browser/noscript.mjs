// Without JavaScript everything can be read and reached: list pages lead to every record, links are relative and lead
// somewhere, and nothing is offered that would not work.

import { dirname, join } from "node:path/posix";
import { check } from "./lib.mjs";

// The references that escaping makes.
const unescape = (text) => text.replace(/&#x([0-9a-f]+);/gi, (_, hex) => String.fromCodePoint(parseInt(hex, 16))).replace(/&quot;/g, '"').replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&");
const all = (text, pattern) => [...text.matchAll(pattern)].map((match) => unescape(match[1]));
const target = (from, href) => join(dirname(from), decodeURIComponent(href.replace(/[?#].*$/, "")));

export default async function noscript(browser, site) {
  const files = new Set([...site.files, "manifest.json"]);
  // The page for addresses that lead nowhere is shown at any depth, so its links begin at the root of the server.
  const kinds = site.kinds().filter((path) => path !== "404.html");
  for (const path of kinds) {
    const text = site.text(path);
    const ids = new Set(all(text, /\sid="([^"]*)"/g));
    const broken = all(text, /<(?:a|link|img|script)\b[^>]*?\s(?:href|src)="([^"]*)"/g).filter((href) => {
      if (/^(https?:|mailto:)/i.test(href)) return false;
      if (href.startsWith("#")) return !ids.has(decodeURIComponent(href.slice(1)));
      return href.startsWith("/") || !files.has(target(path, href));
    });
    check(!broken.length, `every link of ${path} is relative and leads to a file`, broken.slice(0, 5).join(" "));
  }
  for (const catalogue of site.catalogues) listed(site, catalogue);

  const page = await browser.open({ javaScriptEnabled: false });
  for (const path of kinds) {
    await page.goto(site.address(path));
    check((await page.locator("h1").count()) === 1 && (await page.locator("h1").innerText()).trim(), `${path} has one heading of the first level`);
    const useless = await page.locator("search:visible, button:visible, #filters:visible").count();
    check(useless === 0, `${path} offers nothing that needs JavaScript`, `${useless} things`);
  }
  for (const catalogue of site.catalogues) {
    const [first] = site.documents(catalogue, 1);
    if (!first) continue;
    await page.goto(site.address(`${catalogue}/index.html`));
    await page.locator(".rows > li > a").first().click();
    check((await page.locator("main").innerText()).includes(first.key), `the first row of ${catalogue} opens its record`);
  }
  await page.context().close();
}

/** The list pages lead to every record, once. */
function listed(site, catalogue) {
  const seen = new Map();
  let path = `${catalogue}/index.html`;
  while (path) {
    const text = site.text(path);
    for (const href of all(text, /<li id="r-\d+"><a href="([^"]*)"/g)) {
      const record = target(path, href);
      seen.set(record, (seen.get(record) ?? 0) + 1);
    }
    const [next] = all(text, /<link rel="next" href="([^"]*)"/g);
    path = next && target(path, next);
  }
  const records = site.records(catalogue);
  const missing = records.filter((record) => seen.get(record) !== 1);
  check(!missing.length && seen.size === records.length, `the list pages of ${catalogue} lead to every record once`, missing.slice(0, 5).join(" "));
}
