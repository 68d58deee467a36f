# SPDX-License-Identifier: MIT
"""The files of a group of workers: those of its sockets."""
import os
import socket
from tempfile import TemporaryDirectory

from group import group, lines, plugin
from tap import claim, equal, main


def is_served(path):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.sendall(b"x")
        return client.recv(64) != b""


@claim
def the_file_of_a_relative_path_is_removed_at_the_end():
    with TemporaryDirectory() as place:
        path = os.path.join(place, "socket")
        with group("-w", "2", plugin(), "unix:socket", cwd=place) as process:
            lines(process, 2)
            assert is_served(path)
            equal((process.stop()[0], os.listdir(place)), (0, []))
        with group("-w", "2", "-l", "unix:socket", f"{plugin()}:leaks", cwd=place) as process:
            lines(process, 2)
            assert os.path.exists(path)
            equal((process.stop()[0], os.listdir(place)), (0, []))


@claim
def the_file_is_removed_also_where_the_workers_have_gone_elsewhere():
    with TemporaryDirectory() as place:
        with group("-w", "2", f"{plugin()}:moves", place, "unix:./socket") as process:
            lines(process, 2)
            assert is_served(os.path.join(place, "socket"))
            equal((process.stop()[0], os.listdir(place)), (0, []))


@claim
def a_file_that_has_taken_the_place_of_the_sockets_stays():
    with TemporaryDirectory() as place:
        with group("-w", "2", plugin(), "unix:socket", cwd=place) as process:
            lines(process, 2)
            os.rename(os.path.join(place, "socket"), os.path.join(place, "other"))
            with open(os.path.join(place, "socket"), "w"):
                pass
            equal((process.stop()[0], sorted(os.listdir(place))), (0, ["other", "socket"]))


main()
