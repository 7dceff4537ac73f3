#!/bin/sh
# Installs what the tests need and runs all of them. The last line is their sum.
#   ./quickstart/test.sh [SUITE...]   only these; ./quickstart/test.sh --list names them
set -eu
# Called through a link, the checkout is where the link leads.
self=$0
case $self in */*) ;; *) self=./$self ;; esac
while [ -L "$self" ]; do
  link=$(readlink "$self")
  case $link in /*) self=$link ;; *) self=${self%/*}/$link ;; esac
done
cd -P "${self%/*}/.."
. quickstart/node.sh

case " $* " in
  *' --help '* | *' -help '* | *' -h '*)
    cat <<USAGE
usage: ./quickstart/test.sh [SUITE...]

Installs what the tests need and runs all of them, or these; the last line is their sum.
./quickstart/test.sh --list names the suites.
USAGE
    exit 0
    ;;
esac

# A machine that cannot be prepared has failed the tests; the sum line is owed all the same.
if ! ./quickstart/deps.sh --tests || ! node_use; then
  echo "0 passed, 1 failed, 0 skipped"
  exit 1
fi
exec node scripts/test-all.mjs "$@"
