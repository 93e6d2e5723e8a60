"use strict";
// What the search of every kind of page needs.

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

// As pages write numbers. toLocaleString does the same, and its first call takes tens of milliseconds.
const grouped = (count) => String(count).replace(/\B(?=(\d{3})+$)/g, ",");
const plural = (count) => `${grouped(count)} record${count === 1 ? "" : "s"}`;

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

// The text with the words of the query marked.
function marked(text, words) {
  return text.split(isPlain(text) ? /([a-z0-9]+)/i : /([\p{Alphabetic}\p{N}]+)/u).map((part, i) => {
    const hit = i % 2 && tokens(part).some((token) => words.some((word) => token.startsWith(word)));
    return hit ? element("mark", {}, part) : part;
  });
}

// Sets up the search box of the page. `surface(input, indexes)` is what this kind of page does with it.
function start(surface) {
  const input = byId("q");
  if (!input) return;
  const { catalogue, base, root } = html.dataset;
  const all = (input.dataset.catalogues ?? "").split(" ").filter(Boolean).slice(0, 12);
  const indexes = catalogue ? [new Index(catalogue, base)] : all.map((slug) => new Index(slug, `${root}${slug}/`));
  surface(input, indexes);
  input.closest("search").hidden = false;
  slash(input);
  // The roots are small; with them at hand the first query has one way less to go.
  for (const index of indexes) index.root();
}
