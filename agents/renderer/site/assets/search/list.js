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

  // Documents of values that were asked for later.
  const rare = new Map();

  function pick(facet, chosen, wanted) {
    picked = picked.filter(([name, value]) => name !== facet || value !== chosen);
    if (wanted) picked.push([facet, chosen]);
    show();
  }
  const watch = (box) => box.addEventListener("change", () => pick(facetOf(box), box.value, box.checked));

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

  // A value that leads to all records that have it.
  const tag = ([name, value]) =>
    element("li", {}, element("a", { href: `${index.base}index.html?${new URLSearchParams([[name, value]])}`, "data-facet": name, "data-value": value }, value));

  async function page(mine) {
    more.disabled = true;
    const hits = await index.documents(order.slice(shown, shown + (shown ? 30 : 10)));
    more.disabled = false;
    if (mine !== turn) return;
    const items = hits.map((hit) => {
      const part = (name, attributes, text) => element(name, attributes, ...marked(text, result.words));
      const line = element("li", {}, part("a", { href: hit.href }, hit.title), " ", ...(hit.key === hit.title ? [] : [part("code", {}, hit.key)]), part("p", {}, hit.summary));
      if (hit.tags.length) line.append(element("ul", { class: "tags" }, ...hit.tags.map(tag)));
      return line;
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
      const members = rare.get(box) ?? (text === undefined ? undefined : documents(text));
      const known = result.complete && members !== undefined;
      const count = known ? [...members].filter((document) => inside.has(document)).length : undefined;
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
  boxes.forEach(watch);

  // A tag adds to what is chosen.
  document.querySelector(".results").addEventListener("click", (event) => {
    const link = event.target.closest?.(".tags a[data-facet]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    pick(link.dataset.facet, link.dataset.value, true);
    status.scrollIntoView({ block: "nearest" });
  });

  // The list shows the most frequent values of a filter; the others come when they are asked for.
  for (const button of filters.querySelectorAll("button[data-all]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      button.disabled = true;
      const group = button.closest("fieldset");
      const known = new Set(boxes.filter((box) => group.contains(box)).map((box) => box.value));
      const made = (await index.values(group.dataset.facet)).filter(([value]) => !known.has(value)).map(([value, found]) => {
        const count = grouped(found.length);
        const line = element("label", {}, element("input", { type: "checkbox", value }), " ", element("span", {}, value), " ",
          element("span", { class: "n", "data-n": count }, count));
        const box = line.querySelector("input");
        rare.set(box, new Set(found));
        boxes.push(box);
        watch(box);
        return line;
      });
      button.closest("p").replaceWith(...made);
      made[0]?.querySelector("input").focus();
      if (result && !live.hidden) await counts(turn);
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
