"""Processes that are killed when they are about to touch a file."""

import os
import signal
import sys
import traceback

EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir")


def in_a_child(run, kill_at=None, under=None):
    """The status of a forked process, killed when it is about to touch files for the nth time."""
    child = os.fork()
    if child == 0:
        try:
            count = 0

            def watch(event, arguments):
                nonlocal count
                if event in EVENTS and str(arguments[0]).startswith(str(under)):
                    count += 1
                    if count == kill_at:
                        os.kill(os.getpid(), signal.SIGKILL)

            if kill_at is not None:
                sys.addaudithook(watch)
            run()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
