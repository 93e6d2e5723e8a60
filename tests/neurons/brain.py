"""A made-up brain: types, cells, synapses by place, connections. Nothing in it is random; see README of catalogues/neurons/data."""

import hashlib

CENTRE = 10
RADIUS = 3
LAYERS = {
    "ME": [str(n) for n in range(1, 11)],
    "LO": ["1", "2", "3", "4", "5A", "5B", "6"],
    "LOP": ["1", "2", "3", "4"],
}
# Columns that a region lacks: on maps they are "not in the region".
LACKING = {"ME": [], "LO": [(13, 13), (13, 12), (12, 13)], "LOP": [(7, 7), (7, 8), (8, 7), (7, 9), (9, 7), (8, 8)]}
# Regions above others: what lies in one below lies in the one above as well.
ABOVE = {"OL": ["ME", "LO", "LOP", "AME", "LA"], "CentralBrain": ["AVLP", "SLP", "MB", "GNG"], "VNC": ["LegNp(T1)", "IntTct"]}
MIDDLE = ["GNG", "IntTct"]


def number(below, *what):
    """A whole number below `below` that follows from `what`."""
    digest = hashlib.blake2b("\0".join(map(str, what)).encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") % below


def columns(region):
    """The columns of a region, the same on both sides."""
    reach = range(-RADIUS, RADIUS + 1)
    grid = [(CENTRE + a, CENTRE + b) for a in reach for b in reach if abs(a - b) <= RADIUS]
    return [column for column in grid if column not in LACKING[region]]


def region_name(region, side):
    """As neuPrint spells it: paired regions carry their side."""
    return region if region in MIDDLE else f"{region}({side})"


class Cell:
    """A neuron: where its synapses lie and what they connect it with."""

    def __init__(self, body, type_name, side, home):
        self.body, self.type, self.side, self.home = body, type_name, side, home
        self.transmitter, self.confidence = None, None
        self.pre = self.post = self.downstream = self.upstream = 0
        self.slots = []
        self.synapses = {}

    def place(self, region, side, weight, layer=None, column=None):
        """Offers room for synapses; side is that of the region."""
        self.slots.append(((region, side, layer, column), weight))

    def settle(self):
        """Puts the synapses into the slots by weight. What does not come out even lies outside all regions."""
        total = sum(weight for _, weight in self.slots)
        for way, count in ((0, self.pre), (1, self.post)):
            for (slot, weight) in self.slots:
                share = count * weight // total if weight > 2 or way else 0
                if share:
                    self.synapses.setdefault(slot, [0, 0])[way] += share


def near(one, other):
    """Steps between two columns."""
    a, b = one[0] - other[0], one[1] - other[1]
    return max(abs(a), abs(b), abs(a - b))


def columnar(cell, reach, layers, side=None):
    """A cell of the columns around its own, in these layers of these regions."""
    for region, weights in layers.items():
        for column in columns(region):
            steps = near(column, cell.home)
            if steps > reach:
                continue
            for layer, weight in zip(LAYERS[region], weights):
                # The edge of an arbor is ragged.
                thin = number(3, cell.type, cell.side, cell.home, region, column, layer)
                if weight and (steps < reach or thin or reach == 0):
                    cell.place(region, side or cell.side, weight * 4 // (1 + steps), layer, column)
