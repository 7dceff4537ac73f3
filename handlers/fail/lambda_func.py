class OutOfCoffee(Exception):
    pass


def handler(event):
    # What is printed lands in the files stdout and stderr of the instance's directory on the host.
    print("about to fail")
    raise OutOfCoffee(event.get("reason", "no reason given"))
