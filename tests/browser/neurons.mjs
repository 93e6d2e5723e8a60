// What scripts add to pages of neuron types: least shares, tables as CSV, cells picked for the viewer, values of filters.

import { readFileSync } from "node:fs";
import { check } from "./lib.mjs";

const state = (page) => page.$eval("#viewer-link", (link) => JSON.parse(decodeURIComponent(link.hash.slice(2))));
const segments = async (page) => (await state(page)).layers.find(({ type }) => type === "segmentation").segments;

export default async function neurons(browser, site) {
  const record = site.documents("neurons", 100).find(({ title }) => title === "Weft17");
  const page = await browser.open();
  await page.goto(site.address(`neurons/${record.slug}.html`));
  const rows = () => page.$$eval("#table-inputs tbody tr", (all) => all.filter((row) => !row.hidden).length);
  const all = await page.$$eval("#table-inputs tbody tr", (found) => found.length);
  const slider = page.locator('.controls[data-for="table-inputs"] input[type=range]');
  await slider.fill("0");
  check((await rows()) === all, "the left end of the slider shows everything");
  await slider.fill("80");
  check((await rows()) === 0, "its right end shows nothing that is weaker");
  await slider.fill("55");
  const least = await page.$eval('.controls[data-for="table-inputs"] output', (output) => parseFloat(output.textContent));
  const right = await page.$$eval("#table-inputs tbody tr", (found, least) => found.every((row) => row.hidden === (row.dataset.weight / row.closest("table").dataset.cells < least)), least);
  check(right, "a row is hidden if and only if it has fewer connections per neuron", String(least));
  check(/of \d+ shown: /.test(await page.locator('.controls[data-for="table-inputs"] p').innerText()), "how much is shown is told");

  const [download] = await Promise.all([page.waitForEvent("download"), page.click('.controls[data-for="table-inputs"] button:has-text("CSV")')]);
  const lines = readFileSync(await download.path(), "utf8").trim().split("\n");
  check(lines.length === all + 1, "the CSV has every row, also hidden ones", `${lines.length}`);
  const weights = await page.$$eval("#table-inputs tbody tr", (found) => found.map((row) => row.dataset.weight));
  check(lines.slice(1).every((line, i) => line.split(",").at(-4) === weights[i]), "the CSV has whole numbers", lines[1]);

  await slider.fill("0");
  const before = await segments(page);
  const box = page.locator("#table-inputs tbody input[type=checkbox]").first();
  const bodies = await page.$eval("#table-inputs tbody tr[data-bodies]", (row) => row.dataset.bodies.split(" "));
  await box.check();
  check((await segments(page)).join() === [...new Set([...before, ...bodies])].join(), "a picked partner's cells are in the viewer's address");
  await box.uncheck();
  check((await segments(page)).join() === before.join(), "and gone when it is picked no more");
  check((await page.locator("#viewer-here").isVisible()) && !(await page.locator("iframe").count()), "the viewer is in the page only when it is asked for");

  await page.click("#viewer-here");
  const ground = () => page.$eval("#viewer-frame iframe", (frame) => JSON.parse(decodeURIComponent(new URL(frame.src).hash.slice(2))).projectionBackgroundColor);
  check((await ground()) === "#ffffff", "the viewer in the page is light");
  await page.click('button:has-text("Black background")');
  check((await ground()) === "#000000", "and dark when that is wanted");
  const named = await page.$$eval("#table-regions tbody a", (links) => links.map((link) => [link.textContent, link.title]));
  check(named.some(([name, title]) => name.startsWith("LO") && title === "lobula"), "regions say what they are", named.join(" "));

  const list = await browser.open();
  await list.goto(site.address("neurons/index.html"));
  await list.fill("#q", "eft1");
  await list.waitForSelector("#live:not([hidden]) li");
  const found = await list.$$eval("#live > li > a", (links) => links.map((link) => link.textContent));
  check(found.includes("Weft17") && found.includes("weft17"), "a part of a name finds its types", found.join(", "));
  const sides = await list.$$eval("#live > li", (lines) => lines.map((line) => [line.querySelector("a").textContent, [...line.querySelectorAll(".sides a")].map((link) => link.getAttribute("href").split("/").at(-1)).join()]));
  const expected = { Weft17: `${record.slug}.l.html,${record.slug}.r.html`, weft17: "" };
  check(sides.every(([name, links]) => links === expected[name]), "what is found leads to the pages of sides", JSON.stringify(sides));
  await list.click("#live .tags a >> nth=0");
  await list.waitForSelector("#chosen li");
  check((await list.inputValue("#q")) === "eft1" && (await list.locator("#chosen li").count()) === 1, "a tag adds to what is chosen");
  await page.context().close();
  await list.context().close();
}
