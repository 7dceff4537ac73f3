"""What a server serves once, before it is given anybody's code, so that the way of a call has been walked."""


def handler(event: object) -> dict:
    return {"event": event, "text": f"{1}"}
