// Every kind of page meets WCAG 2.2 AA as far as axe can tell: light and dark, narrow and wide, also while searching.

import axe from "axe-core";
import { check, each } from "./lib.mjs";

const ALL = { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] };
// A colour scheme changes colours and nothing else, so the second one is only looked at for them.
const COLOURS = { type: "rule", values: ["color-contrast", "link-in-text-block"] };

async function violations(page, runOnly) {
  const { violations: found } = await page.evaluate(
    (rules) => window.axe.run(document, { runOnly: rules, resultTypes: ["violations"], preload: false }), runOnly);
  return found.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.target} ${node.failureSummary?.split("\n")[1]?.trim()}`).join(" · ")}`).join("\n       ");
}

/** Runs in the page: leaves one item of each shape in long lists. axe is slow, and sees the same in its likes. */
function thin() {
  for (const list of document.querySelectorAll(".rows, .rejects")) {
    const seen = new Set();
    for (const item of [...list.children]) {
      const shape = [...item.querySelectorAll("*")].map((element) => `${element.localName}.${element.className}`).join();
      if (seen.has(shape)) item.remove();
      seen.add(shape);
    }
  }
}

/** Looks at the page as it stands, in every width and colour scheme. */
async function inspect(page, what) {
  const widths = [320, 1280];
  for (const width of widths) {
    await page.setViewportSize({ width, height: 800 });
    const wide = await page.evaluate(() => document.scrollingElement.scrollWidth);
    check(wide <= width, `${what} does not scroll sideways at ${width} px`, `${wide} px of content`);
  }
  await page.evaluate(thin);
  await page.evaluate(axe.source);
  for (const width of widths) {
    await page.setViewportSize({ width, height: 800 });
    for (const [colorScheme, rules] of [["light", ALL], ["dark", COLOURS]]) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      const found = await violations(page, rules);
      check(!found, `${what} has no violations (${colorScheme}, ${width})`, found);
    }
  }
}

/** Ways to every state worth looking at: what it is, and how a page gets there. */
function states(site, address) {
  const still = site.kinds().map((path) => [path, (page) => page.goto(address(path))]);
  const searching = site.catalogues.flatMap((catalogue) => {
    const [first] = site.documents(catalogue, 1);
    if (!first) return [];
    const list = (query) => site.address(`${catalogue}/index.html?q=${encodeURIComponent(query)}`);
    return [
      [`the open search box of ${catalogue}`, async (page) => {
        await page.goto(site.address(`${catalogue}/${first.slug}.html`));
        await page.fill("#q", first.title.slice(0, 60));
        await page.waitForSelector("#hits [role=option]");
        await page.keyboard.press("ArrowDown");
      }],
      [`the searched list of ${catalogue}`, async (page) => {
        await page.goto(list(first.title.slice(0, 60)));
        await page.waitForSelector("#live li");
        const box = page.locator("#filters label:not([hidden]) input").first();
        if (await box.count()) await Promise.all([page.waitForSelector("#chosen li"), box.check()]);
      }],
      [`the list of ${catalogue} without results`, async (page) => {
        await page.goto(list("zzzzqqqqxxxx"));
        await page.waitForSelector("#empty:not([hidden])");
      }],
    ];
  });
  return [...still, ...searching];
}

export default async function a11y(browser, site) {
  // The page for addresses that lead nowhere only works on its server.
  const server = await site.serve(site.prefix);
  const address = (path) => (path === "404.html" ? `${server.url}no/such/page` : site.address(path));
  await each(states(site, address), async ([what, arrive]) => {
    const page = await browser.open();
    await arrive(page);
    await inspect(page, what);
    await page.context().close();
  });
  await themes(browser, site);
  await paper(browser, site.kinds().map((path) => [path, address(path)]));
  server.close();
}

async function themes(browser, site) {
  const page = await browser.open({ colorScheme: "light" });
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.goto(site.address("index.html"));
  const light = await background();
  await page.click("button.theme");
  const dark = await background();
  check(light !== dark, "the theme button changes the theme", `${light} ${dark}`);
  await page.reload();
  check((await background()) === dark, "the chosen theme stays");

  await page.keyboard.press("Tab");
  check(await page.evaluate(() => document.activeElement?.className === "skip"), "the first stop is the skip link");
  await page.keyboard.press("Enter");
  check(await page.evaluate(() => document.activeElement?.id === "main"), "the skip link leads to the content");
  await page.context().close();
}

/** On paper there is dark text on white, without what only works on a screen. */
async function paper(browser, pages) {
  const page = await browser.open({ colorScheme: "dark" });
  await page.emulateMedia({ media: "print" });
  for (const [path, address] of pages) {
    await page.goto(address);
    const { text, shown } = await page.evaluate(() => ({
      text: getComputedStyle(document.body).color.match(/\d+/g).map(Number),
      shown: ["header.bar", "button", "nav.toc", ".side"].filter((part) => [...document.querySelectorAll(part)].some((element) => element.checkVisibility())),
    }));
    check(Math.max(...text) < 100 && !shown.length, `${path} is fit for paper`, `text ${text}, shown: ${shown}`);
  }
  await page.context().close();
}
