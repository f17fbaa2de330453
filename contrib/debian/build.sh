#!/bin/sh
# Builds the Debian package with Debian's tools in a copy of the tree, and puts it into dist: what `make deb` runs.
set -eu
umask 022
export PATH=/usr/sbin:/usr/bin:/sbin:/bin # Debian's Python, whatever else there is
tree=$(cd "$(dirname "$0")/../.." && pwd -P)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

command -v dpkg-buildpackage >/dev/null || {
    echo "dpkg-buildpackage is missing: apt install build-essential, then make deb names what else it needs" >&2
    exit 1
}
mkdir -p "$work/tcptide" "$tree/dist"
cd "$tree"
cp -R setup.cfg pyproject.toml README.md CHANGELOG.md LICENSE tcptide checks reporter templates docs contrib "$work/tcptide"
cd "$work/tcptide"
find . -name __pycache__ -prune -exec rm -rf {} +
mv contrib/debian debian
dpkg-checkbuilddeps 2>"$work/log" || {
    sed 's/.*: error: \(U.*\): /\1, to be installed with apt: /' "$work/log" >&2
    exit 1
}
dpkg-buildpackage --build=binary --no-sign >"$work/log" 2>&1 || {
    tail -n 20 "$work/log" >&2
    exit 1
}
for package in "$work"/*.deb; do
    cp "$package" "$tree/dist"
    echo "dist/${package##*/}"
done
