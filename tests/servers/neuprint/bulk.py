"""Puts a graph into the engine: its own format for many nodes and edges, tens of times quicker than Cypher."""

import struct

# Bytes of one command, at about which it is sent.
BATCH_BYTES = 16 << 20


def scalar(value):
    """A property in the format of GRAPH.BULK: a byte for its kind, then the value."""
    if value is None:
        return b"\0"
    if isinstance(value, bool):
        return struct.pack("=B?", 1, value)
    if isinstance(value, float):
        return struct.pack("=Bd", 2, value)
    if isinstance(value, str):
        return b"\3" + value.encode() + b"\0"
    if isinstance(value, int):
        return struct.pack("=Bq", 4, value)
    return struct.pack("=Bq", 5, len(value)) + b"".join(scalar(inner) for inner in value)


def header(labels, names):
    """What stands before the nodes of some labels, or the edges of a kind: who they are, names of their properties."""
    return b"".join([labels.encode(), b"\0", struct.pack("=I", len(names)), *(name.encode() + b"\0" for name in names)])


class Loader:
    """Loads one graph: all nodes, then all edges. Nodes are known by the numbers that `node` gives them."""

    def __init__(self, connection, graph):
        self.connection, self.graph = connection, graph
        self.begun, self.nodes = False, 0
        self.open, self.head, self.rows, self.bytes, self.is_edge = None, b"", [], 0, False

    def node(self, labels, properties):
        """Adds a node with labels like `Neuron:Segment`. It must have a property: the engine counts a node by its bytes."""
        self.turn(labels, tuple(properties), False)
        self.add(b"".join(map(scalar, properties.values())))
        self.nodes += 1
        return self.nodes - 1

    def edge(self, kind, start, end, properties):
        self.turn(kind, tuple(properties), True)
        self.add(struct.pack("=QQ", start, end) + b"".join(map(scalar, properties.values())))

    def turn(self, labels, names, is_edge):
        if self.open != (labels, names, is_edge):
            self.flush()
            self.open, self.head, self.is_edge = (labels, names, is_edge), header(labels, names), is_edge

    def add(self, row):
        self.rows.append(row)
        self.bytes += len(row)
        if self.bytes >= BATCH_BYTES:
            self.flush()

    def flush(self):
        """Sends what is not sent yet; to be called at the end as well."""
        if not self.rows:
            return
        counts = (0, len(self.rows), 0, 1) if self.is_edge else (len(self.rows), 0, 1, 0)
        begin = () if self.begun else ("BEGIN",)
        self.connection.send("GRAPH.BULK", self.graph, *begin, *counts, b"".join([self.head, *self.rows]))
        self.begun, self.rows, self.bytes = True, [], 0

    def index(self):
        """Has the indexes made that neuPrint has. Only for graphs whose types have plain names: the engine's index does
        not find those that begin or end in a blank, so that small graphs go without."""
        for name in ("bodyId", "type"):
            self.connection.query(self.graph, f"CREATE INDEX FOR (n:Neuron) ON (n.{name})", write=True)
