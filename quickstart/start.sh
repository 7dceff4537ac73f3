#!/bin/sh
# From a fresh clone to an answering lambda: installs, builds, makes ./my-cluster, starts a worker,
# copies the hello lambda and calls it. Run again, it goes on from what is there.
set -eu
cd "$(dirname "$0")/.."
. quickstart/node.sh

usage() {
  cat <<USAGE
usage: ./quickstart/start.sh [--port PORT]

Makes ./my-cluster, starts a worker on PORT (8080, or \$PORT) and calls the hello lambda.
USAGE
}

port=${PORT:-8080}
while [ $# -gt 0 ]; do
  case "$1" in
    --port=* | -port=*) port=${1#*=} ;;
    --port | -port | -p)
      shift
      port=${1:-}
      ;;
    -h | -help | --help)
      usage
      exit 0
      ;;
    *)
      usage >&2
      exit 64
      ;;
  esac
  shift
done
case "$port" in
  '' | *[!0-9]*)
    echo "start: the port must be a number, not '$port'" >&2
    exit 64
    ;;
esac

cluster=my-cluster
say() { echo "start: $*"; }
die() {
  echo "start: $*" >&2
  exit 1
}
# running_url: the address of a worker of this cluster that answers, or nothing.
running_url() {
  bin/admin status --cluster="$cluster" 2>/dev/null | sed -n 's#^ *\(http://[^ ]*\)/status => ready.*#\1#p' | head -n 1
}
port_is_free() {
  node -e 'net.createServer().once("error", () => process.exit(1)).listen(+process.argv[1], () => process.exit(0))' "$1"
}

./quickstart/deps.sh
node_use
node scripts/build.mjs

[ -d "$cluster" ] || bin/admin new --cluster="$cluster"

url=$(running_url)
if [ -n "$url" ]; then
  say "a worker already runs at $url"
else
  port_is_free "$port" || die "port $port is taken by another program. Choose another: ./quickstart/start.sh --port $((port + 1))"
  bin/admin workers --cluster="$cluster" --port="$port"
  url=$(running_url)
  [ -n "$url" ] || die "the worker does not answer; its log is $cluster/logs/worker-0.out"
fi

# A copy that is there already may have been changed by its owner.
[ -d "$cluster/registry/hello" ] || cp -r quickstart/handlers/hello "$cluster/registry/hello"

# curl takes a proxy from the environment; a worker on this machine is never behind one.
answer=$(curl --silent --show-error --noproxy '*' --max-time 30 -X POST "$url/runLambda/hello" -d '{"name": "Alice"}')

short=${url#http://}
cat <<DONE

  \$ curl -X POST $short/runLambda/hello -d '{"name": "Alice"}'
$answer

To go on:
  mkdir $cluster/registry/shout
  printf 'def handler(event):\n    return event["word"].upper()\n' > $cluster/registry/shout/lambda_func.py
  curl -X POST $short/runLambda/shout -d '{"word": "quiet"}'

  bin/admin status --cluster=$cluster    what runs
  bin/admin doctor                       what this machine can and cannot do
  cat $cluster/logs/worker-0.out         the worker's log

To stop:
  bin/admin kill --cluster=$cluster
  rm -r $cluster
DONE

case "$answer" in
  '"Hello, '*) ;;
  *) die "that is not the answer that the hello lambda of the quickstart gives" ;;
esac
