def handler(event):
    return f"Hello, {event['name']}!"
