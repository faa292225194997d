#!/bin/sh
# Compares Kinora's matrix products with OpenBLAS and oneDNN from Debian's
# packages, which it installs where they are missing (as root or with sudo).
# Arguments go to the program, for example -limit 60s.
set -eu
cd "$(dirname "$0")"

need=""
for p in libopenblas-dev libdnnl-dev gcc; do
	dpkg -s "$p" >/dev/null 2>&1 || need="$need $p"
done
if [ -n "$need" ]; then
	as_root=""
	[ "$(id -u)" = 0 ] || as_root=sudo
	$as_root apt-get update -q
	# shellcheck disable=SC2086 # a list of packages
	$as_root apt-get install -y -q --no-install-recommends $need
fi

CGO_ENABLED=1 go build -o "${TMPDIR:-/tmp}/kinora-peers" .
exec "${TMPDIR:-/tmp}/kinora-peers" "$@"
