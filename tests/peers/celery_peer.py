"""Tasks a second of Celery: no work, 1 KiB each, from the first `apply_async` to the end of the last task.

    python3 celery_peer.py redis|rabbitmq COUNT

Starts the broker and a worker of its own, with as many processes as cores (Celery's default pool), and ends them. Results
are ignored and acknowledgement is early: Celery's defaults, and less than we promise. Prints `<rate> tasks/s`.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

BODY = "x" * 1024
PATIENCE_SECONDS = 120


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(what, check):
    began = time.monotonic()
    while not check():
        if time.monotonic() - began > PATIENCE_SECONDS:
            sys.exit(f"{what} should be by now")
        time.sleep(0.02)


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def redis(folder, port):
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""]
    return f"redis://127.0.0.1:{port}/0", command, {}


def rabbitmq(folder, port):
    # Not below what another user may not enter: Debian's wrapper gives up its rights to one of its own.
    program = next(p for p in ("/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server") if shutil.which(p))
    env = {
        "RABBITMQ_NODENAME": f"peer{port}@localhost",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        # Erlang's name server goes on by itself: this one is ours, and is ended with the rest.
        "ERL_EPMD_PORT": str(free_port()),
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_MNESIA_BASE": folder,
        "RABBITMQ_LOG_BASE": folder,
        "RABBITMQ_ENABLED_PLUGINS_FILE": os.path.join(folder, "plugins"),
        "HOME": folder,
    }
    return f"amqp://guest:guest@127.0.0.1:{port}//", [program], env


def app(url):
    from celery import Celery

    peer = Celery("celery_peer", broker=url)
    peer.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True, worker_hijack_root_logger=False)

    @peer.task(name="noop")
    def noop(body):
        # One byte for each: the size of the file says how many are done.
        os.write(DONE, b".")

    return peer, noop


def measure(kind, count):
    global DONE
    folder = tempfile.mkdtemp(prefix="celery-peer-")
    port = free_port()
    url, command, env = {"redis": redis, "rabbitmq": rabbitmq}[kind](folder, port)
    log = open(os.path.join(folder, "log"), "w")
    done = os.path.join(folder, "done")
    DONE = os.open(done, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    children = [subprocess.Popen(command, env={**os.environ, **env}, stdout=log, stderr=log, start_new_session=True)]
    try:
        until(f"{kind} listens ({folder}/log)", lambda: listens(port))
        worker = [sys.executable, __file__, "worker", url, done]
        children.append(subprocess.Popen(worker, stdout=log, stderr=log, start_new_session=True))
        _, noop = app(url)
        # The first one waits until the worker is there.
        noop.apply_async((BODY,))
        until("the worker", lambda: os.path.getsize(done) == 1)
        began = time.monotonic()
        for _ in range(count):
            noop.apply_async((BODY,))
        until("the last task", lambda: os.path.getsize(done) >= count + 1)
        print(f"{count / (time.monotonic() - began):.0f} tasks/s")
    finally:
        for child in reversed(children):
            os.killpg(child.pid, signal.SIGTERM)
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
        if "ERL_EPMD_PORT" in env:
            # It refuses while it knows of a node that has not quite ended.
            end = ["epmd", "-port", env["ERL_EPMD_PORT"], "-kill"]
            until("epmd has ended", lambda: subprocess.run(end, stdout=log, stderr=log).returncode == 0)
        shutil.rmtree(folder, ignore_errors=True)


def main():
    global DONE
    if sys.argv[1] == "worker":
        DONE = os.open(sys.argv[3], os.O_APPEND | os.O_WRONLY)
        app(sys.argv[2])[0].worker_main(["worker", "--loglevel=warning", "--concurrency", str(os.cpu_count())])
    else:
        measure(sys.argv[1], int(sys.argv[2]))


main()
