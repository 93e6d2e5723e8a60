"""A neuPrint server for tests: its HTTP interface before graphs that a real Cypher engine holds in memory.

It answers /api/custom/custom, /api/dbmeta/datasets and /api/version, asks for a bearer token, and prints
`listening on ADDRESS` when it is ready (with TLS, `control on ADDRESS` before, where it speaks plain HTTP). It ends on SIGTERM, and with `--leash` when its standard input does.

POST /_control changes what it does from then on: {"faults": [..], "latency_ms": .., "token": .., "write": {"dataset": ..,
"cypher": [..]}, "clear": true}; the answer, and that of GET /_control, are the counts so far. See neuprint/faults.py.

The packages of tools/requirements-neuprint.txt must be on PYTHONPATH.
"""

import argparse
import asyncio
import fcntl
import json
import os
import signal
import ssl
import sys

from neuprint import bulk, http, large, small, tables
from neuprint.engine import Engine, QueryError
from neuprint.faults import Counts, Faults
from neuprint.database import READ_ONLY, Database, encode, kind_of, spoil

HERE = os.path.dirname(os.path.abspath(__file__))


class Server:
    """The stand-in."""

    def __init__(self, database, token, latency_ms):
        self.database, self.token, self.latency_ms = database, token, latency_ms
        self.faults, self.counts = Faults(), Counts()

    async def serve(self, reader, writer):
        """One connection."""
        self.counts.connections += 1
        try:
            while request := await http.read(reader):
                exchange = http.Exchange(writer)
                if request.path == "/_control":
                    await self.control(request, exchange)
                else:
                    await self.exchange(request, exchange)
                if not exchange.keeps or request.headers.get("connection", "").lower() == "close":
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def control(self, request, exchange):
        try:
            wish = json.loads(request.body or b"{}")
            if wish.get("clear"):
                self.counts.clear()
            if "faults" in wish:
                self.faults.set(wish["faults"])
            self.latency_ms = wish.get("latency_ms", self.latency_ms)
            self.token = wish.get("token", self.token)
            if "write" in wish:
                await self.database.write(wish["write"]["dataset"], wish["write"]["cypher"])
            await exchange.answer(200, encode(self.counts.told()))
        except (ValueError, KeyError, QueryError) as error:
            await exchange.answer(400, encode({"error": str(error)}))

    async def exchange(self, request, exchange):
        asked = parse(request.body)
        text = asked.get("cypher", "")
        kind = kind_of(request.path, text)
        self.counts.begin()
        status = 0
        try:
            fault = self.faults.strike(kind, request.path, text)
            if fault:
                self.counts.faults[fault["do"]] += 1
            if fault and fault["do"] == "write":
                await self.database.write(fault["dataset"], fault["cypher"])
                fault = None
            if self.latency_ms:
                await asyncio.sleep(self.latency_ms / 1000)
            status, body = await self.answer(request, asked, kind)
            spoiled = fault and spoil(fault, body)
            if fault and spoiled is None:
                status = fault.get("status", status)
                await exchange.fail(fault, status, body)
            else:
                await exchange.answer(status, spoiled or body)
        finally:
            self.counts.end(kind, status, exchange.sent)

    async def answer(self, request, asked, kind):
        """Status and body of the honest answer."""
        if request.path == "/api/version":
            return 200, encode({"Version": "1.7.4"})
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return 401, encode({"message": "invalid or expired jwt"})
        if request.path == "/api/dbmeta/datasets":
            return 200, encode(await self.database.datasets())
        if request.path != "/api/custom/custom":
            return 404, encode({"message": "Not Found"})
        if not isinstance(asked.get("cypher"), str):
            return 400, encode({"error": "request object not formatted correctly"})
        try:
            body, seconds = await self.database.answer(asked.get("dataset", ""), asked["cypher"])
        except QueryError as error:
            return 400, encode({"error": READ_ONLY if "read-only" in str(error) else str(error)})
        self.counts.engine(kind, seconds)
        return 200, body


def parse(body):
    try:
        asked = json.loads(body or b"{}")
    except ValueError:
        return {}
    return asked if isinstance(asked, dict) else {}


def prepare(options):
    """The file that the engine loads its graphs from, made if it is not there."""
    if options.graph == "large":
        name = f"large-{options.types}-{tables.digest(options.data, options.types)}"
    else:
        return None
    os.makedirs(options.prepared, exist_ok=True)
    path = os.path.join(options.prepared, f"{name}.rdb")
    with open(os.path.join(options.prepared, "lock"), "w", encoding="ascii") as lock:
        # Others wait for who makes it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(path):
            print(f"making {path}", flush=True)
            engine = Engine(path + ".part")
            with engine.connect() as connection:
                loader = bulk.Loader(connection, f"{large.DATASET}:{large.TAG}")
                large.load(loader, options.data, options.types)
                loader.flush()
                loader.index()
                connection.send("SAVE")
            engine.stop()
            os.rename(path + ".part", path)
    return path


def start_engine(options):
    """The engine with its graphs."""
    path = prepare(options)
    engine = Engine(path)
    if path is None:
        file = os.path.join(HERE, "neuprint/small.json") if options.graph == "small" else options.graph
        with engine.connect() as connection:
            for name, dataset in small.read(file).items():
                loader = bulk.Loader(connection, name)
                small.load(loader, dataset)
                loader.flush()
    return engine


async def run(options, engine):
    database = Database(engine, 4, options.cache)
    server = Server(database, options.token, options.latency_ms)
    tls = None
    if options.tls:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*options.tls)
    host, _, port = options.listen.rpartition(":")
    listening = await asyncio.start_server(server.serve, host, int(port), ssl=tls, limit=http.MAX_HEAD)
    end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end.set)
    if options.leash:
        asyncio.get_running_loop().add_reader(sys.stdin, lambda: sys.stdin.buffer.read1(1) or end.set())
    if tls:
        # Who controls it need not speak TLS.
        plain = await asyncio.start_server(server.serve, host, 0, limit=http.MAX_HEAD)
        print(f"control on {address(plain)}", flush=True)
    print(f"listening on {address(listening)}", flush=True)
    await end.wait()
    listening.close()


def address(listening):
    return "{}:{}".format(*listening.sockets[0].getsockname()[:2])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", default="127.0.0.1:0", help="address; port 0 takes a free one")
    parser.add_argument("--graph", default="small", help="small, large, or a file like neuprint/small.json")
    parser.add_argument(
        "--data", default=os.environ.get("QUIRE_NEURONS_DATA"), help="folder of the data that large is made of"
    )
    parser.add_argument("--types", type=int, default=1772, help="how many types large has")
    parser.add_argument(
        "--prepared", default=os.path.join(HERE, "../../target/neuprint"), help="folder of prepared graphs"
    )
    parser.add_argument("--prepare", action="store_true", help="prepare the graph and end")
    parser.add_argument("--token", default="neuprint-token", help="the bearer token that it takes")
    parser.add_argument("--tls", nargs=2, metavar=("CERTIFICATE", "KEY"), help="PEM files: speak HTTPS")
    parser.add_argument("--latency-ms", type=float, default=0, help="pause before each answer")
    parser.add_argument("--cache", action="store_true", help="keep answers: the same query is answered at once")
    parser.add_argument("--leash", action="store_true", help="end when standard input ends")
    options = parser.parse_args()
    if options.graph == "large" and not options.data:
        parser.error("--graph large needs --data, or QUIRE_NEURONS_DATA")
    if options.prepare:
        return prepare(options)
    engine = start_engine(options)
    try:
        asyncio.run(run(options, engine))
    finally:
        engine.stop()


if __name__ == "__main__":
    main()
