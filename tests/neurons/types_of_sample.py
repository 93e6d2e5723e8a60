"""The types of the made-up brain."""

from brain import Cell, columnar, columns, number

# name, cells by side, transmitter with confidence in percent, annotations.
TYPES = [
    ("Lumen1", {"L": 37, "R": 37}, ("acetylcholine", 93), {
        "superclass": "ol_intrinsic", "class": "columnar",
        "synonyms": ["Harrow 2014, Pell 2019: Lm-1; lumen cell", "Unlisted 2001: L-one"], "flywire": ["Lumen1"]}),
    ("Kiel4a", {"L": 29, "R": 30, "unknown": 1}, ("acetylcholine", 88), {
        "superclass": "ol_intrinsic", "class": "columnar", "synonyms": ["Pell 2019: K4 anterior"], "flywire": ["Ki4a", "Ki4b"]}),
    ("Weaver", {"L": 1, "R": 1}, ("GABA", 97), {
        "superclass": "ol_intrinsic", "class": "amacrine", "flywire": ["Weaver"]}),
    ("Weft17", {"L": 6, "R": 7}, ("acetylcholine", 71), {
        "superclass": "visual_projection", "subclass": "lobula columnar", "hemilineage": "VPNd2", "dimorphism": "sexually dimorphic",
        "synonyms": ["W17, fru-W17"], "flywire": ["Wf17"]}),
    ("weft17", {"R": 2}, ("glutamate", 64), {"superclass": "visual_projection", "hemilineage": "VPNd3"}),
    ("Qu'il'-ap1", {"L": 4, "R": 4}, ("dopamine", 82), {
        "superclass": "cb_intrinsic", "class": "Quill cell", "hemilineage": "MBp1", "synonyms": ["Harrow 2014: Q'1"]}),
    ("Acc. ti/flexor MN", {"L": 1, "R": 1}, (None, None), {
        "superclass": "vnc_motor", "class": "leg motor neuron", "neuromere": "T1", "hemilineage": "15B",
        "synonyms": ["Accessory tibia flexor"]}),
    ("Ferry3", {"L": 2, "R": 2}, ("acetylcholine", 90), {
        "superclass": "descending_neuron", "hemilineage": "putative_primary", "dimorphism": "potentially sexually dimorphic"}),
    ("Vane <M> & mast", {"M": 2}, ("octopamine", 77), {"superclass": "cb_intrinsic", "neuromere": "T1"}),
    ("Ostinato", {"R": 3, "M": 1}, ("mixed", 60), {"superclass": "vnc_intrinsic", "class": "local", "neuromere": "T2"}),
    ("Drift", {"unknown": 3}, (None, None), {"superclass": "cb_intrinsic"}),
    ("Thistle", {"L": 1, "R": 1}, ("serotonin", 55), {"superclass": "vnc_intrinsic", "subclass": "silent"}),
]
# A type that neuPrint knows and the catalogue leaves out, and cells without a type: partners all the same.
OTHERS = [("Hinterland", {"L": 2, "R": 2, "unknown": 1}), (None, {"L": 4, "R": 4})]
MIXED = ["GABA", "GABA", "glutamate", None]
LAMINAR = {"ME": [1, 2, 0, 0, 4, 0, 0, 1, 2, 1], "LO": [2, 1, 0, 0, 0, 0, 0]}
KIELS = {"ME": [0, 0, 0, 0, 0, 0, 0, 0, 2, 3], "LO": [1, 0, 0, 0, 0, 0, 0], "LOP": [4, 1, 0, 0]}
WEFTS = {"LO": [0, 1, 2, 3, 4, 2, 1]}


def cells():
    """All cells, by body id."""
    made = []
    for name, sides, *rest in [*TYPES, *OTHERS]:
        for side, count in sides.items():
            for at in range(count):
                cell = Cell(10_000 + 37 * len(made), name, None if side == "unknown" else side, columns("ME")[at * 7 % 37])
                sure(cell, rest[0] if rest else (None, None), at)
                arbor(cell, at)
                made.append(cell)
    return made


def sure(cell, told, at):
    """The transmitter of a cell, and how sure that is."""
    transmitter, percent = told
    cell.transmitter = MIXED[at % 4] if transmitter == "mixed" else transmitter
    if cell.transmitter:
        cell.confidence = (percent + number(7, cell.body, "sure") - 3) / 100


def arbor(cell, at):
    """Where the cell may have synapses."""
    side = cell.side if cell.side in ("L", "R") else "R"
    match cell.type:
        case "Lumen1":
            columnar(cell, 1, LAMINAR)
            cell.place("LA", side, 3)
        case "Kiel4a":
            columnar(cell, 2 if at % 5 == 0 else 1, KIELS, side)
        case "Weaver":
            # Its arbor lies on the other side, as some real ones do.
            columnar(cell, 4, {"ME": [0, 1, 1, 0, 0, 0, 0, 1, 0, 0]}, "R" if side == "L" else "L")
        case "Weft17" | "weft17":
            columnar(cell, 3, WEFTS)
            cell.place("AVLP", side, 90)
            cell.place("GNG", side, 7)
        case "Acc. ti/flexor MN" | "Thistle":
            cell.place("LegNp(T1)", side, 9)
        case "Ferry3":
            for region, weight in (("AVLP", 30), ("SLP", 20), ("GNG", 40), ("LegNp(T1)", 60), ("IntTct", 9)):
                cell.place(region, side, weight)
        case "Ostinato":
            for region, weight in (("LegNp(T1)", 30), ("IntTct", 25)):
                cell.place(region, side, weight)
        case _:
            for region, weight in (("MB", 40), ("SLP", 25), ("AVLP", 12), ("AME", 1)):
                cell.place(region, side, weight)


# Who connects to whom: strength between 1 and 99, reach in columns (None: no columns needed).
CONNECTIONS = [
    ("Lumen1", "Kiel4a", 60, 1), ("Lumen1", "Lumen1", 4, 1), ("Lumen1", "Weaver", 25, 9), ("Weaver", "Lumen1", 14, 9),
    ("Weaver", "Kiel4a", 9, 9), ("Kiel4a", "Weft17", 12, 2), ("Lumen1", "Weft17", 8, 3), ("Kiel4a", "weft17", 5, None),
    ("Weft17", "Ferry3", 44, None), ("weft17", "Ferry3", 20, None), ("Weft17", "Weft17", 7, None),
    ("Weft17", "Qu'il'-ap1", 11, None), ("Qu'il'-ap1", "Ferry3", 6, None), ("Qu'il'-ap1", "Drift", 18, None),
    ("Vane <M> & mast", "Qu'il'-ap1", 30, None), ("Vane <M> & mast", "Weft17", 3, None), ("Drift", "Vane <M> & mast", 10, None),
    ("Ferry3", "Acc. ti/flexor MN", 70, None), ("Ferry3", "Ostinato", 35, None), ("Ostinato", "Acc. ti/flexor MN", 28, None),
    ("Ostinato", "Ostinato", 5, None), ("Hinterland", "Weft17", 9, None), ("Ferry3", "Hinterland", 13, None),
    (None, "Lumen1", 2, None), ("Lumen1", None, 3, None), (None, "Ferry3", 15, None), ("Ferry3", None, 22, None),
    ("Weft17", None, 6, None), (None, "Acc. ti/flexor MN", 12, None), ("Kiel4a", None, 2, None),
]
