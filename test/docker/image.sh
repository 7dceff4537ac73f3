#!/bin/sh
# usage: image.sh NAME: makes an image with this machine's own Python and the Node that runs the tests, for daemons that
# can pull none.
set -eu
name=$1
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
python=$(readlink -f /usr/bin/python3)
library=/usr/lib/$(basename "$python")
mkdir -p "$root/tmp" "$root/etc" "$root/usr/bin" "$root/usr/lib"
for link in bin lib lib64; do
  ln -s "usr/$link" "$root/$link"
  mkdir -p "$root/usr/$link"
done
cp -a "$library" "$root/usr/lib/"
rm -rf "$root$library"/test "$root$library"/idlelib "$root$library"/__pycache__
for program in "$python" /bin/sh /bin/sleep; do
  cp --dereference "$program" "$root/usr/bin/"
done
ln -s "$(basename "$python")" "$root/usr/bin/python3"
node=$(node -p process.execPath)
cp "$node" "$root/usr/bin/node"
{
  ldd "$python" "$node" /bin/sh /bin/sleep
  find "$library/lib-dynload" -name '*.so' -exec ldd {} +
  # What compiled packages expect of every machine.
  ldconfig -p | grep -E '[[:space:]](libgcc_s\.so\.1|libstdc\+\+\.so\.6|libz\.so\.1|lib(dl|pthread|rt|util)\.so\.[012]) '
} | grep -o '/[^ ]*\.so[^ ]*' | sort -u | while read -r file; do
  case $file in "$library"/*) continue ;; esac
  mkdir -p "$root$(dirname "$file")"
  cp --dereference --no-clobber "$file" "$root$file"
done
tar -C "$root" -c . | docker import - "$name"
