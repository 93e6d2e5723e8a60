"use strict";
// What makes tables of neuron types easier to read: a least share, copies as CSV, cells picked for the viewer. Every page says all it knows without it.
(() => {
  const make = (name, attributes, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };
  const percent = (part, whole) => (whole ? ((100 * part) / whole).toFixed(1) : "0.0");
  const number = (row, name) => Number(row.dataset[name]);
  const rowsOf = (table) => [...table.tBodies[0].rows];

  // --- Least share: positions of the slider are a logarithmic scale, and its left end is everything ---

  const CUTS = {
    share: {
      label: "At least", unit: "% in or out", low: 0.1, high: 100, start: 1.5,
      of: (row, table) => Math.max(100 * number(row, "post") / (number(table, "post") || 1), 100 * number(row, "pre") / (number(table, "pre") || 1)),
      told: (rows, table) => {
        const sum = (name) => rows.reduce((all, row) => all + number(row, name), 0);
        return `${percent(sum("post"), number(table, "post"))} % of the synapses received, ${percent(sum("pre"), number(table, "pre"))} % of those made`;
      },
    },
    weight: {
      label: "At least", unit: "connections per neuron", low: 0.1, high: 1000, start: 1,
      of: (row, table) => number(row, "weight") / number(table, "cells"),
      told: (rows, table) => `${percent(rows.reduce((all, row) => all + number(row, "weight"), 0), number(table, "all"))} % of the connections`,
    },
  };
  const STEPS = 80;
  const least = (cut, position) => (position ? cut.low * (cut.high / cut.low) ** ((position - 1) / (STEPS - 1)) : 0);
  const place = (cut, value) => Math.round((Math.log(value / cut.low) / Math.log(cut.high / cut.low)) * (STEPS - 1)) + 1;

  function slider(table, controls) {
    const cut = CUTS[table.dataset.cut];
    const all = rowsOf(table);
    const input = make("input", { type: "range", min: "0", max: String(STEPS), value: String(place(cut, cut.start)) });
    const output = make("output", {});
    const told = make("p", { role: "status" });
    const show = () => {
      const limit = Number(least(cut, Number(input.value)).toPrecision(2));
      for (const row of all) row.hidden = cut.of(row, table) < limit;
      const shown = all.filter((row) => !row.hidden);
      output.textContent = limit ? `${limit} ${cut.unit}` : "everything";
      input.setAttribute("aria-valuetext", output.textContent);
      told.textContent = `${shown.length} of ${all.length} shown: ${cut.told(shown, table)}.`;
    };
    input.addEventListener("input", show);
    controls.append(make("label", {}, cut.label, input, output), ...buttons(table), told);
    // On paper everything is there.
    addEventListener("beforeprint", () => all.forEach((row) => (row.hidden = false)));
    addEventListener("afterprint", show);
    show();
  }

  // --- CSV: whole numbers as they are, quotients in full; what a spreadsheet would run begins with ' ---

  const cell = (text) => {
    const safe = /^[=+\-@\t\r]/.test(text) && !/^-?[\d.]+$/.test(text) ? `'${text}` : text;
    return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const HEADS = {
    share: ["region", "in", "percent_in", "out", "percent_out"],
    weight: ["partner", "cells", "transmitter", "connections", "connections_per_neuron", "percent", "cv"],
  };
  const LINES = {
    share: (row, table) => [row.cells[0].textContent, row.dataset.post, 100 * number(row, "post") / (number(table, "post") || 1), row.dataset.pre,
      100 * number(row, "pre") / (number(table, "pre") || 1)],
    weight: (row, table) => [row.cells[0].textContent, row.cells[1].textContent.replaceAll(",", ""), row.cells[2].querySelector("abbr")?.title ?? "unknown",
      row.dataset.weight, number(row, "weight") / number(table, "cells"), 100 * number(row, "weight") / (number(table, "all") || 1), row.cells[6].textContent],
  };
  const csv = (table) => {
    const lines = rowsOf(table).map((row) => LINES[table.dataset.cut](row, table));
    return [HEADS[table.dataset.cut], ...lines].map((line) => line.map((part) => cell(String(part).trim())).join(",")).join("\n") + "\n";
  };

  function buttons(table) {
    const download = make("button", { type: "button" }, "CSV");
    download.addEventListener("click", () => {
      const link = make("a", { href: URL.createObjectURL(new Blob([csv(table)], { type: "text/csv" })), download: `${table.dataset.csv.replace(/[^\w.-]+/g, "_")}.csv` });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
    if (!navigator.clipboard) return [download];
    const copy = make("button", { type: "button" }, "Copy");
    copy.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(csv(table));
        copy.textContent = "Copied";
      } catch {
        copy.textContent = "Not allowed";
      }
      setTimeout(() => (copy.textContent = "Copy"), 1500);
    });
    return [copy, download];
  }

  // --- The viewer: its state is in the links; picked partner cells are added to it ---

  function viewer() {
    const links = ["viewer-link", "viewer-dark"].map((id) => document.getElementById(id)).filter(Boolean);
    if (!links.length) return;
    const states = links.map((link) => [link, link.href.slice(0, link.href.indexOf("#!") + 2), JSON.parse(decodeURIComponent(link.hash.slice(2)))]);
    const picked = new Map();
    const frame = document.getElementById("viewer-frame");
    const told = document.getElementById("viewer-picked");
    let shown = null;
    let dark = false;
    const update = () => {
      const more = [...picked.values()].flat();
      for (const [link, base, state] of states) {
        const layers = state.layers.map((layer) => (layer.type === "segmentation" ? { ...layer, segments: [...new Set([...layer.segments, ...more])] } : layer));
        link.href = base + encodeURIComponent(JSON.stringify({ ...state, layers }));
      }
      if (shown) shown.src = links[dark ? 1 : 0].href;
      told.hidden = !picked.size;
      told.textContent = `With ${more.length} partner cells of ${[...picked.keys()].join(", ")}.`;
    };
    for (const row of document.querySelectorAll("tr[data-bodies]")) {
      const name = row.cells[0].textContent;
      const box = make("input", { type: "checkbox", "aria-label": `Show partner cells of ${name} in the viewer` });
      box.addEventListener("change", () => {
        const key = `${name} (${row.closest("table").id.replace("table-", "")})`;
        if (box.checked) picked.set(key, row.dataset.bodies.split(" "));
        else picked.delete(key);
        update();
      });
      row.cells[0].prepend(box);
    }
    const here = document.getElementById("viewer-here");
    here.hidden = false;
    here.addEventListener("click", () => {
      shown = make("iframe", { src: links[0].href, title: "Neuroglancer", allow: "fullscreen", referrerpolicy: "no-referrer" });
      frame.replaceChildren(shown);
      frame.hidden = false;
      here.hidden = true;
      if (links.length < 2) return;
      const ground = make("button", { type: "button", "aria-pressed": "false" }, "Black background");
      ground.addEventListener("click", () => {
        dark = !dark;
        ground.setAttribute("aria-pressed", String(dark));
        update();
      });
      here.after(ground);
    });
  }

  for (const controls of document.querySelectorAll(".controls[data-for]")) {
    slider(document.getElementById(controls.dataset.for), controls);
    controls.hidden = false;
  }
  viewer();
})();
