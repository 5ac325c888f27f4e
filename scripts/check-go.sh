#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Checks that there is a Go that can build camring; if not, prints the one command that mends it.
# Debian 12's own is 1.19.

set -eu

want_minor=26
install=1.26.8

case $(uname -m) in
x86_64) arch=amd64 ;;
aarch64) arch=arm64 ;;
*)
    echo "check-go: camring runs on amd64 and arm64, not on $(uname -m)" >&2
    exit 1
    ;;
esac

# new_enough GO: whether that program is Go 1.26 or later, or fetches one for this module by itself.
new_enough() {
    found=$(cd "$(dirname "$0")/.." && "$1" env GOVERSION 2>/dev/null) || found=
    minor=${found#go1.}
    minor=${minor%%[!0-9]*}
    [ "${found#go1.}" != "$found" ] && [ -n "$minor" ] && [ "$minor" -ge "$want_minor" ]
}

found=
if command -v go >/dev/null && new_enough go; then
    exit 0
fi
have="there is no go in PATH"
if command -v go >/dev/null; then
    have="$(command -v go) is ${found:-$(go version 2>/dev/null | cut -d' ' -f3)}"
fi
echo "check-go: camring needs Go 1.$want_minor or later; $have. To mend it, run:" >&2
echo >&2
if [ -x /usr/local/go/bin/go ] && new_enough /usr/local/go/bin/go; then
    # shellcheck disable=SC2016 # to be typed, not expanded
    echo '    export PATH=/usr/local/go/bin:$PATH' >&2
    echo >&2
    exit 1
fi

sudo="sudo "
[ "$(id -u)" = 0 ] && sudo=
before=
if command -v curl >/dev/null; then
    fetch="curl -fsSL"
elif command -v wget >/dev/null; then
    fetch="wget -qO-"
else
    before="${sudo}apt-get update && ${sudo}apt-get install -y curl ca-certificates && "
    fetch="curl -fsSL"
fi
echo "    ${before}${sudo}rm -rf /usr/local/go && $fetch https://go.dev/dl/go$install.linux-$arch.tar.gz | ${sudo}tar -C /usr/local -xz && export PATH=/usr/local/go/bin:\$PATH" >&2
echo >&2
exit 1
