#!/usr/bin/env bash
# Puts the gateway before llama.cpp's server and asks it what an SDK would ask. By hand: both the server and a model are needed.
#
#   LLAMA_SERVER=/path/to/llama-server MODEL=/path/to/model.gguf make test-real
set -euo pipefail

gateway=$1
server=${LLAMA_SERVER:-$(command -v llama-server || true)}
if [ -z "$server" ] || [ -z "${MODEL:-}" ]; then
    echo 'Skipped: set LLAMA_SERVER to llama.cpp'"'"'s llama-server and MODEL to a model in GGUF.'
    exit 0
fi
gateway=$(realpath "$gateway")
server=$(realpath "$server")
model=$(realpath "$MODEL")

folder=$(mktemp -d)
started=()
finish() {
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait
    rm -rf "$folder"
}
trap finish EXIT
cd "$folder"

port=${LLAMA_PORT:-9300}
"$server" -m "$model" --port "$port" --jinja --embeddings --pooling mean >server.log 2>&1 &
started+=($!)
until curl -sf "localhost:$port/health" >/dev/null; do
    kill -0 "${started[0]}" 2>/dev/null || { cat server.log; exit 1; }
    sleep 0.2
done

env -i PATH="$PATH" NARTHEX_LISTEN=127.0.0.1:0 NARTHEX_ADMIN_LISTEN=off OPENAI_LLAMA_BASE_URL="http://localhost:$port" \
    OPENAI_LLAMA_API_KEY=none "$gateway" >access.log 2>gateway.log &
started+=($!)
until grep -q 'models listed' gateway.log; do
    kill -0 "${started[1]}" 2>/dev/null || { cat gateway.log; exit 1; }
    sleep 0.1
done
url=$(sed -n 's/.*listens on //p' gateway.log)

ask() {
    local name=$1 path=$2 expected=$3 body=${4:-}
    local answer
    answer=$(curl -sS --fail-with-body ${body:+-d "$body"} "$url$path") || { echo "FAILED $name: $answer"; exit 1; }
    grep -q "$expected" <<<"$answer" || { echo "FAILED $name: no $expected in $answer"; exit 1; }
    echo "passed $name"
}
name=$(curl -sS "$url/v1/models" | grep -o '"id":"[^"]*"' | head -n 1 | cut -d '"' -f 4)
say='"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8'
ask models /v1/models '"object":"list"'
ask chat /v1/chat/completions '"chat.completion"' "{\"model\": \"$name\", $say}"
ask stream /v1/chat/completions 'data: \[DONE\]' "{\"model\": \"$name\", \"stream\": true, $say}"
ask embeddings /v1/embeddings '"embedding"' "{\"model\": \"$name\", \"input\": \"Hello\"}"
ask responses /v1/responses '"response"' "{\"model\": \"$name\", \"input\": \"Hello\", \"max_output_tokens\": 8}"
ask passthrough /p/openai-llama/models "$(basename "$model")"
cat access.log
