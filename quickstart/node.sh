# shellcheck shell=sh
# Sourced by the other scripts: puts a Node that is new enough first on PATH, if there is one. Where
# this machine's own is too old, that is the one in .node of the checkout; bin/admin looks there too.

# shellcheck disable=SC2034 # deps.sh tells it
node_min='20.12'

# node_fits NODE: whether this is a Node and new enough.
node_fits() {
  node_version=$("$1" --version 2>/dev/null) || return 1
  node_version=${node_version#v}
  node_major=${node_version%%.*}
  node_minor=${node_version#*.}
  node_minor=${node_minor%%.*}
  [ "$node_major" -gt 20 ] 2>/dev/null || { [ "$node_major" -eq 20 ] && [ "$node_minor" -ge 12 ]; } 2>/dev/null
}

# node_use: fails if there is none.
node_use() {
  if node_fits node; then return 0; fi
  for node_dir in "$PWD"/.node/node_modules/node-linux-*/bin; do
    if node_fits "$node_dir/node"; then
      # .bin holds the npm that was installed with it
      export PATH="$node_dir:$PWD/.node/node_modules/.bin:$PATH"
      return 0
    fi
  done
  return 1
}
