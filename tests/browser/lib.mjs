// What all browser tests share: the site's pages, a browser, counting, and a server for the tests that need HTTP.

import { createServer } from "node:http";
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { extname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

export const site = resolve(process.argv[2] ?? "");
if (!process.argv[2] || !existsSync(join(site, "index.html"))) {
  console.error(`usage: node ${process.argv[1].split("/").pop()} SITE\nSITE is a folder that quire build has written`);
  process.exit(2);
}

/** The address of a file of the site, as a reader without a server opens it. */
export const address = (path) => {
  const [file, query] = path.split("?");
  return pathToFileURL(join(site, file)).href + (query ? `?${query}` : "");
};

export const text = (path) => readFileSync(join(site, path), "utf8");

const isFolder = (path) => statSync(join(site, path)).isDirectory();

/** Slugs of the catalogues, sorted. */
export const catalogues = readdirSync(site).filter((name) => existsSync(join(site, name, "search", "index.js"))).sort();

/** All pages of a folder, sorted. */
export const pages = (folder) =>
  readdirSync(join(site, folder)).filter((name) => name.endsWith(".html")).map((name) => `${folder}/${name}`).sort();

const apart = new Set(["index.html", "rejects.html"]);

/** Pages of single records. */
export const records = (catalogue) => pages(catalogue).filter((path) => !apart.has(path.split("/").pop()));

/** At least one page of every kind: home, lists, rejects, and of each catalogue a first, a last and the largest record. */
export function kinds() {
  const found = new Set(["index.html"]);
  for (const catalogue of catalogues) {
    for (const page of ["index.html", "list/2.html", "rejects.html"]) {
      if (existsSync(join(site, catalogue, page))) found.add(`${catalogue}/${page}`);
    }
    const of = records(catalogue);
    const largest = of.reduce((best, path) => (statSync(join(site, path)).size > best.size ? { path, size: statSync(join(site, path)).size } : best), { size: 0 });
    for (const path of [of[0], of.at(-1), largest.path]) if (path) found.add(path);
  }
  return [...found];
}

/** The arguments of the only call in a shard: [catalogue, name, payload]. */
export const shard = (catalogue, name) => JSON.parse(`[${text(`${catalogue}/search/${name}.js`).trim().slice("quireShard(".length, -2)}]`);

/** What the shards know of the first `most` records: {title, slug, key, summary}. */
export function documents(catalogue, most = 400) {
  const found = [];
  const { docs } = shard(catalogue, "index")[2];
  for (let chunk = 0; found.length < Math.min(docs, most); chunk++) {
    const flat = shard(catalogue, `d${chunk}`)[2];
    for (let i = 0; i < flat.length; i += 4) found.push({ title: flat[i], slug: flat[i + 1], key: flat[i + 2], summary: flat[i + 3] });
  }
  return found;
}

/** A browser that speaks to nobody but the site; `open(options)` gives a fresh page that is patient on a busy machine. */
export async function launch() {
  const browser = await chromium.launch({
    executablePath: process.env.QUIRE_CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  const open = async (options = {}) => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    context.setDefaultTimeout(180_000);
    return context.newPage();
  };
  return { open, close: () => browser.close() };
}

let passed = 0;
let failed = 0;

/** Counts a fact; says what is wrong with it when it does not hold. */
export function check(holds, fact, detail = "") {
  if (holds) passed++;
  else {
    failed++;
    console.log(`FAILED ${fact}${detail ? `\n       ${String(detail).slice(0, 2000)}` : ""}`);
  }
  return Boolean(holds);
}

/** Prints the count and leaves. */
export function finish() {
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed || !passed ? 1 : 0);
}

const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".json": "application/json", ".md": "text/markdown", ".csv": "text/csv" };

/** Serves the site below `prefix` on a free port of this machine; answers {url, close}. */
export function serve(prefix) {
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url, "http://x").pathname);
    const file = path.startsWith(prefix) ? join(site, path.slice(prefix.length)) : null;
    if (!file || !file.startsWith(site) || !existsSync(file) || isFolder(path.slice(prefix.length))) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream" }).end(readFileSync(file));
  });
  return new Promise((ready) =>
    server.listen(0, "127.0.0.1", () => ready({ url: `http://127.0.0.1:${server.address().port}${prefix}`, close: () => server.close() })));
}
