"use strict";
// The search box in the header: a combobox that opens records.

function box(input, indexes) {
  const popup = element("div", { id: "hits", role: "listbox", class: "hits", "aria-label": "Search results" });
  const hint = element("div", { id: "hint", role: "status", class: "hint" });
  popup.hidden = true;
  input.closest("search").append(popup, hint);
  set(input, { role: "combobox", "aria-expanded": "false", "aria-controls": "hits", "aria-autocomplete": "list" });
  let turn = 0, active = -1, best = null;

  const close = () => {
    turn++;
    active = -1;
    best = null;
    popup.hidden = true;
    hint.textContent = "";
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };

  const choose = (next) => {
    const options = popup.children;
    options[active]?.setAttribute("aria-selected", "false");
    active = (next + options.length) % options.length;
    const option = set(options[active], { "aria-selected": "true" });
    option.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", option.id);
  };

  const show = async () => {
    const mine = ++turn;
    const text = input.value;
    if (!tokens(text).length) return close();
    const results = await Promise.all(indexes.map(async (index) => {
      const result = await index.find(text);
      const top = result.found.slice(0, indexes.length > 1 ? 4 : 8);
      return (await index.documents(top)).map((hit, i) => ({ ...hit, score: result.scores.get(top[i]), words: result.words, index }));
    }));
    if (mine !== turn) return;
    const hits = results.flat().sort((a, b) => b.score - a.score).slice(0, 8);
    close();
    best = hits[0] ?? null;
    popup.replaceChildren(...hits.map((hit, i) =>
      element("a", { role: "option", id: `hit-${i}`, href: hit.href, tabindex: "-1", "aria-selected": "false" },
        element("span", {}, ...marked(hit.title, hit.words)),
        element("code", {}, indexes.length > 1 ? `${hit.index.catalogue} · ${hit.key}` : hit.key),
        element("p", {}, hit.summary))));
    hint.textContent = hits.length ? plural(hits.length) : "No results";
    popup.hidden = !hits.length;
    input.setAttribute("aria-expanded", String(hits.length > 0));
  };

  input.addEventListener("input", show);
  input.addEventListener("keydown", (event) => {
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in steps && popup.children.length && !popup.hidden) {
      event.preventDefault();
      choose(active < 0 && event.key === "ArrowUp" ? -1 : active + steps[event.key]);
    } else if (event.key === "Escape") {
      event.preventDefault();
      input.value = "";
      close();
    } else if (event.key === "Enter") {
      const chosen = popup.children[active]?.href ?? (best?.score >= 800 || !html.dataset.catalogue ? best?.href : null);
      if (chosen || !html.dataset.catalogue) event.preventDefault();
      if (chosen) location.href = chosen;
    }
  });
  popup.addEventListener("mousedown", (event) => event.preventDefault());
  input.addEventListener("blur", close);
}

start(box);
