// Searching works as a reader expects, from file:// and under a path prefix.

import { check } from "./lib.mjs";

const words = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase().match(/\p{L}{6,}/gu) ?? [];
const leads = (hit, record) => hit?.href === `${record.slug}.html`;

/** Types into the box and waits until the answer to just this query is shown. */
async function hits(page, query) {
  await page.evaluate(() => (document.querySelector("#hint").textContent = ""));
  await page.fill("#q", "");
  await page.fill("#q", query);
  await page.waitForFunction(() => document.querySelector("#hint")?.textContent);
  return page.$$eval("#hits [role=option]", (options) => options.map((option) => ({ href: option.getAttribute("href"), text: option.textContent })));
}

/** Presses Enter and waits for the page that it leads to; answers its address. */
async function enter(page) {
  await Promise.all([page.waitForEvent("load"), page.keyboard.press("Enter")]);
  return page.url();
}

export default async function search(browser, site) {
  const sized = site.catalogues.map((slug) => ({ slug, ...site.shard(slug, "index") })).filter(({ docs }) => docs > 0);
  const catalogue = sized.reduce((best, one) => (one.docs > best.docs ? one : best));
  const known = site.documents(catalogue.slug, 4000);
  const step = Math.max(1, Math.floor(known.length / 16));
  const sample = known.filter((_, i) => i % step === 0);
  const open = async (path) => {
    const page = await browser.open();
    await page.goto(path.startsWith("http") ? path : site.address(path));
    return page;
  };
  const given = { site, open, known, sample, ...catalogue };
  await Promise.all([box(given), list(given)]);
  await elsewhere(given);
}

/** The box on a record's page. */
async function box({ site, open, known, sample, slug }) {
  const page = await open(`${slug}/${sample[0].slug}.html`);
  await page.keyboard.press("/");
  check(await page.evaluate(() => document.activeElement?.id === "q"), "a slash goes to the search box");
  const lost = [];
  for (const record of sample) {
    if (!leads((await hits(page, record.key))[0], record)) lost.push(record.key);
  }
  check(!lost.length, "a key finds its record first", lost.join(", "));
  const twins = new Set(known.map(({ title }) => title.toLowerCase()).filter((title, i, all) => all.indexOf(title) !== i));
  const titled = sample.filter(({ title }) => !twins.has(title.toLowerCase()) && title.length < 60);
  const missed = [];
  for (const record of titled) {
    const [first] = await hits(page, record.title);
    const [shouted] = await hits(page, record.title.toUpperCase().replaceAll("E", "É"));
    if (!leads(first, record) && first?.text !== record.title) missed.push(record.title);
    if (!leads(shouted, record)) missed.push(`${record.title} in capitals with accents`);
  }
  check(missed.length <= titled.length / 10, "a title finds its record first, whatever the case and accents", missed.join(", "));

  const prefix = [];
  for (const record of titled.filter(({ title }) => title.length > 12)) {
    const found = await hits(page, record.title.slice(0, -3));
    if (!found.some((hit) => leads(hit, record))) prefix.push(record.title);
  }
  check(!prefix.length, "a title that is not finished finds its record", prefix.join(", "));

  const typos = titled.flatMap((record) => words(record.title).slice(0, 1).map((word) => ({ record, word }))).slice(0, 6);
  const wrong = [];
  for (const { word } of typos) {
    for (const typo of [word[0] + word[2] + word[1] + word.slice(3), word.slice(0, -2) + word.slice(-1), `${word.slice(0, 3)}q${word.slice(3)}`, `q${word.slice(1)}`]) {
      if (typo === word) continue;
      const found = await hits(page, `${typo} `);
      if (!found.length) wrong.push(typo);
    }
  }
  check(!wrong.length, "a word with one letter wrong still finds something", wrong.join(", "));

  const pair = titled.find(({ title }) => words(title).length > 1);
  if (pair) {
    const [one, other] = words(pair.title);
    const found = await hits(page, `${other} ${one}`);
    check(found.some((hit) => leads(hit, pair)), "words in another order find the record", `${other} ${one}`);
    check(found.every(({ text }) => text), "hits have text");
  }

  for (const odd of ["zzzzqqqqxxxx", "__proto__ constructor", "|=% %7C", "<img src=x>", "\u0000\u202e", "🦴", "x".repeat(5000), "肺 α"]) {
    await page.fill("#q", odd);
  }
  const none = await hits(page, "zzzzqqqqxxxx");
  check(!none.length && (await page.locator("#hint").innerText()) === "No results", "a query without results says so");

  await hits(page, sample[0].title.split(" ")[0]);
  check((await page.getAttribute("#q", "aria-expanded")) === "true", "the box says that it is open");
  await page.keyboard.press("ArrowDown");
  const active = await page.getAttribute("#q", "aria-activedescendant");
  check(active && (await page.getAttribute(`#${active}`, "aria-selected")) === "true", "an arrow marks an option and names it");
  const destination = await page.$eval(`#${active}`, (option) => option.href);
  check((await enter(page)) === destination, "Enter opens the marked option");
  await hits(page, sample[0].title);
  await page.keyboard.press("Escape");
  check((await page.inputValue("#q")) === "" && (await page.getAttribute("#q", "aria-expanded")) === "false", "Escape clears the box");
  await hits(page, sample[1].key);
  const opened = await enter(page);
  check(decodeURI(opened) === decodeURI(site.address(`${slug}/${sample[1].slug}.html`)), "Enter on an exact key opens its record", `${sample[1].key}: ${opened}`);
  await hits(page, "a");
  await page.fill("#q", "zzzzqqqqxxxx");
  check(/index\.html\?q=/.test(await enter(page)), "Enter on anything else leads to the list", page.url());
  await page.context().close();
}

/** The list. */
async function list({ open, sample, slug, docs, facets }) {
  const page = await open(`${slug}/index.html`);
  const status = () => page.locator("#status").innerText();
  const rest = await status();
  const settled = (query) => page.waitForFunction(([q, before]) => new URLSearchParams(location.search).get("q") === q && document.querySelector("#status").textContent !== before, [query, rest]);
  const word = words(sample.find(({ title }) => words(title).length)?.title ?? "")[0] ?? sample[0].key;
  await page.fill("#q", word);
  await settled(word);
  check(new URL(page.url()).searchParams.get("q") === word, "the address holds the query");
  check((await page.locator("#live li").count()) > 0 && !(await page.locator("#static").isVisible()), "results take the place of the list");
  const shown = await page.locator("#live li").first().innerText();
  await page.reload();
  await page.waitForSelector("#live li");
  check((await page.locator("#live li").first().innerText()) === shown, "a shared address shows the same results");
  await page.focus("#q");
  await page.keyboard.press("ArrowDown");
  check(await page.evaluate(() => document.activeElement?.closest("#live li:first-child")), "an arrow goes to the first result");
  await page.keyboard.press("ArrowUp");
  check(await page.evaluate(() => document.activeElement?.id === "q"), "an arrow goes back to the box");
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => document.querySelector("#live").hidden);
  check((await status()) === rest && !new URL(page.url()).search, "Escape brings the list back");

  await page.fill("#q", "zzzzqqqqxxxx");
  await page.waitForSelector("#empty:not([hidden])");
  check((await status()) === "No records match", "a list without results says so", await status());
  await page.click("#empty button");
  await page.waitForFunction(() => document.querySelector("#live").hidden && document.querySelector("#empty").hidden);
  check((await status()) === rest && (await page.inputValue("#q")) === "", "the way out of an empty list brings the whole list back");

  const box = page.locator("#filters input[type=checkbox]").first();
  if (facets.length && (await box.count())) {
    const expected = await box.evaluate((input) => input.closest("label").querySelector(".n").dataset.n);
    await box.check();
    await page.waitForFunction((before) => document.querySelector("#status").textContent !== before, rest);
    check((await status()).startsWith(`${expected} record`), "a filter leaves as many records as it promises", await status());
    const second = page.locator("#filters label:not([hidden]) input[type=checkbox]").nth(1);
    await page.waitForFunction(() => !document.querySelector("#live").hidden);
    if (await second.count()) {
      const before = await status();
      await page.waitForFunction(() => document.querySelectorAll("#filters label:not([hidden]) .n")[1]?.textContent);
      const both = await second.evaluate((input) => input.closest("label").querySelector(".n").textContent);
      await second.check();
      await page.waitForFunction((old) => document.querySelector("#status").textContent !== old || document.querySelectorAll("#chosen li").length === 2, before);
      await page.waitForFunction((count) => document.querySelector("#status").textContent.startsWith(count), both);
      check(true, "two filters leave what their counts promise");
    }
    const shared = page.url();
    await page.goto(shared);
    await page.waitForSelector("#chosen li");
    check((await page.locator("#chosen li").count()) === new URL(shared).searchParams.size, "filters are shared in the address");
    while (await page.locator("#chosen button").count()) await page.locator("#chosen button").first().click();
    await page.waitForFunction(() => document.querySelector("#live").hidden);
    check((await status()) === rest, "taking the filters away brings the list back");
  }
  if (await page.locator("#sort").count()) {
    await page.selectOption("#sort", "key");
    await page.waitForSelector("#live:not([hidden]) li");
    // A key that is the title is not told twice.
    const keys = await page.$$eval("#live > li", (lines) => lines.map((line) => (line.querySelector(":scope > code") ?? line.querySelector("a")).textContent));
    check(keys.length > 0 && keys.every((key, i) => !i || keys[i - 1] <= key), "sorting by key sorts by key", keys.slice(0, 5).join(" "));
    if (docs > keys.length) {
      await page.click("#more");
      await page.waitForFunction((count) => document.querySelectorAll("#live > li").length > count, keys.length);
      check(true, "more results can be shown");
    }
  }
  await page.context().close();
}

/** The home page, and a site under a path prefix. */
async function elsewhere({ site, open, sample, slug }) {
  const page = await open("index.html");
  const found = await hits(page, sample[2 % sample.length].key);
  check(found.some(({ href }) => href === `${slug}/${sample[2 % sample.length].slug}.html`), "the home page searches all catalogues");
  await page.context().close();
  const server = await site.serve("/some/where/");
  const far = await open(`${server.url}${slug}/${sample[0].slug}.html`);
  check(leads((await hits(far, sample[0].key))[0], sample[0]), "searching works under a path prefix");
  await far.context().close();
  server.close();
}
