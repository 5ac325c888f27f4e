#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Installs the Debian packages that camring is built, run and tested with: those that are missing and
# no other. Asks sudo for it if it is not run as root. No service runs or is enabled afterwards that
# was not before: redis-server's package would start one.
#
# usage: deps.sh           install what is missing
#        deps.sh --check   only say what is missing; exit 1 if anything is

set -eu

packages="gcc libc6-dev pkg-config libavformat-dev libavcodec-dev libavutil-dev libswscale-dev
libyuv-dev redis-server ffmpeg python3-numpy"

policy=/usr/sbin/policy-rc.d
marker="written by camring's scripts/deps.sh"

say() { echo "deps: $*" >&2; }

# installed PACKAGE: dpkg knows it, or what it is for is there without it.
installed() {
    if [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; then
        return 0
    fi
    case $1 in
    gcc | ffmpeg | redis-server) command -v "$1" >/dev/null ;;
    pkg-config) command -v pkg-config >/dev/null || command -v pkgconf >/dev/null ;;
    libc6-dev) [ -e /usr/include/stdlib.h ] ;;
    libav*-dev | libsw*-dev) pkg-config --exists "${1%-dev}" 2>/dev/null ;;
    libyuv-dev) [ -e /usr/include/libyuv.h ] || [ -e /usr/local/include/libyuv.h ] ;;
    python3-numpy) /usr/bin/python3 -c 'import numpy' 2>/dev/null ;;
    esac
}

missing=
for package in $packages; do
    installed "$package" || missing="$missing $package"
done
missing=${missing# }
if [ -z "$missing" ]; then
    exit 0
fi
if [ "${1-}" = --check ]; then
    say "missing: $missing"
    exit 1
fi

if ! command -v apt-get >/dev/null; then
    say "missing: $missing"
    say "these are Debian's names and there is no apt-get here: install what they hold, then try again"
    exit 1
fi
if [ "$(id -u)" = 0 ]; then
    sudo=
elif command -v sudo >/dev/null; then
    sudo=sudo
else
    say "missing, and only root can install them; there is no sudo. As root, run:"
    say "    $(cd "$(dirname "$0")" && pwd)/deps.sh"
    exit 1
fi

new_redis=
case " $missing " in
*" redis-server "*) new_redis=yes ;;
esac

# A package's service is not started while policy-rc.d forbids it. One that is there already is
# somebody's and stays; ln never replaces a file, so two runs at once cannot both think it theirs.
work=$(mktemp -d)
ours=
clean_up() {
    status=$?
    trap - EXIT HUP INT TERM
    if [ -n "$ours" ]; then
        $sudo rm -f "$policy"
    fi
    $sudo rm -rf "$work"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

if [ -n "$new_redis" ]; then
    cat >"$work/policy-rc.d" <<POLICY
#!/bin/sh
# $marker while it installs packages; it may be removed.
for word; do
    case \$word in redis*) exit 101 ;; esac
done
exit 0
POLICY
    chmod 755 "$work/policy-rc.d"
    if [ -f "$policy" ] && grep -q "$marker" "$policy"; then
        ours=yes # left behind by a run that was killed
    elif $sudo cp --preserve=mode "$work/policy-rc.d" "$policy.camring.$$" && $sudo ln "$policy.camring.$$" "$policy" 2>/dev/null; then
        ours=yes
    fi
    $sudo rm -f "$policy.camring.$$"
fi

apt() {
    # shellcheck disable=SC2086 # words on purpose: $sudo may be empty
    $sudo env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
        apt-get -q -y -o DPkg::Lock::Timeout=300 "$@"
}

say "installing: $missing"
# Package lists are fetched only if those here do not know the packages, or are too old to fetch them.
# shellcheck disable=SC2086 # words on purpose
if ! apt-get -qq --simulate --no-install-recommends install $missing >/dev/null 2>&1 ||
    ! apt --no-install-recommends install $missing >&2; then
    apt update >&2
    apt --no-install-recommends install $missing >&2
fi

if [ -n "$new_redis" ]; then
    if command -v systemctl >/dev/null; then
        $sudo systemctl --quiet disable redis-server >/dev/null 2>&1 || true
        if [ -d /run/systemd/system ]; then
            $sudo systemctl --quiet stop redis-server >/dev/null 2>&1 || true
        fi
    elif command -v update-rc.d >/dev/null; then
        $sudo update-rc.d redis-server disable >/dev/null 2>&1 || true
    fi
fi

for package in $missing; do
    if ! installed "$package"; then
        say "$package is still missing after its installation: see the messages above"
        exit 1
    fi
done
