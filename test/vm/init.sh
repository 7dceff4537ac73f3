#!/bin/bash
# The first process of the virtual machine, and its only one but what it runs: /root/command, in the root
# of a cgroup v2 with all controllers. Writes to the second serial line what the command ended with and what
# its tests counted, then turns the machine off.
set -eu
# shellcheck source=/dev/null
. /root/environment
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
for dir in /dev/shm /run /tmp; do mount -t tmpfs -o mode=1777 tmpfs "$dir"; done
mount -t cgroup2 cgroup2 /sys/fs/cgroup
modprobe loop
hostname vm
python3 -c 'import fcntl, socket, struct
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
fcntl.ioctl(socket.socket(), SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))'
ulimit -n 16384

echo "vm: Linux $(uname -r), cgroup v2: $(cat /sys/fs/cgroup/cgroup.controllers)"
cd /root/isla
# A pipe, because vitest draws over what it wrote where it finds a terminal.
{ sh -c '. /root/command' && echo 0 >/run/status || echo $? >/run/status; } 2>&1 | cat
cat /run/status "$ISLA_TEST_COUNTS" >/dev/ttyS1 || true
echo o >/proc/sysrq-trigger
# It is off before this returns: a first process that ends is a panic.
sleep 60
