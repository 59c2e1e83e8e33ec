#!/bin/sh
# The gateway in front of a real model server, llama.cpp's: LLAMA_SERVER=… MODEL=….gguf tests/real/run.sh path/to/narthex
#
# By hand only, since that server must be built first. Any small model will do; what it says does not matter.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
[ $# -eq 1 ] && [ -x "$1" ] || { echo "usage: $0 path/to/narthex (build it first: cargo build)" >&2; exit 2; }
if [ ! -x "${LLAMA_SERVER:-}" ] || [ ! -f "${MODEL:-}" ]; then
    echo "skipped: name llama-server in LLAMA_SERVER and a model (.gguf) in MODEL"
    exit 0
fi
NARTHEX_BINARY=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
export NARTHEX_BINARY LLAMA_SERVER MODEL
export PYTHONDONTWRITEBYTECODE=1
export PYTHONPATH="$project/tests/sdk"
mkdir -p "${CARGO_TARGET_DIR:-$project/target}/sdk"
kept=$(cd "${CARGO_TARGET_DIR:-$project/target}/sdk" && pwd)
lists=$project/tests/sdk

. "$lists/environment.sh"
need_python
environment vendors requirements.txt requirements-vendors.txt
"$kept/vendors/bin/python" -m pytest -q -p no:cacheprovider -p no:asyncio -c /dev/null --rootdir "$here" "$here"
