"""A graph as large as the real one, made of real data; the same data, the same graph.

Cells of types with columns connect to those in the columns that `flyvis_edges.csv` says, each at its own strength; all
cells connect to eight cells of types that their own type is drawn to. Synapses stand for themselves where types have
columns, at a few a cell.
"""

import itertools
import json

from . import kinds
from .tables import LAYERS, Tables

DATASET, TAG = "cns", "v0.9"
EDITED = "2025-09-26 11:05:17"
NEURON = "Neuron:Segment"
FLAGS = [f"{region}({side})" for region in LAYERS for side in "LR"]
# Neurons that nobody has named, and pieces that are not even neurons: queries must leave both out.
UNTYPED, PIECES = 500, 200
AROUND = [(0, 0), (0, 1), (1, 0), (1, 1), (0, -1), (-1, 0), (-1, -1)]


def load(loader, folder, types):
    """Loads the graph with so many types: 1,772 is the real data, more is filled up."""
    tables = Tables(folder)
    bodies = itertools.count(2_000_000)
    all_kinds = list(kinds.optic(tables, bodies))
    all_kinds += kinds.cords(tables, {kind.name for kind in all_kinds})
    all_kinds += kinds.made_up(tables, bodies, max(0, types - len(all_kinds)))
    all_kinds = all_kinds[:types]
    loader.node("Meta", meta(tables))
    nodes = neurons(loader, tables, all_kinds)
    strangers = [loader.node(NEURON, {"bodyId": 1_900_000_000 + n, "status": "Orphan"}) for n in range(UNTYPED)]
    strangers += [loader.node("Segment", {"bodyId": 1_950_000_000 + n}) for n in range(PIECES)]
    sets = synapses(loader, tables, all_kinds, nodes)
    for start, end, weight in itertools.chain(columnar(tables, all_kinds, nodes), drawn(all_kinds, nodes, strangers)):
        loader.edge("ConnectsTo", start, end, {"weight": weight})
    for start, end in sets:
        loader.edge("Contains", start, end, {})


def meta(tables):
    """The Meta node."""
    info, children = {}, []
    for roi in tables.rois:
        info[roi] = {"isPrimary": True, "hasROI": True}
        below = []
        region, _, side = roi.rstrip(")").partition("(")
        if region in LAYERS:
            below = [f"{region}_{side}_layer_{layer}" for layer in LAYERS[region]]
            below += [f"{region}_{side}_col_{h1:02}_{h2:02}" for h1, h2 in tables.columns[region][side]]
            info |= {name: {"isPrimary": False, "hasROI": True, "parent": roi} for name in below}
        children.append({"name": roi, "children": [{"name": name} for name in below]} if below else {"name": roi})
    return {
        "dataset": DATASET,
        "tag": TAG,
        "uuid": "0f6a1c9e7d524b08a3d2",
        "lastDatabaseEdit": EDITED,
        "roiHierarchy": json.dumps({"name": "CNS", "children": children}),
        "roiInfo": json.dumps(info),
        "primaryRois": list(tables.rois),
        "superLevelRois": list(tables.rois),
        "neuronProperties": json.dumps({"bodyId": "int", "type": "str", "somaSide": "str"}),
    }


def neurons(loader, tables, all_kinds):
    """All cells; `nodes[type]` are theirs, in the order of `cells`."""
    near = {region: {side: set(places) for side, places in sides.items()} for region, sides in tables.columns.items()}

    def neighbours(region, side, column):
        places = ((column[0] + d1, column[1] + d2) for d1, d2 in AROUND)
        return [place for place in places if place in near[region][side]]

    nodes = {}
    for kind in all_kinds:
        nodes[kind.name] = []
        transmitter = kind.properties.get("consensusNt")
        for number, (body, side, column) in enumerate(kind.cells):
            text, pre, post = kinds.roi_info(kind, number, side, column, neighbours)
            properties = {
                "bodyId": body,
                "type": kind.name,
                "instance": f"{kind.name}_{side}",
                "status": "Traced",
                "somaSide": side,
                "rootSide": None,
                "pre": pre,
                "post": post,
                "downstream": pre * 6,
                "upstream": post,
                "roiInfo": text,
                "celltypePredictedNt": transmitter,
                "celltypePredictedNtConfidence": kind.certainty,
                "celltypeTotalNtPredictions": kind.pre * len(kind.cells),
                "dimorphism": None,
                "trumanHl": None,
                **dict.fromkeys(("superclass", "class", "subclass", "consensusNt", "synonyms", "flywireType")),
                "somaNeuromere": None,
                **{flag: True if f'"{flag}"' in text else None for flag in FLAGS},
            }
            properties.update(kind.properties)
            nodes[kind.name].append(loader.node(NEURON, properties))
    return nodes


def synapses(loader, tables, all_kinds, nodes):
    """Synapses of cells with columns, each in a set of its cell; who contains whom."""
    contains = []
    with_columns = [kind for kind in all_kinds if kind.has_columns()]
    sets = {}
    for kind in with_columns:
        sets[kind.name] = [loader.node("SynapseSet", {"type": "post"}) for _ in kind.cells]
        contains += zip(nodes[kind.name], sets[kind.name])
    for kind in with_columns:
        shares = {region: kind.inputs.get(f"{region}(S)", 0) + kind.outputs.get(f"{region}(S)", 0) for region in LAYERS}
        count = 24 if kind.name in tables.assigned else 6
        for (_, side, (hex1, hex2)), home in zip(kind.cells, sets[kind.name]):
            for region, part in shares.items():
                numbers = [LAYERS[region].index(name) + 1 for name in kind.layers[region]]
                for number in range(round(count * part / 2)):
                    properties = {"type": "pre" if number % 2 else "post", "olHex1": hex1, "olHex2": hex2}
                    properties["olLayer"] = numbers[number % len(numbers)]
                    properties |= {flag: True if flag == f"{region}({side})" else None for flag in FLAGS}
                    contains.append((home, loader.node("Synapse", properties)))
    return contains


def columnar(tables, all_kinds, nodes):
    """Edges between cells with columns."""
    at = {}
    for kind in all_kinds:
        for (_, side, column), node in zip(kind.cells, nodes[kind.name]):
            if column:
                at.setdefault((kind.name, side), {}).setdefault(column, []).append(node)
    for row in tables.edges:
        shift, strength = (int(row["du"]), int(row["dv"])), float(row["n_syn"])
        for side in "LR":
            targets = at.get((row["target"], side), {})
            for (hex1, hex2), starts in at.get((row["source"], side), {}).items():
                for start, end in itertools.product(starts, targets.get((hex1 + shift[0], hex2 + shift[1]), [])):
                    yield start, end, max(1, round(strength * (0.7 + (start * 31 + end * 17) % 61 / 100)))


def drawn(all_kinds, nodes, strangers):
    """Edges that need no columns."""
    names = list(nodes)
    for kind in all_kinds:
        liked = [nodes[kind.random.choice(names)] for _ in range(12)] + [strangers]
        for start in nodes[kind.name]:
            ends = {
                others[(start * 7 + turn * 13) % len(others)]
                for turn, others in enumerate(kind.random.sample(liked, 8))
            }
            for end in sorted(ends):
                yield start, end, 1 + int(kind.random.paretovariate(1.2)) % 60
