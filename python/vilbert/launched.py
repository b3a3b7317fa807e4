"""One of the processes that `python -m paddle.distributed.launch` starts: `launched.py SETTINGS.json`.

The settings are {fn, request, socket, path}. The process talks to Node over its own connection to the socket,
a JSON object a line: hello, joined once all processes have met, then events (the first process of a machine only), at
last a result or an error. Node says "stop" to end the work of all at the next event. A second connection is its
lifeline: when Node is gone, the kernel ends the process; the launcher's lifeline is its standard input, which it does
not look at itself.
"""

from __future__ import annotations

import contextlib
import faulthandler
import fcntl
import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

LINUX_F_SETSIG = 10
END_SECONDS = 10


def main() -> None:
    """Does this process's part of the work."""
    settings = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    sys.path[0] = settings["path"]  # this folder's modules are only `vilbert.*`
    node = NodeLine(settings["socket"])
    from vilbert.bridge import configure, describe

    configure(roots=[settings["path"]], max_message_bytes=sys.maxsize)
    try:
        node.tell({"result": work(settings, node)})
    except BaseException as error:  # noqa: BLE001 (whatever it is, Node is told)
        node.tell({"error": describe(error)})
        tell_others()
        # Node ends all. Until then the launcher must not see this end: it tells Node which process was the first.
        time.sleep(END_SECONDS)
        os._exit(1)
    os._exit(0)


def work(settings: dict[str, Any], node: NodeLine) -> Any:
    """Goes through the generator, in step with the other processes; gives its result, None after a stop."""
    from vilbert.bridge import resolve

    join_others()
    node.tell({"joined": True})
    from vilbert.parallel import processes

    function = resolve(settings["fn"])
    goes_in_step = getattr(function, "stops_at_events", False)
    events = function(settings["request"])
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            return end.value
        if os.environ.get("PADDLE_LOCAL_RANK", "0") == "0":
            node.tell({"event": event})
        if not goes_in_step:
            continue
        is_over = True
        try:
            is_over = processes().agree(node.wants_stop)
        finally:
            if is_over:
                events.close()  # runs its `finally`, which saves, even where the others are lost
        if is_over:
            return None


def join_others() -> None:
    """Makes the group of processes: gloo on CPUs, NCCL on GPUs."""
    import paddle.distributed as dist

    faulthandler.enable()  # only now: Paddle's own handlers would replace these
    if int(os.environ["PADDLE_TRAINER_ID"]) > 0:
        wait_for_store()
    with contextlib.redirect_stdout(sys.stderr):
        dist.init_parallel_env()
    # When one process dies, the launcher asks the others to end; they find out by themselves, and may have to save.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def tell_others() -> None:
    """Lets processes that wait for this one know of its failure, if they have met."""
    from vilbert.errors import LostProcessError
    from vilbert.parallel import processes

    with contextlib.suppress(LostProcessError):
        processes().tell_failure()


def wait_for_store(limit_seconds: float = 60) -> None:
    """Waits until the first process listens: Paddle itself would look again only after three seconds."""
    address = os.environ.get("PADDLE_MASTER") or os.environ["PADDLE_TRAINER_ENDPOINTS"].split(",")[0]
    host, port = address.split(":")
    give_up = time.monotonic() + limit_seconds
    while time.monotonic() < give_up:
        with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
            return
        time.sleep(0.02)


class NodeLine:
    """The way to Node and back."""

    def __init__(self, path: str) -> None:
        self.wants_stop = False
        self._lifeline = connect(path)
        die_at_end_of(self._lifeline.fileno(), os.getpgrp())
        launcher = os.getppid()
        if os.getpgid(launcher) == launcher:
            die_at_end_of(0, launcher)
        self._line = connect(path)
        self.tell({"hello": {"rank": int(os.environ["PADDLE_TRAINER_ID"]), "pid": os.getpid()}})
        threading.Thread(target=self._listen, daemon=True, name="node").start()

    def tell(self, message: dict[str, Any]) -> None:
        """Sends one message."""
        from vilbert.messages import encode

        self._line.sendall(encode(message).encode() + b"\n")

    def _listen(self) -> None:
        while True:
            try:
                received = self._line.recv(4096)
            except OSError:
                received = b""
            if not received:
                os.killpg(0, signal.SIGKILL)
            self.wants_stop = True


def connect(path: str) -> socket.socket:
    """Connects to Node's socket; if Node is gone, so are we and the launcher."""
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        line.connect(path)
    except OSError:
        launcher = os.getppid()
        if os.getpgid(launcher) == launcher:
            os.killpg(launcher, signal.SIGKILL)
        os._exit(1)
    return line


def die_at_end_of(descriptor: int, group: int) -> None:
    """Lets the kernel kill a process group when the other end of a socket that never says anything closes."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError):
        fcntl.fcntl(descriptor, fcntl.F_SETOWN, -group)
        fcntl.fcntl(descriptor, LINUX_F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_ASYNC)


if __name__ == "__main__":
    main()
