"use strict";
// Text as search sees it: folded words. What writes the shards must agree, rule for rule.
// The scripts of this folder are plain ones, because modules do not load from file://. They share their names, and
// come in this order: words, index, page, and then box or list.

const SPELLED = { ß: "ss", æ: "ae", œ: "oe", ø: "o", đ: "d", ð: "d", ł: "l", þ: "th", ı: "i", ς: "σ" };
const GREEK = Object.fromEntries(
  ("alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho " +
    "sigma tau upsilon phi chi psi omega").split(" ").map((name, i) => ["αβγδεζηθικλμνξοπρστυφχψω"[i], name]));
const ALONE = "[\\u3040-\\u30ff\\u3400-\\u4dbf\\u4e00-\\u9fff\\u{20000}-\\u{3134f}]";
const TOKEN = new RegExp(`${ALONE}|(?:(?!${ALONE})[\\p{Alphabetic}\\p{N}])+`, "gu");

const fold = (text) =>
  text.normalize("NFKD").toLowerCase().replace(/\p{M}/gu, "").replace(/[ßæœøđðłþıς]/g, (c) => SPELLED[c]);
const cut = (text, length) => (text.length > length ? [...text].slice(0, length).join("") : text);
// The patterns for all scripts take tens of milliseconds to compile, and most text is plain.
const isPlain = (text) => /^[\x00-\x7f]*$/.test(text);
const plainTokens = (text) => text.toLowerCase().match(/[a-z0-9]+/g);
const tokens = (text) =>
  ((isPlain(text) ? plainTokens(text) : fold(text).match(TOKEN)) ?? []).map((token) => GREEK[token] ?? cut(token, 24));
