"""Starts the Python side: `python -u boot.py SETTINGS`, a JSON object {interface, path, maxMessageBytes}.

File descriptors as Node hands them over: 0 the lifeline (Node only ever closes it), 2 stderr, 3 pythonia's channel,
4 the control pipe (cancelled call numbers come in, "where are you?" stacks go out).
"""

from __future__ import annotations

import faulthandler
import fcntl
import importlib.util
import json
import os
import runpy
import signal
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

CHANNEL_FD = 3
CONTROL_FD = 4
LINUX_F_SETSIG = 10


def main() -> None:
    """Set the process up, then serve requests until Node says `shutdown` or is gone."""
    settings = json.loads(sys.argv[1])
    del sys.argv[1:]
    os.dup2(2, 1)  # whatever prints, C++ too: standard output belongs to the user of the command line
    _die_with_node(_take_standard_input())
    for fd in (CHANNEL_FD, CONTROL_FD):
        os.set_inheritable(fd, False)
    _report_crashes()
    sys.path[:1] = settings["path"]  # the entry replaced is this folder: its modules are only `vilbert.*`

    from vilbert import bridge

    bridge.configure(roots=settings["path"], max_message_bytes=settings["maxMessageBytes"]).listen(CONTROL_FD)
    _serve(settings["interface"])


def _take_standard_input() -> int:
    """Keep the lifeline under another number and give programs that read stdin an empty one."""
    lifeline = os.dup(0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return lifeline


def _die_with_node(lifeline: int) -> None:
    """Let the kernel kill our whole process group when Node's end of the lifeline closes, however Node died.

    It needs no thread of ours, so it also works while C code holds the GIL; other systems than Linux are left to
    the end of the control pipe (see cancellation.py).
    """
    if sys.platform != "linux" or os.getpgrp() != os.getpid():
        return
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(lifeline, LINUX_F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)


def _report_crashes() -> None:
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1, file=CONTROL_FD, all_threads=False, chain=False)
    sys.meta_path.insert(0, _AfterPaddle())


class _AfterPaddle:
    """Paddle's own signal handlers replace faulthandler's: put those back as soon as Paddle is imported."""

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        if name != "paddle":
            return None
        sys.meta_path.remove(self)  # type: ignore[arg-type] (the list's type wants a loader's older methods)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_report(module: ModuleType) -> None:
                execute(module)
                faulthandler.disable()
                faulthandler.enable()

            spec.loader.exec_module = execute_and_report
        return spec


def _serve(interface: str) -> None:
    """Run pythonia's loop, after its folder and its patch of `json` are taken away again.

    It is not run as `__main__`, which `multiprocessing` children run again, nor as an import, which would look like
    one to `cancellation.py`.
    """
    unpatched = json.JSONEncoder.default
    sys.path.insert(0, str(Path(interface).parent))
    importlib.import_module("Bridge")
    sys.path.pop(0)
    json.JSONEncoder.default = unpatched
    os.environ["NODE_CHANNEL_FD"] = str(CHANNEL_FD)
    runpy.run_path(interface, run_name="pythonia_interface")


if __name__ == "__main__":
    main()
