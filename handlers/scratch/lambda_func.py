import os

# /host is the instance's own directory. On the host it is
# <cluster>/workers/worker-0/handlers/scratch/<instance>.
SCRATCH = "/host"


def handler(event):
    name = os.path.basename(event["name"])
    with open(os.path.join(SCRATCH, name), "w") as file:
        file.write(event["text"])
    return {"files": sorted(os.listdir(SCRATCH))}
