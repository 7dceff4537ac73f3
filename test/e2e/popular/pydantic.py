# /// script
# dependencies = ["pydantic"]
# ///
import datetime

from pydantic import BaseModel, Field, ValidationError


class Order(BaseModel):
    number: int = Field(gt=0)
    placed: datetime.date
    lines: list[str] = []


def operate():
    order = Order.model_validate_json('{"number": "7", "placed": "2024-02-29", "lines": ["a"]}')
    try:
        Order(number=0, placed="never")
    except ValidationError as error:
        return [order.model_dump_json(), [one["type"] for one in error.errors()], Order.model_json_schema()["required"]]
