"use strict";
// Links to the pages of sides for what the search finds, as the list itself has them: a type of one side alone has one page.
(() => {
  const live = document.getElementById("live");
  if (!live) return;
  const SIDES = [["L", "left"], ["R", "right"], ["M", "middle"]];
  const add = (line) => {
    const link = line.querySelector?.(":scope > a");
    const side = line.querySelector?.('.tags a[data-facet="side"]')?.dataset.value;
    if (!link || !side || side.startsWith("only ")) return;
    const list = document.createElement("ul");
    list.className = "sides";
    for (const [name, word] of SIDES) {
      if (!side.includes(word)) continue;
      const told = document.createElement("span");
      told.className = "vh";
      told.textContent = `: ${link.textContent}, ${word}`;
      const to = document.createElement("a");
      to.href = link.getAttribute("href").replace(/\.html$/, `.${name.toLowerCase()}.html`);
      to.append(name, told);
      const item = document.createElement("li");
      item.append(to);
      list.append(item);
    }
    if (list.childElementCount) link.after(" ", list);
  };
  new MutationObserver((changes) => changes.forEach(({ addedNodes }) => addedNodes.forEach(add))).observe(live, { childList: true });
  live.querySelectorAll(":scope > li").forEach(add);
})();
