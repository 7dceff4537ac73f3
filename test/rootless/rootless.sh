#!/bin/sh
# Those of the end-to-end tests that depend on rights, as somebody who is not root: in a copy of the checkout
# that is theirs, with their own id and no group, home or right of root's. Once where each sandbox has an id of
# its own by newuidmap, and a few again where all have the one of the user. The user and the sub-ids exist in a
# mount namespace of the tests only.
#   test/rootless/rootless.sh FILE...   these only, and only with ids by newuidmap
#   test/rootless/rootless.sh --all     all end-to-end tests, in the same way
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

# What another user does differently: who owns files (code, scratch, packages, secrets, a base), which namespaces,
# mounts and limits a sandbox has (lambdas, limits, memory, metrics, node, isolation, loaders, paused, sessions), who may end
# and remove what is left (crash), what is forked and built in namespaces of the user's (zygotes, packages*,
# pythons), and whose services systemd starts. HTTP, queue, registry, console and command line ask nobody for rights:
# the worker that serves them is the same.
e2e="base crash fresh-code isolation lambdas limits loaders memory metrics node packages packages-build
  packages-build-ends paused pythons quickstart secrets sessions systemd zygotes"
# Without sub-ids there are fewer walls to tell apart.
e2e_one_id="lambdas sessions"
# files_of NAME...: the files of these end-to-end tests.
files_of() {
  for name in "$@"; do printf 'test/e2e/%s.test.ts ' "$name"; done
}

work=$(mktemp -d)
group="" part=""
# Of the tests, who may write nowhere else.
counts=$work/home/counts
clean_up() {
  [ -z "${ISLA_TEST_COUNTS:-}" ] || [ ! -e "$counts" ] || cat "$counts" >"$ISLA_TEST_COUNTS"
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
    env HOME="$home" ISLA_TEST_CGROUP="$part" ISLA_TEST_COUNTS="$counts" TMPDIR="$home" \
    PATH="$work/isla/node_modules/.bin:$PATH" "$@"
}
# run RIGHTS IDS FILE...
run() {
  rights=$1 ids=$2
  shift 2
  as_user "$rights" env ISLA_TEST_IDS="$ids" vitest run --project e2e --project rootless \
    --reporter=default --reporter=./scripts/count-reporter.mjs "$@" || status=1
}
as_user "" unshare --user true 2>/dev/null || skip "this machine gives an unprivileged user no user namespace"

status=0
hand_down
if command -v newuidmap >/dev/null && [ -e /etc/subuid ] && [ -e /etc/subgid ]; then
  case "${1:-}" in
    '')
      # shellcheck disable=SC2046,SC2086 # names of files
      run "" sub-ids test/rootless $(files_of $e2e)
      ;;
    --all) run "" sub-ids test/rootless test/e2e ;;
    *) run "" sub-ids "$@" ;;
  esac
  [ $# = 0 ] || exit $status
else
  [ $# = 0 ] || skip "newuidmap (package uidmap) is not installed"
  echo "rootless: newuidmap (package uidmap) is not installed: only with one id for all sandboxes"
fi
# In the group of whoever runs this, which is not the user's.
part=""
# Without these rights newuidmap, though set-user-id root, may write no map.
# shellcheck disable=SC2046,SC2086 # names of files
run --bounding-set=-all one-id test/rootless/ids.test.ts $(files_of $e2e_one_id)
[ $status = 0 ]
