# /// script
# dependencies = ["aiohttp"]
# ///
import asyncio

import aiohttp
from aiohttp import web


async def talk():
    async def answer(request):
        return web.json_response({"name": request.match_info["name"], "body": await request.text()})

    application = web.Application()
    application.router.add_post("/{name}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    async with aiohttp.ClientSession() as session:
        async with session.post(f"http://127.0.0.1:{port}/ada", data="hello") as response:
            said = await response.json()
    await runner.cleanup()
    return said


def operate():
    return asyncio.run(talk())
