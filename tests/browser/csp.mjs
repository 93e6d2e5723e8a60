// No page breaks its own content security policy, whatever the records hold: every kind of page, and all pages of
// catalogues whose name begins with "hostile". A dialog, a console error or a request elsewhere is a failure.

import { check, each } from "./lib.mjs";

const POLICY = /<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'self'; style-src 'self';[^"]*base-uri 'none'; form-action 'self'">/;
const INLINE = /<script(?![^>]*(src=|type="application\/ld\+json"))[^>]*>|<style|\sstyle=|\son[a-z]+="[^"]*"[^<]*>/i;

/** A page that gathers all that a reader should never see. */
async function watched(browser, home) {
  const page = await browser.open();
  const complaints = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("dialog", (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(home) && !request.url().startsWith("data:")) complaints.push(`request to ${request.url()}`);
  });
  page.on("requestfailed", (request) => {
    // A page that is left while it loads is no complaint.
    if (request.failure()?.errorText !== "net::ERR_ABORTED") complaints.push(`no answer from ${request.url()}`);
  });
  await page.addInitScript(() => document.addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`)));
  return { page, complaints };
}

/** Types what means harm, and waits for the answer to the last of it. */
async function search(page) {
  const box = page.locator("#q");
  if (!(await box.count())) return;
  await box.fill("<script>alert(1)</script> constructor");
  await box.fill("alert");
  await page.waitForFunction(() => document.querySelector("#live:not([hidden]), #hits:not([hidden]), #hint:not(:empty)") || /match/.test(document.querySelector("#status")?.textContent ?? ""));
}

export default async function csp(browser, site) {
  // The page for addresses that lead nowhere only works on its server.
  const kinds = site.kinds().filter((path) => path !== "404.html");
  const all = [...new Set([...kinds, ...site.catalogues.filter((name) => name.startsWith("hostile")).flatMap((name) => site.records(name))])];
  const home = site.address("");
  const pages = await Promise.all([watched(browser, home), watched(browser, home)]);
  await each(all, async (path) => {
    const one = pages.pop();
    const { page, complaints } = one;
    const source = site.text(path);
    check(POLICY.test(source), `${path} has the policy`);
    check(!INLINE.test(source.replace(/<(title|p|code|li|a|span|dt|dd)\b[^>]*>[^<]*/g, "")), `${path} has nothing inline`);
    await page.goto(site.address(path));
    const data = [...source.matchAll(/<script type="application\/ld\+json">(.*?)<\/script>/gs)];
    check(data.every(([, json]) => JSON.parse(json)["@context"] === "https://schema.org"), `${path} holds readable structured data`);
    // The hits that a query shows are the same on all records' pages.
    if (kinds.includes(path)) await search(page);
    // What the page has said before this answer has been heard.
    await page.evaluate(() => document.readyState);
    check(!complaints.length, `${path} is quiet`, complaints.splice(0).join("\n       "));
    pages.push(one);
  });
  for (const { page } of pages) await page.context().close();
  await served(browser, site);
}

/** The page for addresses that lead nowhere works where the base address says that the site is, at any depth. */
async function served(browser, site) {
  if (!site.has("404.html")) return;
  const server = await site.serve(site.prefix);
  const { page, complaints } = await watched(browser, server.url);
  const answer = await page.goto(`${server.url}no/such/page.html`);
  check(answer.status() === 404 && (await page.locator("h1").innerText()) === "Page not found", "a wrong address leads to the page that says so");
  await search(page);
  // The browser itself reports that the page was not found.
  const rest = complaints.filter((text) => !/status of 404/.test(text));
  check(!rest.length, "404.html is quiet", rest.join("\n       "));
  await page.locator("main a").first().click();
  await page.waitForURL((url) => !url.pathname.includes("no/such"));
  check((await page.locator("h1").innerText()).trim(), "404.html leads back to the site");
  await page.context().close();
  server.close();
}
