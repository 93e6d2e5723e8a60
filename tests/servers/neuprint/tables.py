"""The tables of real data that a large graph is made of: types, columns, who connects to whom."""

import csv
import hashlib
import json
import os

FILES = [
    "celltypes_ol.csv",
    "columnar_cells_R.csv",
    "columns_malecns_ME_LR.csv",
    "columns_ol_R.csv",
    "flyvis_edges.csv",
    "malecns_dn_an.csv",
    "malecns_rois.csv",
    "ol_type_matching.tsv",
]
# Regions with columns, and how their layers are named.
LAYERS = {
    "ME": [f"{number:02}" for number in range(1, 11)],
    "LO": ["1", "2", "3", "4", "5A", "5B", "6"],
    "LOP": ["1", "2", "3", "4"],
}


class Tables:
    """All tables of a folder."""

    def __init__(self, folder):
        self.folder = folder
        self.optic = self.rows("celltypes_ol.csv")
        self.names = {row["OL_type"]: row for row in self.rows("ol_type_matching.tsv")}
        self.edges = [row for row in self.rows("flyvis_edges.csv") if float(row["n_syn"]) >= 2]
        self.cords = [row for row in self.rows("malecns_dn_an.csv") if row["type"]]
        self.rois = [row["roi"] for row in self.rows("malecns_rois.csv")]
        self.assigned = {}
        for row in self.rows("columnar_cells_R.csv"):
            column = (int(row["assigned_hex1"]), int(row["assigned_hex2"]))
            self.assigned.setdefault(row["neuron_type"], []).append((int(row["bodyId"]), column))
        self.columns = self.read_columns()

    def rows(self, name):
        with open(os.path.join(self.folder, name), encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file, delimiter="\t" if name.endswith(".tsv") else ","))

    def read_columns(self):
        """`columns[region][side]`: the columns, sorted. The left lobula and its plate are the right ones."""
        right = self.rows("columns_ol_R.csv")
        both = self.rows("columns_malecns_ME_LR.csv")
        place = lambda row: (int(row["hex1"]), int(row["hex2"]))
        of = lambda name: sorted(place(row) for row in right if int(row[name]) > 0)
        medulla = {side: sorted(place(row) for row in both if row["side"] == side) for side in "LR"}
        return {
            "ME": {"L": medulla["L"], "R": of("me_n_syn")},
            "LO": {"L": of("lo_n_syn"), "R": of("lo_n_syn")},
            "LOP": {"L": of("lop_n_syn"), "R": of("lop_n_syn")},
        }


def digest(folder, *more):
    """What a graph made of these files is known by."""
    hashed = hashlib.sha256(json.dumps(more).encode())
    here = os.path.dirname(os.path.abspath(__file__))
    sources = [os.path.join(here, name) for name in ("tables.py", "kinds.py", "large.py", "bulk.py")]
    for path in sources + [os.path.join(folder, name) for name in FILES]:
        with open(path, "rb") as file:
            hashed.update(hashlib.sha256(file.read()).digest())
    return hashed.hexdigest()[:16]
