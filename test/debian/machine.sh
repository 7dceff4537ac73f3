# shellcheck shell=sh
# Sourced by the suites that make a Debian of their own, from the checkout's directory: a directory with
# a Debian in it, that has the network, the checkout and nothing else.

# skip REASON...: the suite can not run here; test-all.mjs counts it with its reason.
skip() {
  echo "$*"
  exit 77
}

debian_suite=bookworm

# debian_mirror: where this machine's own apt finds the suite.
debian_mirror() {
  {
    sed -n 's/^URIs: *\([^ ]*\).*/\1/p' /etc/apt/sources.list.d/*.sources
    sed -n 's/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\) .*/\2/p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list
  } 2>/dev/null | grep '/debian/*$' | head -n 1
}

# debian_make DIR LOG: the smallest Debian. Half a minute, so several suites of one run share it: the first
# leaves it as an archive in $ISLA_DEBIAN_ARCHIVE.
debian_make() {
  if [ -s "${ISLA_DEBIAN_ARCHIVE:-}" ]; then
    mkdir -p "$1"
    tar -C "$1" -xpf "$ISLA_DEBIAN_ARCHIVE"
  else
    debian_from=$(debian_mirror)
    [ -n "$debian_from" ] || skip "this machine's apt names no Debian mirror"
    debootstrap --variant=minbase "$debian_suite" "$1" "$debian_from" >"$2" 2>&1 || {
      tail -n 5 "$2"
      skip "the mirror does not give a $debian_suite"
    }
    if [ -n "${ISLA_DEBIAN_ARCHIVE:-}" ]; then
      tar -C "$1" -cf "$ISLA_DEBIAN_ARCHIVE.part" .
      mv "$ISLA_DEBIAN_ARCHIVE.part" "$ISLA_DEBIAN_ARCHIVE"
    fi
  fi
}

# debian_network DIR: the network as here: names, proxies, and certificates of those who stand between.
debian_network() {
  cp /etc/resolv.conf /etc/hosts "$1/etc/"
  cp -r /etc/apt/apt.conf.d/. "$1/etc/apt/apt.conf.d/"
  mkdir -p "$1/etc/ssl/certs"
  [ ! -e /etc/ssl/certs/ca-certificates.crt ] || cp -L /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/host.crt"
}

# debian_checkout DIR: a checkout as git makes one, with what is not committed yet.
debian_checkout() {
  mkdir -p "$1/root/isla"
  git ls-files -z --cached --others --exclude-standard |
    tar --null --files-from - --ignore-failed-read -cf - 2>/dev/null | tar -C "$1/root/isla" -xf -
}
