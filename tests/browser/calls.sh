#!/usr/bin/env bash
# Two headless browsers call a real node, one over IPv6: tests/browser/calls.mjs says what is heard. Wants $CONFAB, node, npm and Debian's
# chromium (or another in $CHROMIUM).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
name=browser_calls
source "$here/../node.sh"
need_browser

# Where there is IPv6, one of both comes over it.
if grep -q . /proc/net/if_inet6 2>/dev/null; then
    listen='[::]:0' public=127.0.0.1,::1 other=::1
else
    listen=127.0.0.1:0 public=127.0.0.1 other=127.0.0.1
fi
start_node --sip-listen "$listen" --public-address "$public" --browser-port 0 --egress-allow 127.0.0.0/8
export NODE_URL OTHER_ADDRESS=$other NODE_SID NODE_TOKEN
NODE_URL=http://$(ready http) NODE_SID=$(credential account_sid) NODE_TOKEN=$(credential auth_token)
node "$here/calls.mjs" || { cat "$work/node.err" >&2; exit 1; }
