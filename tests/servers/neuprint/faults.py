"""What goes wrong on purpose, and what is counted.

A fault is an object: `do` says what happens (see `http.Exchange`), `kind`, `path` and `contains` which requests it concerns
(all by default), `skip` how many of those are spared first, `times` how many it strikes (without it, all).
"""

import collections

RECENT = 10_000


class Faults:
    """The faults in force, in their order: the first that concerns a request strikes."""

    def __init__(self):
        self.faults = []

    def set(self, faults):
        self.faults = [dict(fault) for fault in faults]

    def strike(self, kind, path, text):
        """The fault that this request meets."""
        for fault in self.faults:
            concerned = fault.get("kind", kind) == kind and fault.get("path", path) == path
            if not concerned or fault.get("contains", "") not in text:
                continue
            if fault.get("skip", 0) > 0:
                fault["skip"] -= 1
                continue
            if fault.get("times") == 0:
                continue
            if "times" in fault:
                fault["times"] -= 1
            return fault
        return None


class Counts:
    """Everything that was asked and answered."""

    def __init__(self):
        self.under_way = 0
        self.clear()

    def clear(self):
        self.connections = self.requests = self.bytes = 0
        self.most_under_way = self.under_way
        self.kinds = collections.defaultdict(lambda: {"count": 0, "bytes": 0, "engine_ms": 0.0, "cached": 0})
        self.statuses, self.faults = collections.Counter(), collections.Counter()
        self.recent = collections.deque(maxlen=RECENT)

    def begin(self):
        self.requests += 1
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)

    def end(self, kind, status, size):
        self.under_way -= 1
        self.bytes += size
        self.statuses[str(status)] += 1
        self.kinds[kind]["count"] += 1
        self.kinds[kind]["bytes"] += size
        self.recent.append(f"{kind} {status} {size}")

    def engine(self, kind, seconds):
        """Time that the engine took, and the stand-in around it; none if the answer was kept."""
        self.kinds[kind]["engine_ms"] += (seconds or 0) * 1000
        self.kinds[kind]["cached"] += seconds is None

    def told(self):
        names = ("connections", "requests", "bytes", "most_under_way")
        counts = {name: getattr(self, name) for name in names}
        return counts | {
            "kinds": self.kinds,
            "statuses": self.statuses,
            "faults": self.faults,
            "recent": list(self.recent),
        }
