"use strict";
// Search without a server. The index is a folder of small scripts (shards) that register themselves with
// quireShard(), so it also works from file://. What writes them must agree on blocks and postings.

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const VALUE = new Map([...DIGITS].map((digit, value) => [digit, value]));
const escaped = (term) => term.replace(/[%|=]/g, encodeURIComponent);
const plain = (term) => term.replace(/%(25|7C|3D)/g, decodeURIComponent);
// Texts of a document in a chunk.
const TEXTS = 5;

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
      if (root?.v !== 2) return null;
      this.labels = Object.fromEntries(Object.entries(root.blocks).map(([name, labels]) => [name, labels.split("|")]));
      this.tops = entries(root.tops);
      this.facets = root.facets;
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
      const [title = "", slug = "", key = "", summary = "", tags = ""] = flat.slice((number % chunk) * TEXTS);
      return { title, key, summary, href: `${this.base}${slug}.html`, tags: tags ? tags.split("|").map((tag) => this.value(tag)) : [] };
    }));
  }

  // A value of a filter, written `number:value`: the filter's name and the value.
  value(term) {
    const at = term.indexOf(":");
    return [this.facets[Number(term.slice(0, at))]?.[0] ?? "", plain(term.slice(at + 1))];
  }

  // All values of a filter with the documents that have them.
  async values(name) {
    const root = await this.root();
    const prefix = `${root.facets.findIndex(([facet]) => facet === name)}:`;
    const found = (await this.range("f", prefix, 256)) ?? [];
    return found.filter(([term]) => term.startsWith(prefix)).map(([term, list]) => [this.value(term)[1], documents(list)]);
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

  // Documents with the query inside a word of a name; false if they are too many to tell.
  async parts(whole, score) {
    if (whole.length < 2 || !(await this.root()).parts) return true;
    const sought = cut(whole, 16);
    const found = await this.range("s", sought, 6);
    for (const [term, text] of found ?? []) {
      if (term.startsWith(sought)) postings(text, (document) => score(document, 20));
    }
    return found !== null;
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

  // Names that differ in capitals or signs alone are alike so far: the one that was typed comes first.
  async exactly(typed, found, scores) {
    const alike = found.slice(0, 8).filter((document) => scores.get(document) >= 800);
    if (alike.length < 2) return;
    const at = (await this.documents(alike)).findIndex((hit) => hit.key === typed || hit.title === typed);
    if (at < 0) return;
    found.unshift(...found.splice(at, 1));
    scores.set(found[0], scores.get(alike[0]) + 1);
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
      const whole = cut(words.join(" "), 64).trimEnd();
      const [, inside, ...all] = await Promise.all([
        this.names(whole, score),
        this.parts(whole, score),
        ...words.map((word, i) => this.word(word, open && i === words.length - 1)),
      ]);
      const told = all.filter(Boolean);
      complete = inside && told.length === all.length;
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
    await this.exactly(text.trim(), found, scores);
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
