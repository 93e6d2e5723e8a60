"""HTTP as a server of tests needs it: keep-alive, and everything that can go wrong with an answer."""

import asyncio
import json
import socket
import struct

MAX_HEAD, MAX_BODY = 64 << 10, 16 << 20
REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    429: "Too Many Requests",
    503: "Service Unavailable",
}


class Request:
    """A request that was read: method, path, headers by their name in small letters, body."""

    def __init__(self, method, path, headers, body):
        self.method, self.path, self.headers, self.body = method, path, headers, body


async def read(reader):
    """The next request; `None` if there is none, or none that the server understands."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    fields = (line.partition(":") for line in lines if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in fields}
    length = headers.get("content-length", "0")
    if len(words) != 3 or not length.isdigit() or int(length) > MAX_BODY or "transfer-encoding" in headers:
        return None
    method, path, length = words[0], words[1], int(length)
    return Request(method, path, headers, await reader.readexactly(length))


class Exchange:
    """The answer to one request."""

    def __init__(self, writer):
        self.writer, self.sent, self.keeps = writer, 0, True

    async def answer(self, status, body, headers=(), length=None):
        """Sends an answer whole. `length` is told in place of the true one."""
        told = len(body) if length is None else length
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}", "Content-Type: application/json; charset=UTF-8"]
        lines += [f"Content-Length: {told}", *(f"{name}: {value}" for name, value in headers)]
        await self.write("\r\n".join([*lines, "\r\n"]).encode() + body)
        # Whoever was told another length cannot know where the next answer begins.
        self.keeps = self.keeps and told == len(body)

    async def write(self, data):
        self.sent += len(data)
        self.writer.write(data)
        await self.writer.drain()

    async def fail(self, fault, status, body):
        """Answers as a fault says; the answer would have been `status` and `body`."""
        do = fault["do"]
        if do == "status":
            headers = fault.get("headers", {}).items()
            text = fault.get("body", json.dumps({"error": f"fault: {fault['status']}"}))
            return await self.answer(fault["status"], text.encode(), headers)
        if do == "body":
            return await self.answer(fault.get("status", 200), fault["body"].encode())
        if do == "truncate":
            return await self.answer(status, body[: int(len(body) * fault.get("part", 0.5))])
        if do == "length":
            return await self.answer(status, body, length=max(0, len(body) + fault["by"]))
        if do == "drip":
            return await self.drip(fault, status, body)
        self.keeps = False
        if do == "hang":
            await asyncio.sleep(fault.get("seconds", 3600))
        elif do == "reset":
            if fault.get("part"):
                await self.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode())
                await self.write(body[: int(len(body) * fault["part"])])
            # Closing then sends a reset.
            linger = struct.pack("ii", 1, 0)
            self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.writer.transport.abort()
        elif do != "close":
            raise ValueError(f"there is no fault {do!r}")

    async def drip(self, fault, status, body):
        """A whole answer, a few bytes at a time."""
        await self.write(f"HTTP/1.1 {status} OK\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        step = fault.get("bytes", 1)
        for start in range(0, len(body), step):
            await self.write(body[start : start + step])
            await asyncio.sleep(fault.get("every_ms", 10) / 1000)
