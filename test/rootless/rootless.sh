#!/bin/sh
# The end-to-end tests as somebody who is not root: in a copy of the checkout that is theirs, with their
# own id and no group, home or right of root's. Exits with 77 where that cannot be had, the reason last.
set -eu
cd "$(dirname "$0")/../.."

id=61234

skip() {
  echo "$*"
  exit 77
}
[ "$(id -u)" = 0 ] || skip "the tests above ran without root already"
command -v setpriv >/dev/null || skip "the rootless tests need setpriv of util-linux"
as_user() {
  setpriv --reuid=$id --regid=$id --clear-groups --inh-caps=-all --bounding-set=-all env HOME="$home" TMPDIR="$home" "$@"
}

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
home=$work/home
mkdir -p "$home"
chmod 755 "$work"
# A checkout as git makes one, with what is not committed yet on top.
git clone -q --no-hardlinks . "$work/isla"
git ls-files -z --cached --others --exclude-standard |
  tar --null --files-from - --ignore-failed-read -cf - 2>/dev/null | tar -C "$work/isla" -xf -
cp -r node_modules "$work/isla/"
chown -R $id:$id "$work"

cd "$work/isla"
as_user unshare --user true 2>/dev/null || skip "this machine gives an unprivileged user no user namespace"
as_user PATH="$work/isla/node_modules/.bin:$PATH" vitest run --project e2e
