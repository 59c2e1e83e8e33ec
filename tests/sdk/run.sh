#!/bin/sh
# The official SDKs as clients of a real gateway: tests/sdk/run.sh path/to/narthex [--full]
#
# What the tests need is installed once, below the target directory, in the pinned versions that stand beside this file.
# Recorded traffic is replayed only where there is some: in NARTHEX_CORPUS, else in shared/corpus beside the project. Of
# what is translated it is a sample, unless --full asks for every recording behind every dialect, which takes minutes.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
[ $# -ge 1 ] && [ -x "$1" ] || { echo "usage: $0 path/to/narthex [--full] (build it first: cargo build)" >&2; exit 2; }
NARTHEX_BINARY=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
export NARTHEX_BINARY
export PYTHONDONTWRITEBYTECODE=1
mkdir -p "${CARGO_TARGET_DIR:-$project/target}/sdk"
kept=$(cd "${CARGO_TARGET_DIR:-$project/target}/sdk" && pwd)
lists=$here
corpus=$(cd "${NARTHEX_CORPUS:-$project/../shared/corpus}" 2>/dev/null && pwd || echo "${NARTHEX_CORPUS:-none}")

. "$here/environment.sh"

node_packages() {
    if cmp -s "$here/node/package-lock.json" "$kept/node/installed"; then return; fi
    rm -rf "$kept/node"
    mkdir -p "$kept/node"
    cp "$here/node/package.json" "$here/node/package-lock.json" "$kept/node/"
    (cd "$kept/node" && npm ci --no-audit --no-fund --loglevel=error)
    cp "$here/node/package-lock.json" "$kept/node/installed"
}

need_python
need node nodejs
need npm npm
node -e 'process.exit(+(Number(process.versions.node.split(".")[0]) < 20))' || { echo "$0: Node 20 or later is needed" >&2; exit 1; }

cd "$here"
echo "== Python: openai, anthropic, google-genai, boto3"
environment vendors requirements.txt requirements-vendors.txt
"$kept/vendors/bin/python" -m pytest --ignore=test_langchain.py

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
    "$kept/vendors/bin/python" -m replay "$corpus" ${2:+"$2"}
else
    echo "skipped: there is no corpus in ../shared/corpus, nor in NARTHEX_CORPUS (${NARTHEX_CORPUS:-not set})"
fi
