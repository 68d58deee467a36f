# SPDX-License-Identifier: MIT
"""Sockets that a real systemd opens for the shipped service."""
import socket

from machine import (SERVICE, Load, drop_in, echoes, install, is_active, journal, listening, service,
                     show, stopped_well, systemctl, template)
from tap import claim, equal, main, run, until

RESTARTS, REQUESTS = 20, 5000


@claim
def a_socket_unit_starts_it_at_the_first_connection():
    unit = service("serve", "", "systemd:http unix:/run/arun-test.sock 0.0.0.0:8004")
    listening("arun@serve.socket",
              "ListenStream=127.0.0.1:8003\nFileDescriptorName=http\n"
              "Service=arun@serve.service\n")
    listening("second.socket", "ListenStream=/run/arun-test.sock\nFileDescriptorName=admin\n"
              f"Service={unit}\n")
    listening("third.socket", f"ListenStream=8004\nService={unit}\n")
    drop_in(unit, "[Service]\nSockets=arun@serve.socket second.socket third.socket\n")
    systemctl("daemon-reload")
    equal(show(unit, "ActiveState"), "inactive")
    assert echoes(("127.0.0.1", 8003))
    assert echoes("/run/arun-test.sock")
    assert echoes(("127.0.0.1", 8004))
    equal(show(unit, "ActiveState"), "active")
    user = run("ps", "-o", "uid=", "-p", show(unit, "MainPID")).stdout.strip()
    assert user not in ("", "0"), f"it runs as {user!r}"
    systemctl("stop", "arun@serve.socket", "second.socket", "third.socket")
    stopped_well(unit)
    equal(journal(unit).count("leak"), 0)


@claim
def a_datagram_starts_it():
    unit = service("answers", "", "systemd:dns")
    listening("arun@answers.socket", "ListenDatagram=127.0.0.1:8005\n"
              f"FileDescriptorName=dns\nService={unit}\n")
    assert echoes(("127.0.0.1", 8005), kind=socket.SOCK_DGRAM)
    until(lambda: is_active(unit), "it is ready, too")
    systemctl("stop", "arun@answers.socket")
    stopped_well(unit)


@claim
def a_connection_of_its_own_is_served_and_then_it_ends():
    one = SERVICE.replace("arun $ARUN_PLUGIN $ARUN_ARGS", "arun service:serve systemd:connection")
    template("one@.service", one)
    drop_in("one@.service", "[Service]\nStateDirectory=\nRuntimeDirectory=\n")
    listening("one.socket", "ListenStream=127.0.0.1:8006\nAccept=yes\n")
    for number in range(3):
        assert echoes(("127.0.0.1", 8006), f"connection {number}".encode())
    until(lambda: show("one.socket", "NConnections") == "0", "all have ended")
    failed = run("systemctl", "--failed", "--plain", "--no-legend").stdout
    assert "one@" not in failed, failed
    equal(show("one.socket", "NAccepted"), "3")
    systemctl("stop", "one.socket")


@claim
def restarts_behind_a_socket_unit_lose_no_connection():
    unit = service("plain", "", "systemd:http")
    drop_in(unit, "[Unit]\nStartLimitIntervalSec=0\n")
    listening("arun@plain.socket", "ListenStream=127.0.0.1:8007\n"
              f"FileDescriptorName=http\nService={unit}\n")
    with Load(("127.0.0.1", 8007)) as load:
        for _ in range(RESTARTS):
            load.goes_on(REQUESTS / RESTARTS)
            systemctl("restart", unit)
        load.goes_on(1)
    equal(load.lost, [])
    assert load.count() >= REQUESTS, load.count()
    systemctl("stop", "arun@plain.socket")
    stopped_well(unit)


install()
main()
