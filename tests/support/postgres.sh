#!/usr/bin/env bash
# A PostgreSQL server for tests, in a folder of its own, with the password that is in its URL:
#
#   postgres.sh run [CERT KEY]          prints the URL, runs until standard input ends, and leaves nothing behind; the lines
#                                       `stop` and `start` on standard input are obeyed, each answered with `done`
#   postgres.sh start DIR [CERT KEY]    prints the URL; DIR is made, by the server's user if this is root
#   postgres.sh stop DIR                stops it and removes DIR
#
# With a certificate and its key (PEM) it speaks TLS as well.
set -euo pipefail

# Debian keeps the server's programs out of the path.
find_programs() {
    local folder
    for folder in "$(dirname "$(readlink -f "$(command -v initdb || true)")")" $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV); do
        if [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ]; then
            bin=$folder
            return
        fi
    done
    echo 'These tests need a PostgreSQL server, and none is installed: apt-get install postgresql (or your system'"'"'s package of that name).' >&2
    exit 1
}

# PostgreSQL refuses to run as root.
unprivileged() {
    if [ "$(id -u)" != 0 ]; then
        (cd "$dir" && "$@")
    else
        (cd "$dir" && runuser -u "$user" -- "$@")
    fi
}

prepare() {
    user=$(id -un postgres 2>/dev/null || echo nobody)
    mkdir -p "$dir"
    chmod 700 "$dir"
    echo 'narthex-tests' >"$dir/password"
    if [ $# = 2 ]; then
        cp "$1" "$dir/cert.pem"
        cp "$2" "$dir/key.pem"
        chmod 600 "$dir/key.pem"
    fi
    [ "$(id -u)" != 0 ] || chown -R "$user" "$dir"
    unprivileged "$bin/initdb" --pgdata="$dir/data" --username=narthex --pwfile="$dir/password" \
        --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-sync >"$dir/initdb.log" 2>&1 || {
        cat "$dir/initdb.log" >&2
        exit 1
    }
    # Nothing here has to outlive the machine.
    unprivileged tee -a "$dir/data/postgresql.conf" >/dev/null <<END
listen_addresses = '127.0.0.1'
unix_socket_directories = '$dir'
max_connections = 300
shared_buffers = 32MB
fsync = off
full_page_writes = off
$([ $# = 2 ] && printf "ssl = on\nssl_cert_file = '%s'\nssl_key_file = '%s'" "$dir/cert.pem" "$dir/key.pem")
END
}

# Ports are taken by chance, and another one if somebody has it.
start() {
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        [ -s "$dir/port" ] || echo $((20000 + RANDOM)) >"$dir/port"
        port=$(<"$dir/port")
        if unprivileged "$bin/pg_ctl" start --pgdata="$dir/data" --wait --silent --log="$dir/log" --options="-p $port" >/dev/null; then
            return
        fi
        grep -q 'Address already in use' "$dir/log" || break
        : >"$dir/port"
    done
    cat "$dir/log" >&2
    exit 1
}

stop() {
    [ ! -f "$dir/data/postmaster.pid" ] || unprivileged "$bin/pg_ctl" stop --pgdata="$dir/data" --mode=immediate --silent >/dev/null
}

url() {
    echo "postgres://narthex:narthex-tests@127.0.0.1:$port/postgres"
}

find_programs
case "${1:-}" in
    run)
        shift
        dir=$(mktemp -d "${TMPDIR:-/tmp}/narthex-postgres.XXXXXX")
        trap 'stop; rm -rf "$dir"' EXIT
        # It ends with whoever started it, and not before: an interrupt from the keyboard goes to both.
        trap '' INT
        prepare "$@"
        start
        url
        while read -r command; do
            case "$command" in
                stop | start) "$command" ;;
                *) echo "What is $command?" >&2 ;;
            esac
            echo 'done'
        done
        ;;
    start)
        dir=$2
        shift 2
        prepare "$@"
        start
        url
        ;;
    stop)
        dir=$2
        user=$(id -un postgres 2>/dev/null || echo nobody)
        stop
        rm -rf "$dir"
        ;;
    *)
        sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
esac
