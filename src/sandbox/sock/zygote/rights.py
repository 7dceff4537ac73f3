"""What a zygote keeps, in its own user namespace: as much as forking sandboxes takes."""
from . import linux

KEPT = (linux.CAP_SETGID, linux.CAP_SETUID, linux.CAP_SETPCAP, linux.CAP_SYS_ADMIN)
