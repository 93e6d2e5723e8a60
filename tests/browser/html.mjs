// Every kind of page is valid HTML.

import { HtmlValidate, StaticConfigLoader } from "html-validate";
import { check } from "./lib.mjs";

const validator = new HtmlValidate(new StaticConfigLoader({
  root: true,
  extends: ["html-validate:recommended"],
  rules: {
    // Titles of records are as long as they are.
    "long-title": "off",
  },
}));

export default async function html(browser, site) {
  for (const path of site.kinds()) {
    const report = await validator.validateString(site.text(path), path);
    const messages = report.results.flatMap((result) => result.messages.map((m) => `${m.line}:${m.column} ${m.ruleId} ${m.message}`));
    check(report.valid, `${path} is valid HTML`, [...new Set(messages)].slice(0, 12).join("\n       "));
  }
}
