"use strict";
// The search of a list page: results, filters and sorting take the place of the list.

function list(input, [index]) {
  const [still, live, more, status, sort, chosen, filters] =
    ["static", "live", "more", "status", "sort", "chosen", "filters"].map(byId);
  const empty = byId("empty");
  const boxes = [...filters.querySelectorAll("input[type=checkbox]")];
  const facetOf = (box) => box.closest("fieldset").dataset.facet;
  const atRest = status.textContent;
  let picked = [], turn = 0, result = null, order = [], shown = 0;

  const label = (name) => filters.querySelector(`fieldset[data-facet="${CSS.escape(name)}"] legend`)?.textContent ?? name;

  function address() {
    const state = new URLSearchParams();
    if (input.value.trim()) state.set("q", input.value.trim());
    for (const [name, value] of picked) state.append(name, value);
    if (sort?.value) state.set("sort", sort.value);
    const query = state.toString();
    try {
      history.replaceState(null, "", query ? `?${query}` : location.pathname);
    } catch {
      // Some browsers refuse this under file://; the search works all the same.
    }
    return query;
  }

  async function ordered(found) {
    const by = sort?.value;
    if (!by) return found;
    if (by === "-title") return found.sort((a, b) => b - a);
    const digits = [...((await index.load(`o-${by.replace("-", "")}`)) ?? "")].map((digit) => VALUE.get(digit));
    const rank = [];
    for (let i = 0; i < digits.length; i += 3) rank[digits[i] * 4096 + digits[i + 1] * 64 + digits[i + 2]] = i;
    const sign = by[0] === "-" ? -1 : 1;
    return found.sort((a, b) => sign * (rank[a] - rank[b]));
  }

  async function page(mine) {
    more.disabled = true;
    const hits = await index.documents(order.slice(shown, shown + (shown ? 30 : 10)));
    more.disabled = false;
    if (mine !== turn) return;
    const items = hits.map((hit) => {
      const part = (name, attributes, text) => element(name, attributes, ...marked(text, result.words));
      return element("li", {}, part("a", { href: hit.href }, hit.title), " ", part("code", {}, hit.key), part("p", {}, hit.summary));
    });
    if (!shown) live.replaceChildren();
    live.append(...items);
    shown += items.length;
    more.hidden = shown >= order.length;
    return items[0];
  }

  async function counts(mine) {
    const inside = new Set(result.found);
    const names = (await index.root()).facets.map(([name]) => name);
    const lists = new Map(entries((await index.load("facets")) ?? ""));
    if (mine !== turn) return;
    for (const box of boxes) {
      const text = lists.get(escaped(`${names.indexOf(facetOf(box))}:${box.value}`));
      const known = result.complete && text !== undefined;
      const count = known ? documents(text).filter((document) => inside.has(document)).length : undefined;
      const line = box.closest("label");
      line.hidden = count === 0 && !box.checked;
      line.querySelector(".n").textContent = count === undefined ? "" : grouped(count);
    }
    for (const group of filters.querySelectorAll("fieldset")) group.hidden = !group.querySelector("label:not([hidden])");
  }

  function chips() {
    chosen.hidden = !picked.length;
    chosen.replaceChildren(...picked.map((pick) => {
      const what = `${label(pick[0])}: ${pick[1]}`;
      const button = element("button", { type: "button", "aria-label": `Remove filter ${what}` }, `${what} ✕`);
      button.addEventListener("click", () => {
        picked = picked.filter((other) => other !== pick);
        show();
        input.focus();
      });
      return element("li", {}, button);
    }));
  }

  function rest() {
    still.hidden = false;
    live.hidden = more.hidden = empty.hidden = true;
    live.replaceChildren();
    status.textContent = atRest;
    for (const count of filters.querySelectorAll(".n")) count.textContent = count.dataset.n;
    for (const part of filters.querySelectorAll("label, fieldset")) part.hidden = false;
  }

  async function show() {
    const mine = ++turn;
    for (const box of boxes) box.checked = picked.some(([name, value]) => name === facetOf(box) && value === box.value);
    chips();
    if (!address()) return rest();
    const fresh = await index.find(input.value, picked);
    const sorted = await ordered(fresh.found);
    if (mine !== turn) return;
    [result, order, shown] = [fresh, sorted, 0];
    await page(mine);
    if (mine !== turn) return;
    still.hidden = true;
    live.hidden = !order.length;
    empty.hidden = order.length > 0;
    status.textContent =
      !order.length ? "No records match" :
      !result.complete ? "Best matches; type more to narrow them" :
      result.partial ? `${plural(order.length)} with some of the words` : plural(order.length);
    await counts(mine);
  }

  // Everything as it was when the page was opened, but for the order.
  function clear() {
    input.value = "";
    picked = [];
    show();
    input.focus();
  }

  const links = () => [...(still.hidden ? live : still).querySelectorAll(".rows > li > a")];
  const move = (event, step) => {
    const all = links();
    const at = all.indexOf(document.activeElement);
    const target = at < 0 ? (step > 0 ? all[0] : null) : at + step < 0 ? input : all[at + step];
    if (target) {
      event.preventDefault();
      target.focus();
    }
  };

  document.querySelector(".results").addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") move(event, 1);
    else if (event.key === "ArrowUp") move(event, -1);
    else if (event.key === "Escape") input.focus();
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") move(event, 1);
    else if (event.key === "Escape") {
      event.preventDefault();
      input.value = "";
      show();
    }
  });
  input.form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const first = result?.found[0];
    if (live.hidden || first === undefined) return;
    if (result.scores.get(first) >= 800) location.href = (await index.documents([first]))[0].href;
    else links()[0]?.focus();
  });
  input.addEventListener("input", show);
  sort?.addEventListener("change", show);
  empty.querySelector("button").addEventListener("click", clear);
  more.addEventListener("click", async () => (await page(turn))?.querySelector("a").focus());
  for (const box of boxes) {
    box.addEventListener("change", () => {
      picked = picked.filter(([name, value]) => name !== facetOf(box) || value !== box.value);
      if (box.checked) picked.push([facetOf(box), box.value]);
      show();
    });
  }

  filters.hidden = false;
  const wide = matchMedia("(min-width: 62rem)");
  const unfold = () => (filters.querySelector("details").open = wide.matches);
  wide.addEventListener("change", unfold);
  unfold();
  const state = new URLSearchParams(location.search);
  input.value = state.get("q") ?? "";
  if (sort && [...sort.options].some((option) => option.value === state.get("sort"))) sort.value = state.get("sort");
  picked = [...state].filter(([name, value]) => name !== "q" && name !== "sort" && value).slice(0, 16);
  if (input.value || picked.length || sort?.value) show();
}

start(list);
