// No page breaks its own content security policy, whatever the records hold: every kind of page, and all pages of
// catalogues whose name begins with "hostile". A dialog, a console error or a request elsewhere is a failure.

import { address, catalogues, check, finish, kinds, launch, records, site, text } from "./lib.mjs";

const POLICY = /<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'self'; style-src 'self';[^"]*base-uri 'none'; form-action 'self'">/;

const all = [...new Set([...kinds(), ...catalogues.filter((name) => name.startsWith("hostile")).flatMap(records)])];
const browser = await launch();
const page = await browser.open();
let complaints = [];
const home = address("");
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

for (const path of all) {
  complaints = [];
  const source = text(path);
  check(POLICY.test(source), `${path} has the policy`);
  check(!/<script(?![^>]*(src=|type="application\/ld\+json"))[^>]*>|<style|\sstyle=|\son[a-z]+="[^"]*"[^<]*>/i.test(source.replace(/<(title|p|code|li|a|span|dt|dd)\b[^>]*>[^<]*/g, "")), `${path} has nothing inline`);
  await page.goto(address(path));
  await page.evaluate(() => new Promise((next) => requestAnimationFrame(() => setTimeout(next))));
  const data = await page.locator('script[type="application/ld+json"]').allTextContents();
  check(data.every((json) => JSON.parse(json)["@context"] === "https://schema.org"), `${path} holds readable structured data`);
  const box = page.locator("#q");
  if (await box.count()) {
    await box.fill("<script>alert(1)</script> constructor");
    await box.fill("alert");
    await page.waitForFunction(() => document.querySelector("#live:not([hidden]), #hits:not([hidden]), #hint:not(:empty)") || /match/.test(document.querySelector("#status")?.textContent ?? ""));
  }
  check(!complaints.length, `${path} is quiet`, complaints.join("\n       "));
}
console.log(`${all.length} pages of ${site}`);
await browser.close();
finish();
