#!/bin/sh
# The end-to-end tests as somebody who is not root: in a copy of the checkout that is theirs, with their
# own id and no group, home or right of root's. All of them where each sandbox has an id of its own by
# newuidmap; those about ids, and a few more, where all have the one of the user. The user and the sub-ids
# exist in a mount namespace of the tests only.
#   test/rootless/rootless.sh FILE...   these only, and only with ids by newuidmap
# Exits with 77 where that cannot be had, the reason last.
set -eu
cd "$(dirname "$0")/../.."

name=isla-test
id=61234
sub_ids=1900000000:65536

skip() {
  echo "$*"
  exit 77
}
[ "$(id -u)" = 0 ] || skip "the tests above ran without root already"
command -v setpriv >/dev/null || skip "the rootless tests need setpriv of util-linux"

work=$(mktemp -d)
group="" part=""
clean_up() {
  rm -rf --one-file-system "$work"
  [ -z "$group" ] || find "$group" -depth -type d -exec rmdir {} +
}
trap clean_up EXIT
home=$work/home
mkdir -p "$home" "$work/etc"
chmod 755 "$work" "$work/etc"
# A checkout as git makes one, with what is not committed yet on top; or what somebody else has made of one.
if [ -e .git ]; then
  git clone -q --no-hardlinks . "$work/isla"
  git ls-files -z --cached --others --exclude-standard |
    tar --null --files-from - --ignore-failed-read -cf - 2>/dev/null | tar -C "$work/isla" -xf -
  cp -r node_modules "$work/isla/"
else
  cp -r . "$work/isla"
fi
chown -R $id:$id "$work/home" "$work/isla"
cd "$work/isla"

{ cat /etc/passwd && echo "$name:x:$id:$id::$home:/bin/sh"; } >"$work/etc/passwd"
{ cat /etc/group && echo "$name:x:$id:"; } >"$work/etc/group"
echo "$name:$sub_ids" | tee "$work/etc/subuid" >"$work/etc/subgid"

# hand_down: gives the user a part of the cgroup v2 tree, as systemd does; without one the tests do without.
hand_down() {
  top=$(awk '/ - cgroup2 / { print $5; exit }' /proc/self/mountinfo)
  [ -n "$top" ] && mkdir "$top/isla-rootless-$$" 2>/dev/null || return 0
  group=$top/isla-rootless-$$
  for controller in memory pids cpu; do
    if grep -qw $controller "$top/cgroup.controllers"; then echo "+$controller" >"$top/cgroup.subtree_control"; fi
  done
  part=$group
  chown $id:$id "$group" "$group/cgroup.procs" "$group/cgroup.subtree_control" "$group/cgroup.threads"
}

# as_user RIGHTS COMMAND...: RIGHTS is what setpriv takes; `""` for what any user has.
as_user() {
  rights=$1
  shift
  # shellcheck disable=SC2086,SC2016 # no rights are no argument; the shell inside expands the rest
  unshare --mount sh -ec '
    [ -z "$2" ] || echo $$ >"$2/cgroup.procs"
    for file in passwd group subuid subgid; do [ ! -e "/etc/$file" ] || mount --bind "$1/$file" "/etc/$file"; done
    shift 2
    exec "$@"' sh "$work/etc" "$part" \
    setpriv --reuid=$id --regid=$id --clear-groups --inh-caps=-all $rights \
    env HOME="$home" ISLA_TEST_CGROUP="$part" TMPDIR="$home" PATH="$work/isla/node_modules/.bin:$PATH" "$@"
}
as_user "" unshare --user true 2>/dev/null || skip "this machine gives an unprivileged user no user namespace"

selection=""
hand_down
if command -v newuidmap >/dev/null && [ -e /etc/subuid ] && [ -e /etc/subgid ]; then
  as_user "" env ISLA_TEST_IDS=sub-ids vitest run --project e2e --project rootless "$@"
  [ $# = 0 ] || exit 0
  selection="test/rootless test/e2e/lambdas.test.ts"
else
  [ $# = 0 ] || skip "newuidmap (package uidmap) is not installed"
  echo "rootless: newuidmap (package uidmap) is not installed: only with one id for all sandboxes"
fi
# In the group of whoever runs this, which is not the user's.
part=""
# Without these rights newuidmap, though set-user-id root, may write no map.
# shellcheck disable=SC2086 # names of files
as_user --bounding-set=-all env ISLA_TEST_IDS=one-id vitest run --project e2e --project rootless $selection
