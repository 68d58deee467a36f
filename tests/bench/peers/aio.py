#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The same with asyncio, or on uvloop: aio.py asyncio|uvloop NAME [COUNT ROUNDS]

NAME: yield, spawn, batch, channel, idle; protocol and streams are echo servers that print their port.
"""
import asyncio
import sys
import time

BATCH = 1000


async def child():
    pass


async def yield_pair(count):
    async def yields():
        for _ in range(count):
            await asyncio.sleep(0)

    other = asyncio.ensure_future(yields())
    await yields()
    await other


async def spawn_join(count):
    for _ in range(count):
        await asyncio.create_task(child())


async def spawn_batch(count):
    for _ in range(0, count, BATCH):
        for task in [asyncio.create_task(child()) for _ in range(BATCH)]:
            await task


async def channel(count):
    there, back = asyncio.Queue(1), asyncio.Queue(1)

    async def answers():
        for _ in range(count):
            await back.put(await there.get())

    other = asyncio.create_task(answers())
    for item in range(count):
        await there.put(item)
        await back.get()
    await other


def memory():
    total = 0
    for path, key in ("smaps_rollup", "Rss:"), ("status", "VmPTE:"):
        with open(f"/proc/self/{path}") as file:
            total += sum(int(line.split()[1]) * 1024 for line in file if line.startswith(key))
    return total


def mappings():
    with open("/proc/self/maps") as file:
        return sum(1 for _ in file)


async def idle(count):
    never = asyncio.get_running_loop().create_future()

    async def waits():
        await never

    before, maps, start = memory(), mappings(), time.process_time_ns()
    tasks = [asyncio.create_task(waits()) for _ in range(count)]
    await asyncio.sleep(0)
    each = (time.process_time_ns() - start) / count
    print(round((memory() - before) / count, 1), mappings() - maps, round(each, 1), flush=True)
    never.set_result(None)
    for task in tasks:
        await task


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


async def protocol():
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0, backlog=4096)
    await serve(server)


async def streams():
    async def echo(reader, writer):
        while data := await reader.read(4096):
            writer.write(data)
            await writer.drain()
        writer.close()

    await serve(await asyncio.start_server(echo, "127.0.0.1", 0, backlog=4096))


async def serve(server):
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def measure(bench, count, rounds):
    await bench(count // 10 + BATCH)
    for _ in range(rounds):
        cpu, wall = time.process_time_ns(), time.perf_counter_ns()
        await bench(count)
        cpu, wall = time.process_time_ns() - cpu, time.perf_counter_ns() - wall
        print(f"{cpu / count:.3f} {wall / count:.3f}", flush=True)


BENCHES = {"yield": yield_pair, "spawn": spawn_join, "batch": spawn_batch, "channel": channel}
WHOLE = {"protocol": protocol, "streams": streams, "nothing": child}


def main():
    loop, name, *numbers = sys.argv[1:]
    if loop == "uvloop":
        import uvloop
        uvloop.install()
    count, rounds = [int(n) for n in numbers + ["1", "1"]][:2]
    if name in WHOLE:
        asyncio.run(WHOLE[name]())
    elif name == "idle":
        asyncio.run(idle(count))
    else:
        asyncio.run(measure(BENCHES[name], count, rounds))


main()
