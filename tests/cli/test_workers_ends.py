# SPDX-License-Identifier: MIT
"""What joins workers and their parent ends with either."""
import os
import signal

from group import group, lines, plugin, workers
from tap import claim, equal, main


def sockets(process):
    folder = f"/proc/{process}/fd"
    links = [os.readlink(os.path.join(folder, fd)) for fd in os.listdir(folder)]
    return {link for link in links if link.startswith("socket:")}


@claim
def a_worker_has_none_of_its_parents_sockets_but_what_it_serves():
    with group("-w", "3", plugin(), "tcp:127.0.0.1:0") as process:
        lines(process, 3)
        for worker in workers(process):
            equal(len(sockets(worker) & sockets(process.pid)), 1, worker)
        equal(process.stop()[0], 0)


@claim
def a_worker_that_cannot_even_be_told_to_end_is_killed_and_that_is_said():
    with group("--grace=0.1", "-w", "2", plugin(), "tcp:127.0.0.1:0") as process:
        lines(process, 2)
        stopped = min(workers(process))
        os.kill(stopped, signal.SIGSTOP)
        status, _, errors = process.stop()
        equal((status, errors.splitlines()),
              (-signal.SIGKILL, [f"arun: worker {stopped} has not ended in time: it is killed"]))


main()
