#!/bin/sh
# The suites of the sandbox in a virtual machine: Debian 12's kernel 6.1, with cgroup v2 alone and all
# controllers on it, whatever the machine around it has.
#   test/vm/vm.sh                    the selection below
#   test/vm/vm.sh --rootless         the rootless tests instead, with sub-ids and a part of the tree that has controllers
#   test/vm/vm.sh FILE... [OPTION]   what `vitest run` takes instead
#   test/vm/vm.sh --run COMMAND      a command of the shell instead, in /root/isla; `$vitest` runs tests
#
# Its disk is a Debian made from packages (docs/decisions/002) with this checkout, this machine's Node and
# without a network; its first process is test/vm/init.sh. It is emulated where there is no KVM, four
# to ten times slower. Exits with 77 where it cannot be had, the reason last.
set -eu
cd "$(dirname "$0")/../.."
. test/debian/machine.sh

seconds_max=2700
memory_mb=2048
disk=3G
# Slow tests are no wrong ones.
patience=8

[ "$(uname -m)" = x86_64 ] || skip "the virtual machine of the tests is one for x86_64"
[ "$(id -u)" = 0 ] || skip "the virtual machine of the tests is made by root only"
for tool in debootstrap qemu-system-x86_64 mke2fs; do
  command -v "$tool" >/dev/null || skip "the tests in a virtual machine need $tool"
done

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root

echo "vm: a Debian"
debian_make "$root" "$work/log"
debian_network "$root"
in_root() {
  chroot "$root" env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} "$@" >"$work/log" 2>&1 </dev/null
}
# shellcheck disable=SC2016 # the shell inside expands it
in_root sh -ec '
  apt-get -qq update
  apt-get -qq -y --no-install-recommends install python3 kmod curl ca-certificates uidmap
  touch /etc/subuid /etc/subgid
  # Not installed: a kernel that is handed to qemu needs no initrd, and making one takes longer than the tests of a file.
  cd /tmp && apt-get -qq download "$(apt-cache depends linux-image-cloud-amd64 | sed -n "s/.*Depends: //p")"
  dpkg-deb -x linux-image-*.deb /tmp/linux
  mv /tmp/linux/lib/modules /usr/lib/modules && mv /tmp/linux/boot/vmlinuz-* /boot/vmlinuz && rm -r /tmp/linux*
  depmod "$(ls /usr/lib/modules)"' || {
  tail -n 5 "$work/log"
  skip "the mirror does not give the packages of the virtual machine"
}

debian_checkout "$root"
node scripts/build.mjs
cp -r node_modules dist "$root/root/isla/"
cp -L "$(node -p process.execPath)" "$root/usr/local/bin/node"
in_root node --version || skip "this machine's Node does not run on a Debian 12: $(tail -n 1 "$work/log")"

# What rests on control groups (limits, memory that ran out, pausing, ends) or on what a kernel has: about half
# of the sandbox's tests. The others ask the same of every machine, and an emulated one takes its time; those of
# hostile-requests want answers within a second, which are not to be had there.
# Of the two fault sweeps, which fail at the same steps, that of Python will do: a Node takes seconds to start there.
without="every step: Node"
selection="cgroups limits engine crashes faults grown-zygote isolation seccomp hostile-abuse hostile-escapes hostile-machine hostile-memory kernel-fork-groups"
# On a disk: what is in /tmp there is memory. One file at a time, each of which starts workers.
rootless="TMPDIR=/var/tmp test/rootless/rootless.sh test/rootless --no-file-parallelism"

# shellcheck disable=SC2016 # the guest's shell expands it
vitest='node node_modules/.bin/vitest run --reporter=default --reporter=./scripts/count-reporter.mjs'
quoted() {
  for word in "$@"; do printf " '%s'" "$(printf %s "$word" | sed "s/'/'\\\\''/g")"; done
}
if [ "${1:-}" = --run ]; then
  echo "$2"
elif [ "${1:-}" = --rootless ]; then
  echo "$rootless"
elif [ $# -gt 0 ]; then
  echo "\$vitest$(quoted "$@")"
else
  echo "\$vitest$(for name in $selection; do printf ' test/sandbox/%s.test.ts' "$name"; done) --no-file-parallelism -t '^(?!.*$without)'"
fi >"$root/root/command"
cat >"$root/root/environment" <<ENVIRONMENT
export vitest='$vitest' ISLA_TEST_PATIENCE=$patience ISLA_TEST_COUNTS=/run/counts.json CI=1
ENVIRONMENT

mke2fs -qF -t ext4 -O ^has_journal -d "$root" "$work/disk" "$disk" 2>/dev/null

# The nested kind of KVM that runs only kernels made for it shows no such flag.
if [ -w /dev/kvm ] && grep -qE '^flags.* (vmx|svm) ' /proc/cpuinfo; then
  set -- -accel kvm -cpu host
else
  set -- -accel tcg,thread=multi -cpu max
fi
echo "vm: qemu $*"
timeout "$seconds_max" qemu-system-x86_64 -M q35 "$@" -smp 2 -m "$memory_mb" -nodefaults -no-user-config -display none -no-reboot \
  -chardev stdio,id=console,signal=off -serial chardev:console -serial "file:$work/told.raw" \
  -kernel "$root/boot/vmlinuz" -drive "file=$work/disk,if=none,id=disk,format=raw,cache=unsafe" -device nvme,drive=disk,serial=disk \
  -append "console=ttyS0 loglevel=1 panic=-1 cgroup_no_v1=all root=/dev/nvme0n1 rootfstype=ext4 rw init=/root/isla/test/vm/init.sh" </dev/null || {
  echo "vm: qemu ended with status $? (124: it took longer than $seconds_max s)"
  exit 1
}

# Neither is there if the machine went down before its time.
tr -d '\r' <"$work/told.raw" >"$work/told"
status=$(head -n 1 "$work/told")
[ -z "${ISLA_TEST_COUNTS:-}" ] || sed 1d "$work/told" >"$ISLA_TEST_COUNTS"
exit "${status:-1}"
