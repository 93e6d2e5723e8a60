"""The queries of the upstream `neuprint`, executed: what they return is worked out by hand from neuprint/small.json.

    python3 -m unittest -v test_neuprint

The packages of tools/requirements-neuprint.txt are looked for in $QUIRE_NEUPRINT_SERVER, or where `cargo xtask test` puts them.
With $QUIRE_NEURONS_DATA a large graph is made and measured as well.
"""

import http.client
import json
import os
import random
import subprocess
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "../..")
PACKAGES = os.environ.get("QUIRE_NEUPRINT_SERVER", os.path.join(ROOT, "target/tools/neuprint"))
DATA = os.environ.get("QUIRE_NEURONS_DATA")
QUERIES = os.path.join(ROOT, "agents/fetcher/src/neuprint/queries")
CNS = "cns:v0.9"


def literal(text):
    """A Cypher string literal, as agents/fetcher/src/neuprint/query.rs writes it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def build(name, types=(), bodies=()):
    """The text of a query."""
    with open(os.path.join(QUERIES, name + ".cypher"), encoding="utf-8") as file:
        text = file.read()
    text = text.replace("{bodies}", ", ".join(map(str, bodies))).replace("{most}", "10")
    for node in "nm":
        text = text.replace(f"{{side of {node}}}", f"coalesce({node}.somaSide, {node}.side)")
    # Last: what a type is called is not looked at again.
    return text.replace("{types}", ", ".join(map(literal, types)))


class Stand:
    """The server and a connection to it."""

    def __init__(self, *arguments):
        command = [sys.executable, os.path.join(HERE, "neuprint_server.py"), "--leash", *arguments]
        environment = {**os.environ, "PYTHONPATH": PACKAGES}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
        )
        line = ""
        while not line.startswith("listening on "):
            line = self.process.stdout.readline()
            if not line:
                raise AssertionError("the server does not start")
        self.address = line.split()[-1]
        self.connection = http.client.HTTPConnection(self.address, timeout=120)

    def stop(self):
        self.connection.close()
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=20)

    def send(self, method, path, body=None, token="neuprint-token"):
        """Status, headers and body of an answer."""
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        try:
            self.connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = self.connection.getresponse()
            return answer.status, answer.headers, answer.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            raise

    def control(self, **wish):
        return json.loads(self.send("POST", "/_control", wish)[2])

    def cypher(self, text, dataset=CNS):
        return self.send("POST", "/api/custom/custom", {"cypher": text, "dataset": dataset})

    def rows(self, name, types=(), bodies=(), dataset=CNS):
        """The rows of a query, by name of column."""
        status, _, body = self.cypher(build(name, types, bodies), dataset)
        if status != 200:
            raise AssertionError(body.decode())
        answer = json.loads(body)
        return [dict(zip(answer["columns"], row)) for row in answer["data"]]


class SmallGraph(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stand = Stand()
        cls.addClassCleanup(cls.stand.stop)

    def setUp(self):
        self.stand.control(faults=[], clear=True)

    def partners(self, types, bodies=(), dataset=CNS):
        """Numbers by whose partners, way, and type, side and transmitter of the partners."""
        rows = self.stand.rows("partners", types, bodies, dataset)
        # Of everything that was asked for there are two rows, and they count what they hold.
        self.assertEqual(
            sorted((str(row["of"]), row["way"]) for row in rows),
            sorted((str(of), way) for of in [*types, *bodies] for way in ("in", "out")),
        )
        self.assertEqual([row["number"] for row in rows], [len(row["partners"]) for row in rows])
        found = ((row["of"], row["way"], partner) for row in rows for partner in row["partners"])
        return {(of, way, *partner[:3]): partner[3:] for of, way, partner in found}


class Queries(SmallGraph):
    def test_types_have_their_cells_and_how_long_their_regions_are(self):
        rows = {row["type"]: row for row in self.stand.rows("types")}
        self.assertEqual(len(rows), 18)
        self.assertEqual({name: rows[name]["cells"] for name in ("Mi1", "T4a", "CT1")}, {"Mi1": 3, "T4a": 3, "CT1": 2})
        texts = [cell[9] for cell in self.stand.rows("cells", ["Mi1"])[0]["cells"]]
        self.assertEqual(rows["Mi1"]["bytes"], sum(map(len, texts)))
        self.assertEqual(rows["KC/a"]["bytes"], 0)

    def test_meta_has_the_regions_as_text_and_the_columns_among_them(self):
        (row,) = self.stand.rows("meta")
        self.assertEqual((row["dataset"], row["tag"], row["edited"]), ("cns", "v0.9", "2025-01-02 03:04:05"))
        self.assertEqual(row["primary"], ["ME(R)", "ME(L)", "LO(R)", "GNG"])
        self.assertEqual(row["hierarchy"].count("_col_"), 9)
        self.assertEqual(self.stand.rows("edited"), [{"uuid": "abc", "edited": row["edited"]}])

    def test_cells_that_share_their_properties_share_a_row(self):
        (row,) = self.stand.rows("cells", ["Mi1"])
        self.assertEqual(
            [row[name] for name in ("type", "edited", "consensus", "flywire")],
            ["Mi1", ["abc", "2025-01-02 03:04:05"], "acetylcholine", "Mi1"],
        )
        self.assertEqual((row["confidence"], row["predictions"], row["dimorphism"]), (0.9, 100, None))
        cells = {cell[0]: cell for cell in row["cells"]}
        self.assertEqual(cells[101][1:9], [None, "R", 10, 20, 60, 20, None, None])
        self.assertEqual(
            json.loads(cells[103][9]), {"ME(L)": {"pre": 8, "post": 9}, "ME_L_col_01_01": {"pre": 8, "post": 9}}
        )
        rows = self.stand.rows("cells", ["DNp01", "CT1", "no such type"])
        found = {(row["type"], row["consensus"], *cell[:3]) for row in rows for cell in row["cells"]}
        self.assertEqual(
            found,
            {
                ("DNp01", "gaba", 121, "L", "R"),
                ("DNp01", "glutamate", 122, "", "R"),
                ("CT1", None, 131, None, "M"),
                ("CT1", None, 132, None, None),
            },
        )

    def test_partners_have_count_sum_and_sum_of_squares_for_each_side_of_their_own(self):
        none, ach = [0, 0, 0], "acetylcholine"
        found = self.partners(["Mi1"], [101])
        expected = {
            # Bodies 111 (4 and 6 from the right, 1 from the left) and 112 (2).
            ("Mi1", "out", "T4a", "R", ach): [[2, 13, 125], [1, 1, 1], [2, 12, 104], none],
            ("Mi1", "out", "T4a", "L", ach): [[1, 5, 25], [1, 5, 25], none, none],
            ("Mi1", "out", "DNp01", "R", "gaba"): [[1, 3, 9], none, [1, 3, 9], none],
            ("Mi1", "out", "DNp01", "R", "glutamate"): [[1, 7, 49], none, [1, 7, 49], none],
            ("Mi1", "out", "Mi1", "R", ach): [[1, 9, 81], none, [1, 9, 81], none],
            ("Mi1", "in", "T4a", "R", ach): [[1, 8, 64], none, [1, 8, 64], none],
            ("Mi1", "in", "Mi1", "R", ach): [[1, 9, 81], none, [1, 9, 81], none],
            # The strongest partner cells of body 101, strongest first.
            (101, "out", "T4a", "R", None): [[2, [[111, 4], [112, 2]]], None, None, None],
            (101, "out", "DNp01", "R", None): [[1, [[121, 3]]], None, None, None],
            (101, "out", "Mi1", "R", None): [[1, [[102, 9]]], None, None, None],
            (101, "in", "T4a", "R", None): [[1, [[111, 8]]], None, None, None],
        }
        self.assertEqual(found, expected)

    def test_the_side_of_the_root_comes_first_and_an_unknown_side_counts_in_all(self):
        none = [0, 0, 0]
        found = self.partners(["DNp01", "CT1"])
        self.assertEqual(found["DNp01", "in", "Mi1", "R", "acetylcholine"], [[2, 10, 58], [1, 3, 9], [1, 7, 49], none])
        self.assertEqual(found["DNp01", "in", "CT1", None, None], [[1, 2, 4], [1, 2, 4], none, none])
        self.assertEqual(found["CT1", "out", "DNp01", "R", "gaba"], [[1, 2, 4], none, none, none])
        self.assertEqual(found["CT1", "in", "DNp01", "R", "gaba"], [[1, 1, 1], none, none, [1, 1, 1]])

    def test_layers_count_synapses_by_side_region_column_and_layer(self):
        rows = self.stand.rows("layers", ["Mi1", "T4a", "DNp01"])
        self.assertEqual({row["type"]: row["synapses"] for row in rows}, {"Mi1": 6, "T4a": 2, "DNp01": 0})
        found = {
            (row["type"], side, region): sorted([h1, h2, sorted(layers)] for h1, h2, layers in columns)
            for row in rows
            for side, region, columns in row["places"]
            if region
        }
        expected = {
            ("Mi1", "R", "ME(R)"): [[1, 1, [[1, 3], [2, 1]]], [1, 2, [[10, 1]]]],
            ("Mi1", "L", "ME(L)"): [[1, 1, [[2, 1]]]],
            ("T4a", "R", "LO(R)"): [[1, 1, [[4, 1]]]],
            ("T4a", "R", "ME(R)"): [[2, 2, [[9, 1]]]],
        }
        self.assertEqual(found, expected)

    def test_other_datasets_name_sides_and_transmitters_otherwise(self):
        (row,) = self.stand.rows("cells", ["aMe6c"], dataset="flywire-fafb:v783")
        cells = sorted(row["cells"])
        self.assertEqual(
            [cell[:3] + cell[7:9] for cell in cells],
            [
                [720575940615928386, None, "LEFT", "glutamate", 0.75],
                [720575940620225585, None, "right", "glutamate", 0.5],
            ],
        )
        found = self.partners(["aMe6c"], [720575940615928386], "flywire-fafb:v783")
        self.assertEqual(
            found["aMe6c", "out", "Mi1", "CENTER", "acetylcholine"], [[1, 10, 100], [1, 4, 16], [1, 6, 36], [0, 0, 0]]
        )
        self.assertEqual(found[720575940615928386, "out", "Mi1", "CENTER", None][0], [1, [[720575940632527683, 4]]])
        found = self.partners(["KCa'b'-ap1"], dataset="hemibrain:v1.2.1")
        self.assertEqual(found["KCa'b'-ap1", "out", "KCa'b'-ap1", "R", None][0], [1, 2, 4])
        found = self.partners(["LC17"], dataset="optic-lobe:v1.0")
        self.assertEqual(found["LC17", "out", "LC17", "R", "gaba"][0], [1, 3, 9])

    def test_every_type_is_found_by_its_own_name_and_finds_no_other(self):
        names = [row["type"] for row in self.stand.rows("types")]
        for name in names:
            self.assertEqual({row["type"] for row in self.stand.rows("cells", [name])}, {name})
        for query in ("cells", "layers", "partners"):
            self.stand.rows(query, names, [101])
        self.assertEqual(len(self.stand.rows("cells", names)), 19)
        self.assertEqual(
            self.partners(["\\u0027 OR true //"])["\\u0027 OR true //", "out", "back\\slash", "R", None][0],
            [1, 12, 144],
        )

    def test_any_text_comes_back_as_it_was(self):
        seed = random.Random(7)
        letters = [
            "'",
            '"',
            "\\",
            "\\u",
            "\\u0027",
            "\\U0001f600",
            "u",
            "`",
            "$p",
            "{types}",
            "//",
            "/*",
            "*/",
            "\n",
            "\r",
            "\t",
            "\x01",
            "\x7f",
            "\u2028",
            "é",
            "é",
            "😀",
            "ME(R)",
            " ",
            "0027",
            "--",
            ";",
        ]
        texts = ["".join(seed.choices(letters, k=seed.randint(0, 12))) for _ in range(2000)]
        for start in range(0, len(texts), 100):
            wanted = texts[start : start + 100]
            _, _, body = self.stand.cypher(f"RETURN [{', '.join(map(literal, wanted))}] AS texts")
            self.assertEqual(json.loads(body)["data"][0][0], wanted)


class Server(SmallGraph):
    def test_who_has_no_token_gets_nothing(self):
        self.assertEqual(self.stand.send("GET", "/api/dbmeta/datasets", token="other")[0], 401)
        datasets = json.loads(self.stand.send("GET", "/api/dbmeta/datasets")[2])
        self.assertEqual(datasets[CNS]["last-mod"], "2025-01-02 03:04:05")
        self.assertEqual(json.loads(self.stand.send("GET", "/api/version")[2]), {"Version": "1.7.4"})

    def test_a_query_that_is_wrong_or_writes_is_refused(self):
        for cypher in ("MATCH (n RETURN n", "CREATE (:Neuron)", "MATCH (n:Neuron) RETURN n LIMIT 1"):
            status, _, body = self.stand.cypher(cypher)
            self.assertEqual((status, list(json.loads(body))), (400, ["error"]), cypher)

    def test_unicode_escapes_count_outside_of_literals_too_as_in_neo4j(self):
        _, _, body = self.stand.cypher(r"RETURN \u0027a\u0027 + '\\u0062\ud83d\ude00' AS text")
        self.assertEqual(json.loads(body)["data"], [["a\\u0062😀"]])

    def test_queries_are_counted_by_kind(self):
        self.stand.rows("cells", ["Mi1"])
        self.stand.rows("cells", ["T4a"])
        counts = self.stand.control()
        self.assertEqual((counts["requests"], counts["kinds"]["cells"]["count"]), (2, 2))
        self.assertGreater(counts["kinds"]["cells"]["bytes"], 500)

    def test_faults_strike_whom_they_concern_as_often_as_they_say(self):
        self.stand.control(
            faults=[
                {"do": "status", "status": 429, "headers": {"Retry-After": "2"}, "kind": "cells", "skip": 1, "times": 1}
            ]
        )
        answers = [self.stand.cypher(build("cells", ["Mi1"])) for _ in range(3)]
        self.assertEqual([status for status, _, _ in answers], [200, 429, 200])
        self.assertEqual(answers[1][1]["Retry-After"], "2")
        self.assertEqual(self.stand.rows("types")[0].keys(), {"type", "cells", "bytes"})

    def test_answers_break_off_or_lie_about_their_length(self):
        for fault in ({"do": "reset"}, {"do": "reset", "part": 0.5}, {"do": "close"}, {"do": "length", "by": 10}):
            self.stand.control(faults=[{**fault, "kind": "types"}])
            with self.assertRaises((OSError, http.client.HTTPException), msg=fault):
                self.stand.connection.timeout = 5
                self.stand.rows("types")
        for fault in ({"do": "length", "by": -10}, {"do": "truncate"}, {"do": "body", "body": "<html>"}):
            self.stand.control(faults=[{**fault, "kind": "types", "times": 1}])
            with self.assertRaises(ValueError, msg=fault):
                self.stand.rows("types")
            self.stand.connection.close()
        self.stand.control(faults=[{"do": "drip", "bytes": 100, "every_ms": 1, "times": 1}])
        self.assertEqual(len(self.stand.rows("types")), 18)

    def test_rows_are_not_what_they_should_be(self):
        self.stand.control(
            faults=[
                {"do": "nulls", "column": "type", "row": 0, "times": 1},
                {"do": "rows", "row": 0, "put": [1], "times": 1},
            ]
        )
        self.assertIsNone(self.stand.rows("types")[0]["type"])
        self.assertEqual(self.stand.rows("types")[0], {"type": 1})

    def test_data_change_in_the_middle_of_a_run(self):
        edit = ["MATCH (m:Meta) SET m.lastDatabaseEdit = '2026-01-01'", "MATCH (n:Neuron {bodyId: 215}) SET n.pre = 77"]
        undo = [
            "MATCH (m:Meta) SET m.lastDatabaseEdit = '2025-01-02 03:04:05'",
            "MATCH (n:Neuron {bodyId: 215}) SET n.pre = 1",
        ]
        self.stand.control(
            faults=[{"do": "write", "dataset": CNS, "cypher": edit, "kind": "cells", "skip": 1, "times": 1}]
        )
        name = "/* quire: types */ {types}"
        found = [(row["edited"], row["cells"][0][3]) for _ in range(2) for row in self.stand.rows("cells", [name])]
        self.stand.control(write={"dataset": CNS, "cypher": undo})
        self.assertEqual(found, [(["abc", "2025-01-02 03:04:05"], 1), (["abc", "2026-01-01"], 77)])

    def test_rows_and_parts_of_rows_are_left_out_or_come_twice(self):
        def read(**fault):
            self.stand.control(faults=[{"do": "omit", "times": 1, **fault}])
            return self.stand.rows("partners", ["Mi1"])

        whole = read(of=["no such type"])
        self.assertEqual([row["way"] for row in read(of=["Mi1", "out"])], ["in"])
        self.assertEqual([row["way"] for row in read(of=["Mi1", "out"], twice=True)], ["in", "out", "out"])
        (less, _) = read(of=["Mi1", "out"], column="partners")
        self.assertEqual(less["partners"], whole[0]["partners"][:-1])
        (less, _) = read(of=["Mi1", "out"], column="partners", within=[0])
        self.assertEqual(less["partners"][0], whole[0]["partners"][0][:-1])


@unittest.skipUnless(DATA, "skipped: $QUIRE_NEURONS_DATA names no folder of neuron data")
class LargeGraph(unittest.TestCase):
    """Bytes and time of queries over real types. The old maker fetched 22.2 MB for one of `COLUMNAR`."""

    COLUMNAR = ["LC17", "T4a", "Mi1"]
    OLD_BYTES = 22.2e6

    @classmethod
    def setUpClass(cls):
        began = time.monotonic()
        types = os.environ.get("QUIRE_NEUPRINT_TYPES", "1772")
        cls.stand = Stand("--graph", "large", "--data", DATA, "--types", types)
        cls.addClassCleanup(cls.stand.stop)
        print(f"\nready after {time.monotonic() - began:.1f} s")
        cls.stand.rows("types")

    def read(self, types):
        """Reads some types as the upstream does; queries, bytes, and seconds here and in the engine."""
        self.stand.control(clear=True)
        began = time.monotonic()
        shown, with_columns = [], []
        for row in self.stand.rows("cells", types):
            shown.append(max(row["cells"], key=lambda cell: (cell[3] + cell[4], -cell[0]))[0])
            if any("_col_" in (cell[9] or "") for cell in row["cells"]):
                with_columns.append(row["type"])
        self.stand.rows("partners", types, shown)
        if with_columns:
            self.stand.rows("layers", with_columns)
        seconds = time.monotonic() - began
        counts = self.stand.control()
        engine = sum(kind["engine_ms"] for kind in counts["kinds"].values()) / 1000
        return counts["requests"], counts["bytes"], seconds, engine

    def test_a_type_alone(self):
        for name in ["DNp01", "AN10B045", *self.COLUMNAR]:
            queries, size, seconds, engine = self.read([name])
            print(
                f"{name}: {queries} queries, {size / 1e6:.3f} MB, {seconds:.3f} s, of them {engine:.3f} s in the stand-in's engine"
            )
            self.assertLessEqual(queries, 3)
            self.assertLessEqual(size, self.OLD_BYTES / 5)

    def test_types_in_batches(self):
        names = sorted(row["type"] for row in self.stand.rows("types"))
        small = [row["type"] for row in self.stand.rows("types") if row["bytes"] < 40_000]
        for what, batch in (("any", names[:50]), ("small", sorted(small)[:50])):
            queries, size, seconds, engine = self.read(batch)
            print(
                f"50 {what} types: {queries / 50} queries, {size / 50e6:.4f} MB and {seconds * 20:.1f} ms ({engine * 20:.1f} in the engine) a type"
            )
            self.assertLessEqual(queries / 50, 0.2)

    def test_all_types_in_batches_of_fifty_or_four_mebibytes(self):
        types = sorted(self.stand.rows("types"), key=lambda row: row["type"])
        batches, room = [], 0
        for row in types:
            if not batches or len(batches[-1]) == 50 or room < row["bytes"]:
                batches.append([])
                room = 4 << 20
            batches[-1].append(row["type"])
            room -= row["bytes"]
        read = [self.read(batch) for batch in batches]
        queries, size, seconds, engine = map(sum, zip(*read))
        count = len(types)
        print(
            f"{count} types in {len(batches)} batches: {queries / count:.3f} queries, {size / count / 1e6:.4f} MB and"
            f" {seconds / count * 1000:.1f} ms ({engine / count * 1000:.1f} in the engine) a type;"
            f" at most {max(size for _, size, _, _ in read) / 1e6:.1f} MB a batch"
        )
        self.assertLessEqual(queries / count, 0.2)


del SmallGraph
if __name__ == "__main__":
    unittest.main()
