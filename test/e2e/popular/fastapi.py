# /// script
# dependencies = ["fastapi", "httpx"]
# ///
import fastapi
from fastapi.testclient import TestClient
from pydantic import BaseModel


class Item(BaseModel):
    name: str
    price: float


def operate():
    application = fastapi.FastAPI()

    @application.post("/items")
    async def add(item: Item) -> dict:
        return {"total": item.price * 2}

    client = TestClient(application)
    answers = [client.post("/items", json=body) for body in ({"name": "a", "price": 1.5}, {"name": "a"})]
    return [[one.status_code, one.json()] for one in answers]
