"""Loads graphs from a file that people write: see small.json.

`datasets.<name:tag>` has `meta`, `neurons` (bodyId and whatever else; `roiInfo` as an object), `pieces` (Segments that are
no Neurons), `connects` ([from, to, weight]) and `synapses` ([body, kind, region, hex1, hex2, layer]).
"""

import json

# Properties of the Meta node that neuPrint stores as JSON text.
AS_TEXT = {"roiHierarchy", "roiInfo", "neuronProperties"}


def read(path):
    """The datasets of a file."""
    with open(path, encoding="utf-8") as file:
        return json.load(file)["datasets"]


def load(loader, dataset):
    loader.node("Meta", {name: text(name, value) for name, value in dataset["meta"].items()})
    nodes = {}
    for labels, cells in (("Neuron:Segment", dataset["neurons"]), ("Segment", dataset.get("pieces", []))):
        for cell in cells:
            nodes[cell["bodyId"]] = loader.node(labels, {name: text(name, value) for name, value in cell.items()})
    sets, contains = {}, []
    for body, kind, region, hex1, hex2, layer in dataset.get("synapses", []):
        if body not in sets:
            sets[body] = loader.node("SynapseSet", {"type": "post"})
            contains.append((nodes[body], sets[body]))
        place = {"olHex1": hex1, "olHex2": hex2, "olLayer": layer} if hex1 else {}
        contains.append((sets[body], loader.node("Synapse", {"type": kind, region: True, **place})))
    for start, end, weight in dataset["connects"]:
        loader.edge("ConnectsTo", nodes[start], nodes[end], {"weight": weight})
    for start, end in contains:
        loader.edge("Contains", start, end, {})


def text(name, value):
    return json.dumps(value, ensure_ascii=False) if name in AS_TEXT and value is not None else value
