// What all browser tests share: a site's pages, a browser, counting, and a server for the tests that need HTTP.

import { createServer } from "node:http";
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { extname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const APART = new Set(["index.html", "rejects.html"]);

/** A site that quire build has written. */
export class Site {
  constructor(folder) {
    this.folder = resolve(folder);
    if (!existsSync(join(this.folder, "index.html"))) throw new Error(`${folder} is not a site`);
    this.files = Object.keys(JSON.parse(this.text("manifest.json")).files);
    /** Slugs of the catalogues, sorted. */
    this.catalogues = this.files.filter((file) => /^[^/]+\/data\.json$/.test(file)).map((file) => file.split("/")[0]).sort();
  }

  /** The address of a file of the site, as a reader without a server opens it. */
  address(path) {
    const [file, query] = path.split("?");
    return pathToFileURL(join(this.folder, file)).href + (query ? `?${query}` : "");
  }

  text(path) {
    return readFileSync(join(this.folder, path), "utf8");
  }

  has(path) {
    return existsSync(join(this.folder, path));
  }

  /** Pages of single records, sorted. */
  /** Pages of records; a record's further pages have a part of their name after a dot. */
  records(catalogue) {
    return this.pagesOf(catalogue).filter((file) => file.split("/")[1].split(".").length === 2);
  }

  /** Pages of records with their further ones. */
  pagesOf(catalogue) {
    const isRecord = (file) => file.startsWith(`${catalogue}/`) && file.endsWith(".html") && file.split("/").length === 2 && !APART.has(file.split("/")[1]);
    return this.files.filter(isRecord).sort();
  }

  /** Where the site begins on its server; only the page for addresses that lead nowhere needs to know. */
  get prefix() {
    return this.has("404.html") ? this.text("404.html").match(/<html[^>]* data-root="([^"]*)"/)[1] : "/";
  }

  /** One page of every kind: home, not found, lists, rejects, and records that together show all that records can. */
  kinds() {
    this.found ??= ["index.html", "404.html", ...this.catalogues.flatMap((catalogue) => [
      ...["index.html", "list/2.html", "rejects.html"].map((page) => `${catalogue}/${page}`),
      ...this.variety(catalogue),
    ])].filter((path) => this.has(path));
    return this.found;
  }

  /** The largest record's page, then pages that add elements or classes that no page before has. */
  variety(catalogue) {
    const size = (path) => statSync(join(this.folder, path)).size;
    const ordered = this.pagesOf(catalogue).map((path) => ({ path, size: size(path) })).sort((a, b) => b.size - a.size || (a.path < b.path ? -1 : 1));
    const seen = new Set();
    return ordered.slice(0, 3000).map(({ path }) => path).filter((path) => {
      const shapes = this.text(path).match(/<[a-z][a-z0-9]*(?: class="[^"]*")?/g) ?? [];
      const before = seen.size;
      shapes.forEach((shape) => seen.add(shape));
      return seen.size > before;
    });
  }

  /** The payload of a shard. */
  shard(catalogue, name) {
    return JSON.parse(`[${this.text(`${catalogue}/search/${name}.js`).trim().slice("quireShard(".length, -2)}]`)[2];
  }

  /** What the shards know of the first `most` records: {title, slug, key, summary}. */
  documents(catalogue, most) {
    const found = [];
    const { docs } = this.shard(catalogue, "index");
    for (let chunk = 0; found.length < Math.min(docs, most); chunk++) {
      const flat = this.shard(catalogue, `d${chunk}`);
      for (let i = 0; i < flat.length; i += 5) found.push({ title: flat[i], slug: flat[i + 1], key: flat[i + 2], summary: flat[i + 3] });
    }
    return found;
  }

  /** Serves the site below `prefix` on a free port of this machine, with its own page for what is not there; answers {url, close}. */
  serve(prefix) {
    const server = createServer((request, response) => {
      const path = decodeURIComponent(new URL(request.url, "http://x").pathname);
      const file = path.startsWith(prefix) ? path.slice(prefix.length) : "";
      const known = this.files.includes(file);
      const body = known ? file : this.has("404.html") ? "404.html" : null;
      response.writeHead(known ? 200 : 404, { "content-type": TYPES[extname(body ?? "")] ?? "application/octet-stream" });
      response.end(body && readFileSync(join(this.folder, body)));
    });
    return new Promise((ready) =>
      server.listen(0, "127.0.0.1", () => ready({ url: `http://127.0.0.1:${server.address().port}${prefix}`, close: () => server.close() })));
  }
}

const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".json": "application/json", ".md": "text/markdown", ".csv": "text/csv" };

/** A browser that speaks to nobody but the site; `open(options)` gives a fresh page that is patient on a busy machine. */
export async function launch() {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  const open = async (options = {}) => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    context.setDefaultTimeout(180_000);
    return context.newPage();
  };
  return { open, close: () => browser.close() };
}

/** Does `work` on every item, `wide` of them at a time: as many as the machine has processors to speak of. */
export async function each(items, work, wide = 2) {
  const rest = [...items];
  const worker = async () => {
    while (rest.length) await work(rest.shift());
  };
  await Promise.all(Array.from({ length: wide }, worker));
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

/** How many facts were counted. */
export const counted = () => ({ passed, failed });
