#!/bin/sh
# From a fresh clone to an answering lambda: installs, builds, makes ./my-cluster, starts a worker,
# copies the hello lambda and calls it. Run again, it goes on from what is there.
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

usage() {
  cat <<USAGE
usage: ./quickstart/start.sh [--port PORT]

Makes ./my-cluster, starts a worker on PORT (8080, or \$PORT) and calls the hello lambda.
USAGE
}

say() { echo "start: $*"; }
die() {
  echo "start: $*" >&2
  exit 1
}
refuse() {
  echo "start: $*" >&2
  usage >&2
  exit 64
}

port=${PORT:-8080}
wished=${PORT:-}
while [ $# -gt 0 ]; do
  case "$1" in
    --port=* | -port=*) port=${1#*=} ;;
    --port | -port | -p)
      [ $# -ge 2 ] || refuse "$1 needs a port"
      port=$2
      shift
      ;;
    -h | -help | --help)
      usage
      exit 0
      ;;
    *) refuse "there is no '$1'" ;;
  esac
  wished=$port
  shift
done
case "$port" in
  '' | *[!0-9]* | ??????*) port_legal=no ;;
  *) [ "$port" -ge 1 ] && [ "$port" -le 65535 ] && port_legal=yes || port_legal=no ;;
esac
[ "$port_legal" = yes ] || refuse "the port must be a number from 1 to 65535, not '$port'"

cluster=my-cluster
# running_url: the address of a worker of this cluster that answers, or nothing.
running_url() {
  bin/admin status --cluster="$cluster" 2>/dev/null | sed -n 's#^ *\(http://[^ ]*\)/status => ready.*#\1#p' | head -n 1
}
# port_problem PORT: why nobody can listen there, as an error code, or nothing.
port_problem() {
  node -e 'net.createServer()
    .once("error", (error) => { console.log(error.code); process.exit(); })
    .listen(+process.argv[1], () => process.exit());' "$1"
}
require_port() {
  [ "$1" -lt 65535 ] && other=$(($1 + 1)) || other=8080
  case "$(port_problem "$1")" in
    '') ;;
    EADDRINUSE) die "port $1 is taken by another program. Choose another: ./quickstart/start.sh --port $other" ;;
    EACCES) die "port $1 is for root only. Choose one from 1024 on: ./quickstart/start.sh --port 8080" ;;
    *) die "nobody can listen on port $1 of this machine: $(port_problem "$1")" ;;
  esac
}

./quickstart/deps.sh
node_use
node scripts/build.mjs

[ -d "$cluster" ] || bin/admin new --cluster="$cluster"

url=$(running_url)
if [ -n "$url" ]; then
  say "a worker already runs at $url"
  if [ -n "$wished" ] && [ "$port" != "${url##*:}" ]; then
    say "port $port is not used; to change to it: bin/admin kill --cluster=$cluster && ./quickstart/start.sh --port $port"
  fi
else
  require_port "$port"
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
