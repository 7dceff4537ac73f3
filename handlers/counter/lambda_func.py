# Runs once per instance; what it makes lives as long as the instance does. Other instances of the
# same lambda, and this one after a restart, count from zero again.
calls = 0


def handler(event):
    global calls
    calls += 1
    return {"calls": calls}
