#!/usr/bin/env bash
# A supervisor at the console of a real node, in a headless browser: tests/browser/console.mjs says what is done and heard.
# Wants $CONFAB, node, npm and Debian's chromium (or another in $CHROMIUM). Pictures are left in $SCREENSHOTS,
# target/screenshots if that is not set; so many as $CROWD are in one conference at its end (250; 0: nobody). For work on the
# page: $PAGE is a folder with its files, in place of those in the node; $STEPS names the steps that are taken, with commas;
# $PICTURES_ONLY makes the pictures of a floor.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
SCREENSHOTS=${SCREENSHOTS:-$(realpath -m "$here/../../target/screenshots")}
CROWD=${CROWD:-250}
name=console
source "$here/../node.sh"
need_browser
mkdir -p "$SCREENSHOTS"

printf '[[agent]]\nname = "%s"\npassword = "a-long-random-word"\n' alice bob >"$work/confab.toml"
chmod 600 "$work/confab.toml"

# start HTTPS-PORT: starts the node, on the data that is there. Keys are let through, since keys are listened for.
start() {
    start_node --config "$work/confab.toml" --https-listen "127.0.0.1:$1" --sip-listen 127.0.0.1:0 --browser-port 0 \
        --outbound-allow 'client:*,sip:*@127.0.0.1:*' --egress-allow 127.0.0.0/8 --digits-in-conference heard
    https=$(ready https) http=$(ready http) sip=$(ready sip)
}

start 0
export CONSOLE_URL="https://$https" CONSOLE_HTTP=$http CONSOLE_SIP=$sip CONSOLE_SID CONSOLE_TOKEN
export CHROMIUM SCREENSHOTS CROWD CONFAB WORK=$work
CONSOLE_SID=$(credential account_sid) CONSOLE_TOKEN=$(credential auth_token)

# The test asks for a new node by a file, and is told by another that it is there.
node "$here/console.mjs" &
test=$!
while kill -0 "$test" 2>/dev/null; do
    if [ -e "$work/restart" ]; then
        rm "$work/restart"
        kill "$node" 2>/dev/null || true
        wait "$node" 2>/dev/null || true
        while [ ! -e "$work/start" ]; do sleep 0.1; done
        start "${https##*:}"
        touch "$work/restarted"
    fi
    sleep 0.1
done
wait "$test" || { tail -20 "$work/node.err" >&2; exit 1; }
