# Sourced by the scripts that test with Python: what they need, installed below $kept from the lists in $lists.

need() {
    command -v "$1" >/dev/null || { echo "$0: $1 is missing; on Debian: apt-get install $2" >&2; exit 1; }
}

need_python() {
    need python3 python3
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
        echo "$0: Python 3.11 or later is needed" >&2
        exit 1
    }
}

# environment NAME REQUIREMENTS...: a virtual environment with exactly these packages, made anew when the lists change.
environment() {
    venv=$kept/$1
    shift
    wanted=$(cd "$lists" && cat "$@")
    if [ "$(cat "$venv/installed" 2>/dev/null)" = "$wanted" ]; then return; fi
    rm -rf "$venv"
    mkdir -p "$kept"
    python3 -m venv "$venv" >"$kept/venv.log" 2>&1 || {
        echo "$0: python3 cannot make virtual environments; on Debian: apt-get install python3-venv" >&2
        cat "$kept/venv.log" >&2
        exit 1
    }
    for list in "$@"; do
        # Every package is listed, so there is nothing to resolve.
        "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$lists/$list"
    done
    printf '%s\n' "$wanted" >"$venv/installed"
}
