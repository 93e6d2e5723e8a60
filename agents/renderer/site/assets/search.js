"use strict";
// Search without a server. The index is a folder of small scripts (shards) that register themselves with
// quireShard(), so it also works from file://. What writes them must agree on folding, blocks and postings.
// Names are global to the page; only quire.js runs besides, and keeps its own to itself.

// --- Folding ---

const SPELLED = { ß: "ss", æ: "ae", œ: "oe", ø: "o", đ: "d", ð: "d", ł: "l", þ: "th", ı: "i", ς: "σ" };
const GREEK = Object.fromEntries(
  ("alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho " +
    "sigma tau upsilon phi chi psi omega").split(" ").map((name, i) => ["αβγδεζηθικλμνξοπρστυφχψω"[i], name]));
const ALONE = "[\\u3040-\\u30ff\\u3400-\\u4dbf\\u4e00-\\u9fff\\u{20000}-\\u{3134f}]";
const TOKEN = new RegExp(`${ALONE}|(?:(?!${ALONE})[\\p{Alphabetic}\\p{N}])+`, "gu");

const fold = (text) =>
  text.normalize("NFKD").toLowerCase().replace(/\p{M}/gu, "").replace(/[ßæœøđðłþıς]/g, (c) => SPELLED[c]);
const cut = (text, length) => (text.length > length ? [...text].slice(0, length).join("") : text);
const tokens = (text) => (fold(text).match(TOKEN) ?? []).map((token) => GREEK[token] ?? cut(token, 24));

// --- Shards ---

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const VALUE = new Map([...DIGITS].map((digit, value) => [digit, value]));
const escaped = (term) => term.replace(/[%|=]/g, encodeURIComponent);

const waiting = new Map();
window.quireShard = (catalogue, name, payload) => waiting.get(`${catalogue}/${name}`)?.(payload);

function documents(list) {
  const found = [];
  if (list[0] === "!") {
    for (let i = 1; i < list.length; i++) {
      const bits = VALUE.get(list[i]);
      for (let bit = 0; bit < 6; bit++) if ((bits >> bit) & 1) found.push((i - 1) * 6 + bit);
    }
    return found;
  }
  let last = 0, gap = 0, shift = 0;
  for (const digit of list) {
    const value = VALUE.get(digit);
    gap += (value & 31) << shift;
    shift += 5;
    if (value < 32) {
      found.push((last += gap));
      gap = shift = 0;
    }
  }
  return found;
}

const entries = (payload) =>
  payload ? payload.split("|").map((entry) => {
    const at = entry.lastIndexOf("=");
    return at < 0 ? [entry, ""] : [entry.slice(0, at), entry.slice(at + 1)];
  }) : [];

// Calls `each(document, class)` for everything in the postings.
function postings(text, each) {
  text.split(".").forEach((list, kind) => documents(list).forEach((document) => each(document, kind)));
}

class Index {
  constructor(catalogue, base) {
    this.catalogue = catalogue;
    this.base = base;
    this.loaded = new Map();
  }

  // The payload of a shard; null if there is none.
  load(name) {
    let promise = this.loaded.get(name);
    if (!promise) {
      promise = new Promise((resolve) => {
        const key = `${this.catalogue}/${name}`;
        const script = document.createElement("script");
        const done = (payload) => {
          waiting.delete(key);
          script.remove();
          resolve(payload);
        };
        waiting.set(key, done);
        script.onload = script.onerror = () => done(null);
        script.src = `${this.base}search/${name}.js`;
        document.head.append(script);
      });
      this.loaded.set(name, promise);
    }
    return promise;
  }

  root() {
    return (this.opened ??= this.load("index").then((root) => {
      if (root?.v !== 1) return null;
      this.labels = Object.fromEntries(Object.entries(root.blocks).map(([name, labels]) => [name, labels.split("|")]));
      this.tops = entries(root.tops);
      return root;
    }));
  }

  // Number of the block that may hold the term: the last whose label is not greater.
  block(family, term) {
    const labels = this.labels[family];
    let low = 0, high = labels.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (labels[middle] <= term) low = middle;
      else high = middle;
    }
    return low;
  }

  // The entries of every block that may hold terms with the prefix; null if they are more than `most`.
  async range(family, prefix, most = 4) {
    const first = this.block(family, prefix), last = this.block(family, prefix + "\uffff");
    if (last - first >= most) return null;
    const names = Array.from({ length: last - first + 1 }, (_, i) => family + (first + i));
    return (await Promise.all(names.map((name) => this.load(name)))).flatMap((payload) => entries(payload ?? ""));
  }

  async exact(family, term) {
    const payload = await this.load(family + this.block(family, term));
    return entries(payload ?? "").find(([found]) => found === term)?.[1];
  }

  async documents(numbers) {
    const chunk = (await this.root()).chunk;
    return Promise.all(numbers.map(async (number) => {
      const flat = (await this.load(`d${Math.floor(number / chunk)}`)) ?? [];
      const [title = "", slug = "", key = "", summary = ""] = flat.slice((number % chunk) * 4);
      return { title, key, summary, href: `${this.base}${slug}.html` };
    }));
  }

  // --- Finding ---

  // Documents whose key, title or other name is, or begins with, the whole query.
  async names(whole, score) {
    const found = await this.range("n", whole);
    const add = (text, points) => postings(text, (document, kind) => score(document, points[kind] ?? 0));
    if (found) {
      for (const [term, text] of found) {
        if (term === whole) add(text, [1000, 900, 800]);
        else if (term.startsWith(whole)) add(text, [60, 100, 40]);
      }
    } else {
      const tops = this.tops.filter(([prefix]) => prefix.startsWith(whole));
      const top = tops.sort((a, b) => a[0].length - b[0].length)[0];
      if (top) add(top[1], [60, 100, 40]);
    }
  }

  // Points by document for one word; null if it is too short to tell.
  async word(word, open) {
    const points = new Map();
    const { docs } = await this.root();
    const add = (text, factor) => {
      const found = [];
      postings(text, (...posting) => found.push(posting));
      const rare = Math.log2(1 + docs / found.length);
      for (const [document, kind] of found) {
        const value = ([8, 10, 7, 4, 1][kind] ?? 1) * factor * rare;
        if (value > (points.get(document) ?? 0)) points.set(document, value);
      }
    };
    const [whole, longer] = await Promise.all([this.exact("w", word), open && this.range("w", word)]);
    if (whole !== undefined) add(whole, 1);
    if (open || whole === undefined) {
      const found = open ? longer : await this.range("w", word);
      if (!found && whole === undefined) return null;
      for (const [term, text] of found ?? []) {
        if (term !== word && term.startsWith(word)) add(text, 0.6);
      }
    }
    if (!points.size && word.length > 3) {
      for (const [, text] of await this.misspelled(word, open)) add(text, 0.3);
    }
    return points;
  }

  // Words one letter away. Either the front or the rear half of the word is right: the front half leads to
  // the word itself, the rear half to the same word from behind.
  async misspelled(word, open) {
    const near = (term) => distanceOne(word, term) || (open && word.length > 4 && distanceOne(word, cut(term, word.length)));
    const turn = (text) => [...text].reverse().join("");
    const half = Math.floor(word.length / 2);
    const front = (await this.range("w", word.slice(0, half), 3)) ?? (await this.range("w", word.slice(0, half + 1), 3)) ?? [];
    const rear = (await this.range("r", turn(word.slice(half + 1)), 2)) ?? [];
    const found = new Map(front.filter(([term]) => near(term)));
    const others = rear.map(([term]) => turn(term)).filter((term) => near(term) && !found.has(term));
    for (const term of others.slice(0, 4)) found.set(term, (await this.exact("w", term)) ?? "");
    return found;
  }

  // The documents of one value of one facet.
  async facet(name, value) {
    const number = (await this.root()).facets.findIndex(([facet]) => facet === name);
    return number < 0 ? [] : documents((await this.exact("f", escaped(`${number}:${value}`))) ?? "");
  }

  // All documents that match, best first: { found, scores, words, complete }.
  async find(text, filters = []) {
    const root = await this.root();
    if (!root) return { found: [], scores: new Map(), words: [], complete: true };
    const words = tokens(text).slice(0, 8);
    const scores = new Map();
    const score = (document, points) => scores.set(document, Math.max(scores.get(document) ?? 0, points));
    let complete = true, partial = false;
    if (words.length) {
      const open = !/\s$/.test(text);
      const [, ...all] = await Promise.all([
        this.names(cut(words.join(" "), 64).trimEnd(), score),
        ...words.map((word, i) => this.word(word, open && i === words.length - 1)),
      ]);
      const told = all.filter(Boolean);
      complete = told.length === all.length;
      const sums = new Map(), counts = new Map();
      for (const points of told) {
        for (const [document, value] of points) {
          sums.set(document, (sums.get(document) ?? 0) + value);
          counts.set(document, (counts.get(document) ?? 0) + 1);
        }
      }
      const most = Math.max(0, ...new Set(counts.values()));
      partial = !scores.size && most < told.length;
      for (const [document, sum] of sums) {
        if (counts.get(document) === (partial ? most : told.length)) scores.set(document, (scores.get(document) ?? 0) + sum);
      }
    } else {
      for (let document = 0; document < root.docs; document++) scores.set(document, 0);
    }
    for (const [name, value] of filters) {
      const members = new Set(await this.facet(name, value));
      for (const document of scores.keys()) if (!members.has(document)) scores.delete(document);
    }
    const found = [...scores.keys()].sort((a, b) => scores.get(b) - scores.get(a) || a - b);
    return { found, scores, words, complete, partial };
  }
}

// Whether one insertion, deletion, exchange or swap of neighbours makes `b` of `a`.
function distanceOne(a, b) {
  if (Math.abs(a.length - b.length) > 1 || a === b) return a === b;
  let start = 0;
  while (start < a.length && a[start] === b[start]) start++;
  let ends = 0;
  while (ends < Math.min(a.length, b.length) - start && a.at(-1 - ends) === b.at(-1 - ends)) ends++;
  const x = a.slice(start, a.length - ends), y = b.slice(start, b.length - ends);
  return (x.length < 2 && y.length < 2) || (x.length === 2 && x === y[1] + y[0]);
}

// --- What both surfaces need ---

const html = document.documentElement;
const byId = (id) => document.getElementById(id);

function set(target, attributes) {
  for (const name in attributes) target.setAttribute(name, attributes[name]);
  return target;
}

function element(name, attributes, ...children) {
  const made = set(document.createElement(name), attributes);
  made.append(...children);
  return made;
}

// The text with the words of the query marked.
function marked(text, words) {
  return text.split(/([\p{Alphabetic}\p{N}]+)/u).map((part, i) => {
    const hit = i % 2 && tokens(part).some((token) => words.some((word) => token.startsWith(word)));
    return hit ? element("mark", {}, part) : part;
  });
}

const plural = (count) => `${count.toLocaleString("en")} record${count === 1 ? "" : "s"}`;

// "/" anywhere goes to the search box.
function slash(input) {
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey;
    if (event.key !== "/" || typing) return;
    event.preventDefault();
    input.focus();
    input.select();
  });
}

// --- The box in the header: a combobox ---

function header(input, indexes) {
  const box = element("div", { id: "hits", role: "listbox", class: "hits", "aria-label": "Search results" });
  const hint = element("div", { id: "hint", role: "status", class: "hint" });
  box.hidden = true;
  input.closest("search").append(box, hint);
  set(input, { role: "combobox", "aria-expanded": "false", "aria-controls": "hits", "aria-autocomplete": "list" });
  let turn = 0, active = -1, best = null;

  const close = () => {
    turn++;
    active = -1;
    best = null;
    box.hidden = true;
    hint.textContent = "";
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };

  const choose = (next) => {
    const options = box.children;
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
    box.replaceChildren(...hits.map((hit, i) =>
      element("a", { role: "option", id: `hit-${i}`, href: hit.href, tabindex: "-1", "aria-selected": "false" },
        element("span", {}, ...marked(hit.title, hit.words)),
        element("code", {}, indexes.length > 1 ? `${hit.index.catalogue} · ${hit.key}` : hit.key),
        element("p", {}, hit.summary))));
    hint.textContent = hits.length ? plural(hits.length) : "No results";
    box.hidden = !hits.length;
    input.setAttribute("aria-expanded", String(hits.length > 0));
  };

  input.addEventListener("input", show);
  input.addEventListener("keydown", (event) => {
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in steps && box.children.length && !box.hidden) {
      event.preventDefault();
      choose(active < 0 && event.key === "ArrowUp" ? -1 : active + steps[event.key]);
    } else if (event.key === "Escape") {
      event.preventDefault();
      input.value = "";
      close();
    } else if (event.key === "Enter") {
      const chosen = box.children[active]?.href ?? (best?.score >= 800 || !html.dataset.catalogue ? best?.href : null);
      if (chosen || !html.dataset.catalogue) event.preventDefault();
      if (chosen) location.href = chosen;
    }
  });
  box.addEventListener("mousedown", (event) => event.preventDefault());
  input.addEventListener("blur", close);
}

// --- The list page ---

function list(input, index) {
  const [still, live, more, status, sort, chosen, filters] =
    ["static", "live", "more", "status", "sort", "chosen", "filters"].map(byId);
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
      line.querySelector(".n").textContent = count?.toLocaleString("en") ?? "";
    }
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
    live.hidden = more.hidden = true;
    live.replaceChildren();
    status.textContent = atRest;
    for (const count of filters.querySelectorAll(".n")) {
      count.textContent = count.dataset.n;
      count.closest("label").hidden = false;
    }
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
    live.hidden = false;
    status.textContent =
      !order.length ? "No records match" :
      !result.complete ? "Best matches; type more to narrow them" :
      result.partial ? `${plural(order.length)} with some of the words` : plural(order.length);
    await counts(mine);
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

// --- Start ---

function start(input) {
  const { catalogue, base, root } = html.dataset;
  const all = (input.dataset.catalogues ?? "").split(" ").filter(Boolean).slice(0, 12);
  const indexes = catalogue ? [new Index(catalogue, base)] : all.map((slug) => new Index(slug, `${root}${slug}/`));
  if (document.body.className === "list") list(input, indexes[0]);
  else header(input, indexes);
  input.closest("search").hidden = false;
  slash(input);
  // The roots are small; with them at hand the first query has one way less to go.
  (window.requestIdleCallback ?? setTimeout)(() => indexes.forEach((index) => index.root()));
}

const box = byId("q");
if (box) start(box);
