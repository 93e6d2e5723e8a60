"use strict";
// The small things of every page: theme, copy buttons, table of contents. Loaded before the first
// paint so that a chosen theme does not flash. Every page works without it.
(() => {
  const html = document.documentElement;

  // Storage can be refused (private windows, file://): the choice then lasts one page.
  const stored = (value) => {
    try {
      if (value === undefined) return localStorage.getItem("quire-theme");
      localStorage.setItem("quire-theme", value);
    } catch {
      // Nothing to remember it with.
    }
    return null;
  };

  const theme = stored();
  if (theme === "dark" || theme === "light") html.dataset.theme = theme;

  const isDark = () =>
    html.dataset.theme ? html.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;

  function themeButton(button) {
    const label = () => {
      button.textContent = isDark() ? "Light theme" : "Dark theme";
    };
    button.addEventListener("click", () => {
      html.dataset.theme = isDark() ? "light" : "dark";
      stored(html.dataset.theme);
      label();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", label);
    label();
    button.hidden = false;
  }

  function copyButton(button) {
    if (!navigator.clipboard) return;
    const label = button.textContent;
    button.addEventListener("click", async () => {
      const from = document.getElementById(button.dataset.copyFrom);
      try {
        await navigator.clipboard.writeText(from?.textContent ?? button.dataset.copy);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Not allowed";
      }
      setTimeout(() => (button.textContent = label), 1500);
    });
    button.hidden = false;
  }

  // Marks the section being read in the table of contents.
  function contents(toc) {
    const links = new Map();
    for (const link of toc.querySelectorAll("a")) {
      const section = document.getElementById(decodeURIComponent(link.hash.slice(1)));
      if (section) links.set(section, link);
    }
    const seen = new Set();
    const observer = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) seen[isIntersecting ? "add" : "delete"](target);
      const current = [...links.keys()].find((section) => seen.has(section));
      for (const [section, link] of links) link.ariaCurrent = section === current ? "true" : null;
    }, { rootMargin: "-72px 0px -40% 0px" });
    for (const section of links.keys()) observer.observe(section);
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("button.theme").forEach(themeButton);
    document.querySelectorAll("button.copy").forEach(copyButton);
    document.querySelectorAll(".toc").forEach(contents);
  });
})();
