#!/bin/sh
# The official SDKs as clients of a real gateway: tests/sdk/run.sh path/to/narthex
#
# What the tests need is installed once, below the target directory, in the pinned versions that stand beside this file.
# Recorded traffic is replayed only where there is some: in NARTHEX_CORPUS, else in shared/corpus beside the project.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
[ $# -eq 1 ] && [ -x "$1" ] || { echo "usage: $0 path/to/narthex (build it first: cargo build)" >&2; exit 2; }
NARTHEX_BINARY=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
export NARTHEX_BINARY
export PYTHONDONTWRITEBYTECODE=1
kept=${CARGO_TARGET_DIR:-$project/target}/sdk
corpus=${NARTHEX_CORPUS:-$project/../shared/corpus}

need() {
    command -v "$1" >/dev/null || { echo "$0: $1 is missing; on Debian: apt-get install $2" >&2; exit 1; }
}

# environment NAME REQUIREMENTS...: a virtual environment with exactly these packages, made anew when the lists change.
environment() {
    venv=$kept/$1
    shift
    lists=$(cd "$here" && cat "$@")
    if [ "$(cat "$venv/installed" 2>/dev/null)" = "$lists" ]; then return; fi
    rm -rf "$venv"
    mkdir -p "$kept"
    python3 -m venv "$venv" >"$kept/venv.log" 2>&1 || {
        echo "$0: python3 cannot make virtual environments; on Debian: apt-get install python3-venv" >&2
        cat "$kept/venv.log" >&2
        exit 1
    }
    for list in "$@"; do
        # Every package is listed, so there is nothing to resolve.
        "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$here/$list"
    done
    printf '%s\n' "$lists" >"$venv/installed"
}

node_packages() {
    if cmp -s "$here/node/package-lock.json" "$kept/node/installed"; then return; fi
    rm -rf "$kept/node"
    mkdir -p "$kept/node"
    cp "$here/node/package.json" "$here/node/package-lock.json" "$kept/node/"
    (cd "$kept/node" && npm ci --no-audit --no-fund --loglevel=error)
    cp "$here/node/package-lock.json" "$kept/node/installed"
}

need python3 python3
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$0: Python 3.11 or later is needed" >&2; exit 1; }
need node nodejs
need npm npm
node -e 'process.exit(+(Number(process.versions.node.split(".")[0]) < 20))' || { echo "$0: Node 20 or later is needed" >&2; exit 1; }

cd "$here"
echo "== Python: openai"
environment openai requirements.txt
"$kept/openai/bin/python" -m pytest --ignore=test_langchain.py

echo "== Python: langchain-openai"
environment langchain requirements-langchain.txt
"$kept/langchain/bin/python" -m pytest test_langchain.py

echo "== Node: openai"
node_packages
# Modules are found from where a file is, so the tests go where the packages are.
cp "$here"/node/*.mjs "$kept/node/"
(cd "$kept/node" && node --test --test-reporter=spec ./*.test.mjs)

echo "== Replay of recorded traffic"
if [ -f "$corpus/replay_upstream.py" ]; then
    environment replay requirements.txt requirements-replay.txt
    "$kept/replay/bin/python" -m replay "$corpus"
else
    echo "skipped: there is no corpus at $corpus (name one in NARTHEX_CORPUS)"
fi
