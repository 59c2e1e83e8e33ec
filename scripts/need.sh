#!/usr/bin/env bash
# Makes sure that programs are there: `scripts/need.sh cc cmake python node`.
#
# What is missing is installed where apt-get can be used by root without a question; elsewhere the command that would
# install it is printed and the script fails, because nobody likes a build that asks for a password.
set -euo pipefail

# How to tell that it is there | the Debian packages that bring it.
know() {
    case "$1" in
        cc)     check='command -v cc';      packages='gcc libc6-dev' ;;
        c++)    check='command -v c++';     packages='g++' ;;
        cmake)  check='command -v cmake';   packages='cmake' ;;
        make)   check='command -v make';    packages='make' ;;
        curl)   check='command -v curl';    packages='curl' ;;
        python) check='python3 -c "import ensurepip, venv"'; packages='python3 python3-venv' ;;
        postgres) check='command -v initdb || ls /usr/lib/postgresql/*/bin/initdb'; packages='postgresql' ;;
        node)   check='command -v node && command -v npm';   packages='nodejs npm' ;;
        *)      echo "scripts/need.sh does not know \`$1\`" >&2; exit 2 ;;
    esac
}

if ! command -v cargo >/dev/null; then
    echo 'cargo is missing: install the Rust toolchain (rustup.rs, or the packages of your system; see rust-version in Cargo.toml).' >&2
    exit 1
fi

missing=()
names=()
for name in "$@"; do
    know "$name"
    if ! eval "$check" >/dev/null 2>&1; then
        names+=("$name")
        read -ra wanted <<<"$packages"
        missing+=("${wanted[@]}")
    fi
done
[ ${#missing[@]} -eq 0 ] && exit 0

if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    echo "Installing what is missing: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update
    apt-get -qq install -y --no-install-recommends "${missing[@]}"
    exec "$0" "$@"
fi

{
    echo "Missing: ${names[*]}. Install with:"
    if command -v apt-get >/dev/null; then
        echo "  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}"
    else
        echo "  the packages of your system that Debian calls ${missing[*]}"
    fi
} >&2
exit 1
