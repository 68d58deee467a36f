#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Sockets that a plugin gets and did not open: from a service manager, or by --listen."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess

from service import Manager, Service, path, plugin
from tap import ARUN, Skip, claim, contains, equal, environment, main, until

LOOPBACK = "127.0.0.1"


def tcp(address=(LOOPBACK, 0), family=socket.AF_INET, **options):
    return socket.create_server(address, family=family, **options)


def unix(name):
    server = socket.socket(socket.AF_UNIX)
    pathlib.Path(path(name)).unlink(missing_ok=True)
    server.bind(path(name))
    server.listen()
    return server


def echoes(address, word=b"word"):
    """Whether a server answers there."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as client:
        client.settimeout(60)
        client.connect(address)
        client.sendall(word)
        return client.recv(100) == word


def text(address):
    return f"{address[0]}:{address[1]}"


def stop(service):
    return service.signal(signal.SIGTERM).end()


def untaken(socket):
    """What is said of one that the server, once it is ready, does not listen at."""
    return f"arun: nothing listens at the socket {socket} that was passed: its clients wait\n"


def fails(service, *parts):
    status, _, errors = service.end()
    equal(status, 1, errors)
    for part in parts:
        contains(errors, part)


@claim
def a_passed_socket_is_found_by_its_name():
    with tcp() as http, unix("admin") as admin:
        service = Service("serve", "systemd:admin", "systemd:http", sockets=[http, admin],
                          names=["http", "admin"])
        equal(service.line(), "unix:" + path("admin"))
        equal(service.line(), text(http.getsockname()))
        assert echoes(http.getsockname()) and echoes(path("admin"))
        equal(stop(service), (0, "", ""))
    assert os.path.exists(path("admin")), "the file of an inherited socket is not ours"


@claim
def a_passed_socket_is_found_by_its_address():
    with tcp() as http, unix("same") as admin:
        address = http.getsockname()
        service = Service("serve", "unix:" + path("same"), "tcp:" + text(address),
                          sockets=[http, admin])
        equal((service.line(), service.line()), ("unix:" + path("same"), text(address)))
        assert echoes(address) and echoes(path("same"))
        equal(stop(service), (0, "", ""))
    assert os.path.exists(path("same"))


@claim
def several_of_one_name_are_handed_out_in_their_order():
    with tcp() as first, tcp() as second:
        service = Service("serve", "systemd:http", "systemd:http", sockets=[first, second],
                          names=["http", "http"])
        equal((service.line(), service.line()),
              (text(first.getsockname()), text(second.getsockname())))
        equal(stop(service), (0, "", ""))
        service = Service("serve", "systemd:http", "systemd:http", sockets=[first],
                          names=["http"])
        service.line()
        fails(service, "systemd:http: it is in use already")


@claim
def a_socket_at_all_addresses_of_both_kinds_is_that_of_ipv4_too():
    if not socket.has_dualstack_ipv6():
        raise Skip("no IPv6 on this machine")
    with tcp(("::", 0), socket.AF_INET6, dualstack_ipv6=True) as http:
        port = http.getsockname()[1]
        service = Service("serve", f"0.0.0.0:{port}", sockets=[http])
        equal(service.line(), f"[::]:{port}")
        assert echoes((LOOPBACK, port))
        equal(stop(service), (0, "", ""))
        # Not one that was to be reached from this machine alone.
        fails(Service("serve", f"{LOOPBACK}:{port}", sockets=[http]), "Address already in use")


@claim
def a_name_that_was_not_passed_is_an_error_that_lists_those_that_were():
    with tcp() as http, tcp() as other:
        fails(Service("serve", "systemd:htpp", sockets=[http, other], names=["http", ""]),
              "listen systemd:htpp: no such socket was passed; there are: http, one unnamed")
    fails(Service("serve", "systemd:http"), "no such socket was passed\n")
    fails(Service("serve", "systemd:"), "no name of a socket")


@claim
def what_is_of_another_type_is_no_server():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
        datagram.bind((LOOPBACK, 0))
        fails(Service("serve", "systemd:x", sockets=[datagram], names=["x"]),
              "of another type")


@claim
def sockets_of_another_process_are_not_taken():
    with tcp() as http:
        fails(Service("serve", "systemd:http", sockets=[http], names=["http"],
                      env={"LISTEN_PID": "1"}), "no such socket was passed")


@claim
def a_count_that_is_not_true_does_no_harm():
    for count in ("-1", "0", "x", "", "1x", "99999999999999999999", "65537", "1000"):
        service = Service("sleeps", "0", env={"LISTEN_FDS": count, "LISTEN_FDNAMES": "a:b:c"})
        script = f'export LISTEN_PID=$$; exec "{ARUN}" "{plugin("sleeps")}" 0'
        equal(service.end(), (0, "", ""), count)
        done = subprocess.run(["sh", "-c", script], stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, timeout=60,
                              env=environment(LISTEN_FDS=count, LISTEN_FDNAMES="a:b"))
        equal((done.returncode, done.stderr), (0, ""), count)


@claim
def a_datagram_socket_is_found_by_name_and_by_address():
    def answers(address, word):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(60)
            client.sendto(word, address)
            return client.recvfrom(100) == (word, address)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as dns:
        dns.bind((LOOPBACK, 0))
        address = dns.getsockname()
        for endpoint in ("systemd:dns", "udp:" + text(address)):
            service = Service("answers", endpoint, sockets=[dns], names=["dns"])
            equal(service.line(), text(address))
            assert answers(address, b"one") and answers(address, b"two")
            equal(stop(service), (0, "", ""))
    service = Service("answers", "systemd:dns", options=["-l", f"dns=udp:{LOOPBACK}:0"])
    host, port = service.line().rsplit(":", 1)
    assert answers((host, int(port)), b"three")
    equal(stop(service), (0, "", ""))
    with tcp() as http:
        fails(Service("answers", "systemd:http", sockets=[http], names=["http"]),
              "of another type")


@claim
def one_that_nobody_takes_is_told_of_and_no_leak():
    with tcp() as http:
        service = Service("serve", sockets=[http], names=["http"], options=["--leaks=error"])
        service.signal(signal.SIGCONT)
        manager = Manager()
        service.process.kill()
        service.process.wait()
        service = Service("serve", sockets=[http], names=["http"], manager=manager,
                          options=["--leaks=error"])
        manager.waits_for("READY=1")
        equal(stop(service), (0, "", untaken(f'"http" at {text(http.getsockname())}')))


@claim
def one_connection_is_served_once_and_ends_the_run():
    with tcp() as http:
        for endpoint in ("systemd:connection", f"0.0.0.0:{http.getsockname()[1]}",
                         text(http.getsockname())):
            with socket.create_connection(http.getsockname(), timeout=60) as client:
                accepted, _ = http.accept()
                service = Service("serve", endpoint, sockets=[accepted], names=["connection"])
                accepted.close()
                client.sendall(b"one")
                equal(client.recv(10), b"one")
                equal(service.line(), text(http.getsockname()))
                client.shutdown(socket.SHUT_WR)
                equal(client.recv(10), b"")
                equal(service.end(), (0, "", ""))


@claim
def one_connection_can_be_accepted_by_hand():
    ours, theirs = socket.socketpair()
    with ours:
        service = Service("accepts", "systemd:connection", sockets=[theirs],
                          names=["connection"])
        theirs.close()
        equal(ours.recv(100), b"hello")
        equal(service.end(), (0, "the run ends: ESHUTDOWN\n", ""))


@claim
def one_connection_is_shut_down_by_a_stop():
    ours, theirs = socket.socketpair()
    with ours:
        service = Service("serve", "systemd:connection", sockets=[theirs], names=["connection"],
                          options=["--grace=1"])
        theirs.close()
        ours.sendall(b"x")
        equal(ours.recv(10), b"x")
        service.signal(signal.SIGTERM)
        equal(ours.recv(10), b"")
        ours.close()
        equal(service.end(), (0, "\n", ""))


@claim
def what_is_listened_at_is_found_by_name_and_by_address():
    service = Service("serve", "systemd:http", "unix:" + path("listened"),
                      options=["-l", f"http={LOOPBACK}:0", "-l", "unix:" + path("listened")])
    host, port = service.line().rsplit(":", 1)
    equal((host, service.line()), (LOOPBACK, "unix:" + path("listened")))
    assert echoes((host, int(port))) and echoes(path("listened"))
    equal(stop(service), (0, "", ""))
    assert not os.path.exists(path("listened")), "the file was ours"


@claim
def the_variable_lists_several():
    env = {"ARUN_LISTEN": f"a={LOOPBACK}:0 b=unix:{path('b')}"}
    service = Service("serve", "systemd:b", "systemd:a", env=env)
    equal(service.line(), "unix:" + path("b"))
    contains(service.line(), LOOPBACK + ":")
    equal(stop(service), (0, "", ""))


@claim
def what_is_listened_at_and_nobody_takes_is_removed():
    manager = Manager()
    service = Service("serve", manager=manager,
                      options=["--leaks=error", "-l", "unix:" + path("unclaimed")])
    manager.waits_for("READY=1")
    assert os.path.exists(path("unclaimed"))
    equal(stop(service), (0, "", untaken("at unix:" + path("unclaimed"))))
    assert not os.path.exists(path("unclaimed"))


@claim
def a_host_is_looked_up():
    service = Service("serve", "systemd:http", options=["--listen=http=localhost:0"])
    contains(service.line(), ":")
    equal(stop(service), (0, "", ""))


@claim
def an_address_that_cannot_be_listened_at_is_one_line_and_125():
    with tcp() as taken:
        busy = text(taken.getsockname())
        for address, why in ((busy, f"listen {busy}: Address already in use"),
                             ("x=" + busy, f"listen {busy}: Address already in use"),
                             (LOOPBACK, f"listen {LOOPBACK}: no endpoint"),
                             (f"{LOOPBACK}:99999", "the port is not a number"),
                             ("udp:" + LOOPBACK, "no port"),
                             ("udp:unix:/x", "not like udp:HOST:PORT"),
                             ("systemd:x", "not an address to open"),
                             ("unix:/no/such/folder/x", "No such file or directory"),
                             ("fd:99", "Bad file descriptor"),
                             ("y=", "no endpoint"),
                             ("127.0.0.1:no-such-service", ": no such service"),
                             ("no-such-host.invalid:80", "no-such-host.invalid:80: ")):
            status, out, errors = Service("serve", options=["-l", address]).end()
            equal((status, out, errors.count("\n")), (125, "", 1), errors)
            contains(errors, why)
            assert errors.startswith("arun: --listen: "), errors


@claim
def an_address_of_the_environment_is_told_with_its_variable():
    with tcp() as taken:
        busy = text(taken.getsockname())
        status, _, errors = Service("serve", env={"ARUN_LISTEN": f"a={LOOPBACK}:0 {busy}"}).end()
        equal((status, errors),
              (125, f"arun: $ARUN_LISTEN: listen {busy}: Address already in use\n"))


@claim
def systemds_own_launcher_passes_sockets():
    launcher = shutil.which("systemd-socket-activate")
    if not launcher:
        raise Skip("systemd-socket-activate is not installed")
    with tcp() as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [launcher, "-l", f"{LOOPBACK}:{port}", "--fdname=http", ARUN, plugin("serve"),
         "systemd:http"], env=environment(), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def answers():
        try:
            return echoes((LOOPBACK, port))
        except ConnectionRefusedError:
            return False

    try:
        until(answers, "it listens")
        assert echoes((LOOPBACK, port))
        process.terminate()
        out, errors = process.communicate(timeout=60)
        equal((process.returncode, out), (0, f"{LOOPBACK}:{port}\n"), errors)
    finally:
        process.kill()
        process.wait()

@claim
def children_neither_speak_for_it_nor_hold_its_sockets():
    manager = Manager()
    with socket.create_server(("127.0.0.1", 0)) as passed:
        service = Service("children", manager=manager, sockets=[passed], names=["http"],
                          env={"WATCHDOG_USEC": "1000000"})
        equal(service.end(), (0, "0 1 2 3 \n", ""))


@claim
def what_is_stored_goes_to_the_manager_and_comes_back():
    manager = Manager()
    service = Service("counts", manager=manager)
    manager.waits_for("STATUS=start 1")
    contains(manager.messages(), "FDSTORE=1\nFDPOLL=0\nFDNAME=count")
    kept, = manager.stored
    stop(service)
    for start in (2, 3):
        manager = Manager()
        service = Service("counts", manager=manager, sockets=[kept], names=["count"])
        manager.waits_for(f"STATUS=start {start}")
        equal(stop(service), (0, "", ""))


main()
