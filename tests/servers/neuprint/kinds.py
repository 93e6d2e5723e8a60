"""The types of a large graph: who they are, how many cells they have, where those have their synapses.

All of `celltypes_ol.csv` in both lobes and all of `malecns_dn_an.csv`: 1,772 types. A larger graph gets further,
made-up types with one to four cells each, as most real ones have.
"""

import json
import random

from .tables import LAYERS

SUPERCLASS = {"OL_intrinsic": "ol_intrinsic", "OL_connecting": "ol_intrinsic", "VPN": "visual_projection"}
TRANSMITTERS = ["acetylcholine", "glutamate", "gaba", "unclear"]


class Kind:
    """A type."""

    def __init__(self, name):
        self.name = name
        # Stable across runs and versions of Python.
        self.random = random.Random(f"kind {name}")
        self.cells = []  # (body id, side, column or None)
        self.inputs, self.outputs = {}, {}  # region without side -> share
        self.properties = {}
        self.pre = self.random.randint(30, 500)
        self.post = self.random.randint(50, 1200)
        self.certainty = round(self.random.uniform(0.5, 1), 3)
        self.layers = {
            region: sorted(self.random.sample(names, min(len(names), 4))) for region, names in LAYERS.items()
        }

    def has_columns(self):
        return any(column for _, _, column in self.cells)


def optic(tables, bodies):
    """The types of the optic lobes. Those with a hundred cells a lobe, or known places, have columns."""
    for row in tables.optic:
        kind = Kind(row["type"])
        # One type has no count.
        count = int(float(row["count_right"] or 1))
        known = tables.assigned.get(kind.name, [])
        for side in "RL":
            columns = tables.columns["ME"][side]
            for number in range(count):
                column = columns[number * len(columns) // count] if count >= 100 else None
                body = next(bodies)
                if side == "R" and number < len(known):
                    body, column = known[number]
                kind.cells.append((body, side, column))
        for number in range(1, 6):
            kind.inputs |= share(row, f"in_roi{number}", f"in_frac{number}")
            kind.outputs |= share(row, f"out_roi{number}", f"out_frac{number}")
        names = tables.names.get(kind.name, {})
        synonyms = [
            f"{ref}: {names[column]}"
            for ref, column in (("Matsliah 2024", "Matsliah_type"), ("Schlegel 2024", "Schlegel_type"))
            if names.get(column, "NA") not in ("NA", kind.name)
        ]
        flywire = names.get("Matsliah_type", "NA")
        kind.properties = {
            "superclass": SUPERCLASS.get(row["main_group"].rstrip("*"), "visual_centrifugal"),
            "class": row["info1"] or None,
            "subclass": row["info2"] or None,
            "consensusNt": row["nt"] or None,
            "synonyms": "; ".join(synonyms) or None,
            "flywireType": None if flywire == "NA" else flywire,
        }
        yield kind


def cords(tables, known):
    """Descending and ascending types that are not `known`, with their real body ids."""
    kinds = {}
    for number, row in enumerate(row for row in tables.cords if row["type"] not in known):
        kind = kinds.setdefault(row["type"], None) or Kind(row["type"])
        kinds[row["type"]] = kind
        kind.cells.append((int(row["bodyId"]), "LR"[number % 2], None))
        descending = kind.name.startswith("DN")
        reference = row["reference"].split(",")[0].strip()
        kind.properties = {
            "superclass": "descending_neuron" if descending else "ascending_neuron",
            "class": row["function"] or None,
            "consensusNt": kind.random.choice(TRANSMITTERS) if not kind.properties else kind.properties["consensusNt"],
            "synonyms": f"{reference}: {row['type_lab']}" if reference else None,
            "somaNeuromere": None if descending else "T1",
        }
        if not kind.inputs:
            spread(kind, tables.rois)
    return list(kinds.values())


def made_up(tables, bodies, count):
    """Types to fill a graph up with."""
    for number in range(count):
        kind = Kind(f"XX{number:05}")
        for cell in range(kind.random.choice([1, 2, 2, 2, 4])):
            kind.cells.append((next(bodies), "LR"[cell % 2], None))
        kind.properties = {"superclass": "cb_intrinsic", "consensusNt": kind.random.choice(TRANSMITTERS)}
        spread(kind, tables.rois)
        yield kind


def share(row, region, fraction):
    """One region of a type with its share; without its side, for there are cells of both."""
    if not row[region] or float(row[fraction] or 0) < 0.0005:
        return {}
    return {row[region].replace("(R)", "(S)").replace("(L)", "(O)"): float(row[fraction])}


def spread(kind, rois):
    """Synapses in six regions, made up."""
    regions = kind.random.sample([roi for roi in rois if roi[:2] not in ("ME", "LO", "LA")], 6)
    for shares in (kind.inputs, kind.outputs):
        weights = [kind.random.random() ** 2 + 0.01 for _ in regions]
        shares.update((region, weight / sum(weights)) for region, weight in zip(regions, weights))


def roi_info(kind, number, side, column, neighbours):
    """What neuPrint stores of a cell's regions, its columns and layers among them: text, and sums of pre and post."""
    factor = 0.6 + 0.8 * ((number * 2654435761 % 1009) / 1009)
    pre, post, info = int(kind.pre * factor), int(kind.post * factor), {}
    other = "L" if side == "R" else "R"
    for shares, what, whole in ((kind.outputs, "pre", pre), (kind.inputs, "post", post)):
        for region, part in shares.items():
            count = round(whole * part)
            if count:
                put(info, region.replace("(S)", f"({side})").replace("(O)", f"({other})"), what, count)
    if column:
        for region, layers in kind.layers.items():
            entry = info.get(f"{region}({side})")
            if not entry:
                continue
            for what in [what for what in ("pre", "post") if what in entry]:
                for layer, count in zip(layers, parts(entry[what], len(layers))):
                    put(info, f"{region}_{side}_layer_{layer}", what, count)
                for (hex1, hex2), count in zip(neighbours(region, side, column), parts(entry[what], 7)):
                    put(info, f"{region}_{side}_col_{hex1:02}_{hex2:02}", what, count)
    return json.dumps(info), pre, post


def parts(whole, most):
    """Cuts a number into up to `most` parts, the first the largest."""
    while whole and most > 1:
        first = (whole + 1) // 2
        yield first
        whole, most = whole - first, most - 1
    if whole:
        yield whole


def put(info, region, what, count):
    entry = info.setdefault(region, {})
    entry[what] = count
    entry["downstream" if what == "pre" else "upstream"] = count * 6 if what == "pre" else count
