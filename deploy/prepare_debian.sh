#!/bin/sh
# Checks the requirements that no Python package provides: Java 17 or later, and Python 3.11 or later that can make
# virtual environments; with the argument `browser`, also Chromium for the tests of the review pages.
# With root rights it installs missing Debian packages; otherwise it prints what to do.
set -eu

WANTED=${1:-}

PYTHON=${PYTHON:-python3}
MIN_JAVA=17

fail() {
    echo "ndvr set-up: $*" >&2
    exit 1
}

# Major version of the Java that Spark starts: the one in JAVA_HOME if it is set, else the one on PATH.
java_major() {
    java=${JAVA_HOME:+$JAVA_HOME/bin/}java
    "$java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p'
}

has_java() {
    major=$(java_major)
    [ "${major:-0}" -ge "$MIN_JAVA" ]
}

# Without python3-venv, python3 of Debian has the module venv but not ensurepip.
has_venv() {
    "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null
}

has_browser() {
    [ "$WANTED" != browser ] || { command -v chromium && command -v chromedriver; } >/dev/null
}

missing_packages() {
    has_java || echo default-jre-headless # Java 17 on Debian 12, 21 on Debian 13
    has_venv || echo python3-venv
    has_browser || echo chromium chromium-driver
}

"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    fail "$PYTHON must be Python 3.11 or later; to use another one, run: make PYTHON=/path/to/python3 setup"

if [ -n "${JAVA_HOME:-}" ] && ! has_java; then
    fail "JAVA_HOME=$JAVA_HOME must contain Java $MIN_JAVA or later; correct it, or unset it to use the Java on PATH"
fi

packages=$(missing_packages | xargs)
[ -n "$packages" ] || exit 0

command -v apt-get >/dev/null ||
    fail "apt-get not found; install the equivalents of $packages (Java $MIN_JAVA or later), then run make again"

as_root=
if [ "$(id -u)" -ne 0 ]; then
    as_root='sudo -n'
    $as_root true 2>/dev/null ||
        fail "missing Debian packages; as root, run: apt-get update && apt-get install -y $packages"
fi
echo "ndvr set-up: installing from Debian: $packages"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086  # $packages is a list
{
    $as_root apt-get update &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $packages
} >"$log" 2>&1 </dev/null || {
    cat "$log" >&2
    fail "apt-get could not install $packages; its output is above"
}

[ -z "$(missing_packages)" ] ||
    fail "installed $packages, but still missing: $(missing_packages | xargs); see: java -version; $PYTHON -m ensurepip"
