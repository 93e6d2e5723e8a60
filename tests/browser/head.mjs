// What machines read: titles and descriptions, Open Graph, structured data, canonical addresses, sitemap, robots.txt,
// manifest.json and the twins of records.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { check } from "./lib.mjs";

const content = (text, pattern) => text.match(pattern)?.[1] ?? "";

export default async function head(browser, site) {
  for (const path of site.kinds()) {
    const text = site.text(path);
    check(content(text, /<title>([^<]+)<\/title>/).trim(), `${path} has a title`);
    for (const property of ["og:title", "og:type", "og:site_name"]) {
      check(content(text, new RegExp(`<meta property="${property}" content="([^"]+)">`)), `${path} has ${property}`);
    }
  }
  for (const catalogue of site.catalogues) {
    for (const path of [`${catalogue}/index.html`, ...site.variety(catalogue)]) {
      const data = content(site.text(path), /<script type="application\/ld\+json">([^<]+)<\/script>/);
      check(data && JSON.parse(data)["@type"], `${path} has structured data`);
      const canonical = content(site.text(path), /<link rel="canonical" href="([^"]+)">/);
      check(canonical.endsWith(`/${path.replace(/index\.html$/, "")}`), `${path} has a canonical address`, canonical);
    }
    const record = site.records(catalogue)[0].replace(/\.html$/, "");
    check(JSON.parse(site.text(`${record}.json`)) && site.has(`${record}.md`), `${record} has twins`);
  }
  const listed = site.text("sitemap.xml").match(/<loc>/g).length;
  const pages = site.catalogues.reduce((sum, catalogue) => sum + site.records(catalogue).length + 1, 1);
  check(listed === pages, "the sitemap names every record, catalogue and the home page", `${listed} of ${pages}`);
  check(/^Sitemap: https?:/m.test(site.text("robots.txt")), "robots.txt leads to the sitemap");
  const missing = site.files.filter((file) => !existsSync(join(site.folder, file)));
  check(!missing.length, "all that manifest.json names is there", missing.slice(0, 5).join(" "));
}
