# Sourced by scripts that want nodes of their own and, if they say so, browsers. Defines:
#   $work           a folder that is gone at the end, as is every process in $pids
#   start_node F... starts $CONFAB with these flags, on the data in $work/data; ends the script where it does not start
#   ready NAME      what the node says of itself when it is ready: http, https, sip
#   credential NAME of the node's account: account_sid, auth_token
#   need_browser    sees to $CHROMIUM (Debian's, if nothing else is said) and the packages of tests/browser
# Whoever sources it has set $name, which messages begin with.
work=$(mktemp -d)
pids=()
finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

start_node() {
    : >"$work/node.out"
    "$CONFAB" serve --http-listen 127.0.0.1:0 --data-dir "$work/data" --log warn "$@" >"$work/node.out" 2>>"$work/node.err" &
    node=$!
    pids+=("$node")
    for _ in $(seq 200); do
        grep -q '^confab ready' "$work/node.out" && return
        kill -0 "$node" 2>/dev/null || break
        sleep 0.1
    done
    cat "$work/node.err" >&2
    echo "$name: the node did not start" >&2
    exit 1
}

ready() {
    sed -n "s/^confab ready .*\\b$1=\\([^ ]*\\).*/\\1/p" "$work/node.out"
}

credential() {
    sed -n "s/^$1 = \"\(.*\)\"$/\1/p" "$work/data/credentials.toml"
}

need_browser() {
    export CHROMIUM=${CHROMIUM:-$(command -v chromium || true)}
    [ -n "$CHROMIUM" ] || { echo "$name: chromium is not installed (Debian: apt install chromium)" >&2; exit 1; }
    (
        cd "$(dirname "${BASH_SOURCE[0]}")/browser"
        if ! cmp -s package-lock.json node_modules/installed.json; then
            npm ci --no-audit --no-fund --loglevel=error >/dev/null
            cp package-lock.json node_modules/installed.json
        fi
    )
}
