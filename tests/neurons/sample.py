#!/usr/bin/env python3
"""Writes the sample data of catalogues/neurons: python3 sample.py FOLDER. The same every time."""

import collections
import json
import math
import pathlib
import sys

from brain import ABOVE, LAYERS, MIDDLE, columns, near, number, region_name
from types_of_sample import CONNECTIONS, TYPES, cells

SIDES = ("L", "M", "R")
# What synonyms of the types cite; one of what they cite is left out.
CITATIONS = """citation,address,title
Harrow 2014,https://example.org/harrow-2014,Harrow (2014): Cells of the first relay. Made up for this sample.
Pell 2019,10.5555/pell-2019,Pell (2019): A map of small columns. Made up for this sample.
"""
# Partner cells that are told of the cell shown.
MOST_BODIES = 20


def connect(all_cells):
    """Weights by (from, to), and with them what cells make and receive."""
    by_type = collections.defaultdict(list)
    for cell in all_cells:
        by_type[cell.type].append(cell)
    weights = {}
    for source, target, strength, reach in CONNECTIONS:
        for one in by_type[source]:
            for other in by_type[target]:
                steps = near(one.home, other.home)
                same_side = one.side == other.side or None in (one.side, other.side) or "M" in (one.side, other.side)
                if one is other or (reach is not None and (steps > reach or not same_side)):
                    continue
                weight = strength // (1 + (steps if reach else 0)) + number(1 + strength // 3, one.body, other.body)
                weight = weight if same_side else weight // 4
                if weight:
                    weights[one, other] = weight
    for (one, other), weight in weights.items():
        one.downstream += weight
        other.upstream += weight
    for cell in all_cells:
        # A synapse made reaches some four partners; one received comes from one.
        cell.pre, cell.post = -(-cell.downstream // 4), cell.upstream
        cell.settle()
    return weights


def variation(found):
    """Population standard deviation by mean, three decimals."""
    total = sum(found)
    spread = max(len(found) * sum(weight * weight for weight in found) - total * total, 0)
    return round(math.sqrt(spread) / total, 3) if len(found) > 1 else 0


def strongest(ours):
    """The cell with most synapses."""
    return min(ours, key=lambda cell: (-cell.pre - cell.post, cell.body))


def partners(ours, weights, way, side):
    """The connections of a view with cells that have a type, strongest first."""
    # A page of all cells shows one of each side.
    sides = [[cell for cell in ours if cell.side == one] for one in SIDES] if side is None else []
    shown = [strongest(cells) for cells in sides if cells] or [strongest(ours)]
    by_cell = collections.Counter()
    for ends, weight in weights.items():
        if ends[1 - way] in ours and ends[way].type:
            by_cell[ends[way]] += weight
    groups = collections.defaultdict(list)
    for cell in by_cell:
        groups[cell.type, cell.side].append(cell)
    out = []
    for (name, of), found in groups.items():
        strengths = [by_cell[cell] for cell in found]
        transmitters = collections.Counter()
        for cell in found:
            transmitters[cell.transmitter] += by_cell[cell]
        commonest = min(transmitters, key=lambda name: (-transmitters[name], name is not None, name))
        of_shown = [(sum(weights.get((one, cell) if way else (cell, one), 0) for one in shown), cell.body) for cell in found]
        bodies = sorted((pair for pair in of_shown if pair[0]), key=lambda pair: (-pair[0], pair[1]))
        out.append({"type": name, "side": of, "cells": len(found), "weight": sum(strengths), "cv": variation(strengths),
                    "transmitter": commonest, "bodies": bodies[:MOST_BODIES]})
    out.sort(key=lambda it: (it["type"], it["side"] or ""))
    if side is None:
        out = merged(out)
    for row in out:
        row["bodies"] = [str(body) for _, body in row["bodies"]]
    return sorted(out, key=lambda it: (-it["weight"], it["type"], it["side"] or ""))


def merged(connections):
    """Sides put together: what counts is added, the variation is the mean by partner cells."""
    out = []
    for more in connections:
        if not out or out[-1]["type"] != more["type"]:
            out.append({**more, "side": None})
            continue
        last = out[-1]
        last["cv"] = round((last["cv"] * last["cells"] + more["cv"] * more["cells"]) / (last["cells"] + more["cells"]), 3)
        if more["weight"] > last["weight"]:
            last["transmitter"] = more["transmitter"]
        last["cells"] += more["cells"]
        last["weight"] += more["weight"]
        last["bodies"] = sorted(last["bodies"] + more["bodies"], key=lambda pair: (-pair[0], pair[1]))
    return out


def view(ours, weights, side):
    """What a page of these cells shows."""
    regions, layers = (collections.defaultdict(lambda: [0, 0, set()]) for _ in range(2))
    def add(sums, cell, counts):
        sums[0], sums[1] = sums[0] + counts[0], sums[1] + counts[1]
        sums[2].add(cell)
    for cell in ours:
        for (region, of, layer, _), counts in cell.synapses.items():
            above = [name if name != "OL" else f"OL({of})" for name, below in ABOVE.items() if region in below]
            for name in [region_name(region, of), *above]:
                add(regions[name], cell, counts)
            if layer:
                add(layers[region, of, layer], cell, counts)
    central = regions["CentralBrain"] if "CentralBrain" in regions else [0, 0, set()]
    shown = strongest(ours)
    total = lambda what: sum(getattr(cell, what) for cell in ours)
    return {
        "cells": len(ours), "pre": total("pre"), "post": total("post"), "downstream": total("downstream"),
        "upstream": total("upstream"), "shown": str(shown.body),
        "regions": [[name, pre, post, len(found)] for name, (pre, post, found) in sorted(regions.items())],
        "layers": [[*where, pre, post, len(found)] for where, (pre, post, found) in sorted(layers.items())],
        "central": [*central[:2], len(central[2])],
        "inputs": partners(set(ours), weights, 0, side), "outputs": partners(set(ours), weights, 1, side),
    }


def eyemaps(ours):
    """Columns of each region, by side of the cells and of the region."""
    maps = collections.defaultdict(lambda: collections.defaultdict(lambda: [set(), {}]))
    for cell in ours:
        for (region, of, layer, column), counts in cell.synapses.items():
            if column:
                found, by_layer = maps[cell.side or "", region, of][column]
                found.add(cell)
                by_layer[layer] = by_layer.get(layer, 0) + sum(counts)
    out = []
    for (cells_of, region, side), drawn in sorted(maps.items()):
        sizes = sorted(collections.Counter(cell for found, _ in drawn.values() for cell in found).values())
        rows = []
        for (hex1, hex2), (found, by_layer) in sorted(drawn.items()):
            last = max(LAYERS[region].index(layer) for layer in by_layer)
            rows.append([hex1, hex2, len(found), [by_layer.get(layer, 0) for layer in LAYERS[region][: last + 1]]])
        median = sizes[(len(sizes) - 1) // 2] + sizes[len(sizes) // 2]
        out.append({"cells_of": cells_of or None, "region": region, "side": side, "twice_median": median, "columns": rows})
    return out


def record(name, sides, told, ours, weights):
    """The record of one type."""
    listed = lambda what: [told[what]] if what in told else []
    names = [side for side in SIDES if side in sides]
    found = collections.defaultdict(list)
    for cell in ours:
        found[cell.transmitter].append(cell.confidence)
    transmitters = [{"name": of, "cells": len(sure), "confidence": round(sum(sorted(sure)) / len(sure), 6) if of else None}
                    for of, sure in sorted(found.items(), key=lambda it: (it[0] is None, -len(it[1]), it[0]))]
    return {
        "kind": "type", "type": name, "sides": dict(sorted(sides.items())),
        "superclasses": listed("superclass"), "classes": listed("class"), "subclasses": listed("subclass"),
        "dimorphisms": listed("dimorphism"), "neuromeres": listed("neuromere"), "hemilineages": listed("hemilineage"),
        "synonyms": told.get("synonyms", []), "flywire": told.get("flywire", []), "transmitters": transmitters,
        "views": {**{side: view([cell for cell in ours if cell.side == side], weights, side) for side in names},
                  "all": view(ours, weights, None)},
        "eyemaps": eyemaps(ours),
    }


def dataset():
    """What concerns all types."""
    paired = lambda region: [region] if region in MIDDLE else [region_name(region, side) for side in "LR"]
    tree = {}
    for above, below in ABOVE.items():
        for side in "LR" if above == "OL" else [""]:
            regions = [f"{region}({side})" for region in below] if side else [name for region in below for name in paired(region)]
            tree[f"OL({side})" if side else above] = dict.fromkeys(sorted(regions), {})
    primary = sorted(name for below in ABOVE.values() for region in below for name in paired(region))
    return {"kind": "dataset", "name": "sample-brain", "primary": primary, "tree": {"CNS": tree},
            "columns": {region: {side: columns(region) for side in "LR"} for region in LAYERS}}


def laid_out(value, depth=0):
    """JSON with a line for each part of a record, so that changes can be read."""
    if depth < 3 and isinstance(value, (dict, list)) and value and len(json.dumps(value)) > 100:
        pairs = value.items() if isinstance(value, dict) else ((None, inner) for inner in value)
        blank = " " * (depth + 1)
        lines = [blank + (f"{json.dumps(key)}: " if key else "") + laid_out(inner, depth + 1) for key, inner in pairs]
        opening, closing = "{}" if isinstance(value, dict) else "[]"
        return opening + "\n" + ",\n".join(lines) + "\n" + " " * depth + closing
    return json.dumps(value, ensure_ascii=False, separators=(",", ":") if depth > 2 else (", ", ": "))


def main():
    """Writes a file a record."""
    folder = pathlib.Path(sys.argv[1])
    all_cells = cells()
    weights = connect(all_cells)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset.json").write_text(laid_out(dataset()) + "\n")
    (folder / "citations.csv").write_text(CITATIONS)
    for at, (name, sides, _, told) in enumerate(TYPES, 1):
        ours = [cell for cell in all_cells if cell.type == name]
        text = laid_out(record(name, sides, told, ours, weights)) + "\n"
        (folder / f"type-{at:02}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
