# /// script
# dependencies = ["attrs"]
# ///
import attrs


@attrs.define(order=True)
class Point:
    x: int = attrs.field(converter=int, validator=attrs.validators.ge(0))
    y: int = 0


def operate():
    try:
        Point(-1)
    except ValueError as error:
        return [attrs.asdict(Point("3")), str(attrs.evolve(Point(1), y=2)), Point(1) < Point(2), type(error).__name__]
