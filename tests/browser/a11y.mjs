// Every kind of page meets WCAG 2.2 AA as far as axe can tell: light and dark, narrow and wide, also while searching.

import axe from "axe-core";
import { address, catalogues, check, documents, finish, kinds, launch } from "./lib.mjs";

const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
const browser = await launch();

async function violations(page) {
  await page.evaluate(axe.source);
  const { violations: found } = await page.evaluate((tags) => window.axe.run(document, { runOnly: { type: "tag", values: tags } }), TAGS);
  return found.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.target} ${node.failureSummary?.split("\n")[1]?.trim()}`).join(" · ")}`).join("\n       ");
}

async function inspect(page, what, width) {
  const found = await violations(page);
  check(!found, `${what} has no violations`, found);
  const wide = await page.evaluate(() => document.scrollingElement.scrollWidth);
  check(wide <= width, `${what} does not scroll sideways`, `${wide} px of content on ${width} px`);
}

for (const colorScheme of ["light", "dark"]) {
  for (const width of [320, 1280]) {
    const page = await browser.open({ viewport: { width, height: 800 }, colorScheme, reducedMotion: "reduce" });
    for (const path of kinds()) {
      await page.goto(address(path));
      await inspect(page, `${path} (${colorScheme}, ${width})`, width);
    }
    for (const catalogue of catalogues) {
      const [first] = documents(catalogue, 1);
      if (!first) continue;
      const query = first.title.slice(0, 60);
      await page.goto(address(`${catalogue}/${first.slug}.html`));
      await page.fill("#q", query);
      await page.waitForSelector("#hits [role=option]");
      await page.keyboard.press("ArrowDown");
      await inspect(page, `the open search box of ${catalogue} (${colorScheme}, ${width})`, width);
      await page.goto(address(`${catalogue}/index.html?q=${encodeURIComponent(query)}`));
      await page.waitForSelector("#live li");
      const filters = page.locator("#filters details:not([open]) summary");
      if (await filters.count()) await filters.click();
      await inspect(page, `the searched list of ${catalogue} (${colorScheme}, ${width})`, width);
    }
    await page.context().close();
  }
}

// A chosen theme wins over the system's and is kept.
const page = await browser.open({ colorScheme: "light" });
const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
await page.goto(address("index.html"));
const light = await background();
await page.click("button.theme");
const dark = await background();
check(light !== dark, "the theme button changes the theme", `${light} ${dark}`);
await page.reload();
check((await background()) === dark, "the chosen theme stays");

// The first stop of the keyboard leads past the header.
await page.keyboard.press("Tab");
check(await page.evaluate(() => document.activeElement?.className === "skip"), "the first stop is the skip link");
await page.keyboard.press("Enter");
check(await page.evaluate(() => document.activeElement?.id === "main"), "the skip link leads to the content");
await browser.close();
finish();
