#!/bin/sh
# The first promise of the README on a machine that has nothing: a Debian made from its packages, in
# which ./quickstart/start.sh must end with the answer of the hello lambda.
#
# The machine is a chroot in a mount namespace of its own, so that no mount of it outlives this
# script; packages come from where this machine's own come from. Exits with 77 where it cannot be
# made, with the reason as its last line.
set -eu
cd "$(dirname "$0")/../.."
. test/debian/machine.sh

port=18080
[ "$(id -u)" = 0 ] || skip "the fresh machine test needs root"
command -v debootstrap >/dev/null || skip "the fresh machine test needs debootstrap"
unshare -m true 2>/dev/null || skip "this machine allows no mount namespace"

if [ "${1:-}" != --inside ]; then
  work=$(mktemp -d)
  trap 'rm -rf --one-file-system "$work"' EXIT
  # A pid namespace too: whatever the test starts ends with it.
  unshare --mount --pid --fork --kill-child --propagation private "$0" --inside "$work"
  exit
fi

machine=$2/machine

echo "fresh: debootstrap $debian_suite"
debian_make "$machine" "$2/debootstrap.log"
debian_network "$machine"
for file in /etc/npmrc /usr/etc/npmrc "$HOME/.npmrc"; do
  # Only what says where and through what: a file of the host's may hold more than that.
  [ ! -e "$file" ] || sed -n '/^\(registry\|proxy\|https-proxy\|noproxy\)[ =]/p' "$file" >>"$machine/root/.npmrc"
done

debian_checkout "$machine"

mount --bind "$machine" "$machine"
mount -t proc proc "$machine/proc"
mount --rbind /sys "$machine/sys"
mount --rbind /dev "$machine/dev"
certificates=${NODE_EXTRA_CA_CERTS:+/etc/ssl/certs/host.crt}

# Not chroot: the kernel gives no user namespace to a process whose root is not its namespace's.
cd "$machine"
mkdir old
pivot_root . old
cd /root/isla
umount -l /old

inside() {
  env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 PORT=$port \
    ${certificates:+NODE_EXTRA_CA_CERTS="$certificates"} \
    ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} "$@"
}
fail() {
  echo "fresh: $*"
  exit 1
}
seconds_since() {
  echo "$(($(date +%s) - $1)) s"
}

for name in node npm python3 curl; do
  ! command -v "$name" >/dev/null || fail "the fresh machine has a $name"
done

echo "fresh: ./quickstart/start.sh from zero"
started=$(date +%s)
inside ./quickstart/start.sh >/tmp/first.log 2>&1 || {
  cat /tmp/first.log
  fail "start.sh failed"
}
cat /tmp/first.log
grep -q '^"Hello, Alice!"$' /tmp/first.log || fail "no answer"
echo "fresh: from zero: $(seconds_since "$started")"

echo "fresh: again, without a network"
started=$(date +%s)
inside bin/admin kill --cluster=my-cluster
cat >/tmp/lo-up.py <<'PYTHON'
import fcntl, socket, struct
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
fcntl.ioctl(socket.socket(), SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))
PYTHON
# shellcheck disable=SC2016 # the inner shell expands it
inside unshare --net sh -c 'python3 /tmp/lo-up.py && ./quickstart/start.sh; status=$?; bin/admin kill --cluster=my-cluster; exit $status' \
  >/tmp/second.log 2>&1 || {
  cat /tmp/second.log
  fail "start.sh without a network failed"
}
grep -q '^"Hello, Alice!"$' /tmp/second.log || fail "no answer without a network"
if grep -q 'apt-get\|deps: npm [ir]' /tmp/second.log; then
  cat /tmp/second.log
  fail "the second run installed something"
fi
echo "fresh: again: $(seconds_since "$started")"

rm -r my-cluster
echo "fresh: a fresh machine answers"
