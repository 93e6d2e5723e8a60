// Runs browser checks on built sites, with one browser: node run.mjs CHECK[,CHECK…]=SITE…
// Checks of one site run one after the other, so that the measured ones have the machine for themselves.

import { Site, counted, launch } from "./lib.mjs";

const given = process.argv.slice(2).map((argument) => argument.split("="));
if (!given.length || given.some(([, folder]) => !folder)) {
  console.error("usage: node run.mjs CHECK[,CHECK...]=SITE...\nCHECK is the name of a script of this folder, SITE a folder that quire build has written");
  process.exit(2);
}

const browser = await launch();
for (const [names, folder] of given) {
  const site = new Site(folder);
  for (const name of names.split(",")) {
    const begin = performance.now();
    const before = counted();
    const { default: run } = await import(`./${name}.mjs`);
    await run(browser, site);
    const { passed, failed } = counted();
    console.log(`${name}: ${passed - before.passed} passed, ${failed - before.failed} failed, ${((performance.now() - begin) / 1000).toFixed(1)} s`);
  }
}
await browser.close();
const { passed, failed } = counted();
process.exit(failed || !passed ? 1 : 0);
