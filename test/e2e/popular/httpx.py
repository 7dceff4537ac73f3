# /// script
# dependencies = ["httpx"]
# ///
import httpx


async def application(_scope, _receive, send):
    await send({"type": "http.response.start", "status": 201, "headers": [(b"x-probe", b"1")]})
    await send({"type": "http.response.body", "body": b"made"})


async def ask():
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=application), base_url="http://probe") as client:
        answer = await client.get("/")
        return [answer.status_code, answer.text, answer.headers["x-probe"]]


def operate():
    import asyncio

    with httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(200, json={"url": str(request.url)}))) as client:
        return [asyncio.run(ask()), client.get("https://probe/a?b=c").json()]
