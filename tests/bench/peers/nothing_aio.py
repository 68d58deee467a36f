# SPDX-License-Identifier: MIT
import asyncio
import os


async def main():
    os.write(1, b"x")


asyncio.run(main())
