// Every kind of page is valid HTML.

import { HtmlValidate, StaticConfigLoader } from "html-validate";
import { check, finish, kinds, text } from "./lib.mjs";

const validator = new HtmlValidate(new StaticConfigLoader({
  root: true,
  extends: ["html-validate:recommended"],
  rules: {
    // Titles of records are as long as they are.
    "long-title": "off",
  },
}));

for (const path of kinds()) {
  const report = await validator.validateString(text(path), path);
  const messages = report.results.flatMap((result) => result.messages.map((m) => `${m.line}:${m.column} ${m.ruleId} ${m.message}`));
  check(report.valid, `${path} is valid HTML`, [...new Set(messages)].slice(0, 12).join("\n       "));
}
finish();
