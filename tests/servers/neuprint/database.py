"""What neuPrint's own server does: reads requests, asks the database, answers in its words."""

import asyncio
import json
import re
import time

from .engine import QueryError

KIND = re.compile(r"\s*/\* quire: ([a-z]+) \*/")
# Neo4j replaces these wherever they stand in a query, before anything else; the engine does not know them. A backslash
# before anything else goes with what follows it.
ESCAPE = re.compile(r"\\(?:u+([0-9A-Fa-f]{4})|(.))", re.DOTALL)
READ_ONLY = "not authorized to modify the database"


class Database:
    """The datasets of the engine, a graph each, and answers that were kept."""

    def __init__(self, engine, connections, keeps):
        self.free = [engine.connect() for _ in range(connections)]
        self.gate = asyncio.Semaphore(connections)
        self.kept = {} if keeps else None
        self.graphs = self.free[0].send("GRAPH.LIST")

    def graph(self, dataset):
        """The graph of a dataset, with or without its tag."""
        found = [graph for graph in self.graphs if dataset in (graph, graph.partition(":")[0])]
        if not found:
            raise QueryError(f"dataset {dataset!r} is not here: there are {', '.join(self.graphs)}")
        return found[0]

    async def query(self, dataset, cypher, write=False):
        """Columns and rows of an answer."""
        graph, cypher = self.graph(dataset), unescape(cypher)
        async with self.gate:
            connection = self.free.pop()
            try:
                return await asyncio.to_thread(connection.query, graph, cypher, write)
            finally:
                self.free.append(connection)

    async def answer(self, dataset, cypher):
        """Bytes of an answer, and the seconds that it took; `None` if it was kept."""
        key = (dataset, cypher)
        if self.kept is not None and key in self.kept:
            return self.kept[key], None
        began = time.perf_counter()
        columns, rows = await self.query(dataset, cypher)
        body = await asyncio.to_thread(encode, {"columns": columns, "data": rows})
        if self.kept is not None:
            self.kept[key] = body
        return body, time.perf_counter() - began

    async def write(self, dataset, statements):
        """Changes the data, as curators do at any time."""
        for cypher in statements:
            await self.query(dataset, cypher, write=True)
        if self.kept is not None:
            self.kept.clear()

    async def datasets(self):
        """The answer to `/api/dbmeta/datasets`."""
        told = {}
        for graph in self.graphs:
            cypher = "MATCH (m:Meta) RETURN m.uuid, m.lastDatabaseEdit, m.roiInfo, m.superLevelRois"
            _, rows = await self.query(graph, cypher)
            for uuid, edited, rois, above in rows:
                rois = sorted(json.loads(rois or "{}"))
                told[graph] = {
                    "last-mod": edited,
                    "uuid": uuid,
                    "ROIs": rois,
                    "superLevelROIs": above,
                    "info": "N/A",
                    "hidden": False,
                }
        return told


def encode(answer):
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()


def kind_of(path, cypher):
    """What is counted together: queries by the comment that they begin with."""
    if path.endswith("/custom/custom"):
        found = KIND.match(cypher)
        return found[1] if found else "other"
    return path.rsplit("/", 1)[-1]


def unescape(cypher):
    """`cypher` as Neo4j reads it."""
    text = ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else found[0], cypher)
    # Two halves of a character make one; a half alone is none.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def spoil(fault, body):
    """An answer whose rows are not what they should be; `None` for a fault that is not of this kind.

    `nulls` empties cells, `rows` puts something in the place of rows, `columns` names them otherwise. `omit` leaves out the
    rows that begin as `of` says; with `column` it leaves out the last member of the list there, or of the list that `within`
    (positions) leads to from there; with `twice` the rows, or the member, come twice instead.
    """
    do = fault["do"]
    if do not in ("nulls", "rows", "columns", "omit"):
        return None
    answer = json.loads(body)
    columns, rows = answer["columns"], answer["data"]
    at = range(len(rows)) if "row" not in fault else [fault["row"]]
    if do == "nulls":
        for row in (rows[number] for number in at if number < len(rows)):
            for number, name in enumerate(columns):
                if fault.get("column", name) == name:
                    row[number] = None
    elif do == "rows":
        rows[:] = [fault["put"] if number in at else row for number, row in enumerate(rows)]
    elif do == "omit":
        hit = [row for row in rows if row[: len(fault["of"])] == fault["of"]]
        if "column" in fault:
            for row in hit:
                members = row[columns.index(fault["column"])]
                for position in fault.get("within", []):
                    members = members[position]
                members[len(members) - 1 :] = members[-1:] * 2 if fault.get("twice") else []
        else:
            rows[:] = [row for row in rows if row not in hit] + hit * (2 if fault.get("twice") else 0)
    else:
        answer["columns"] = fault["put"]
    return encode(answer)
