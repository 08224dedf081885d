#!/usr/bin/env bash
# The official browser SDK in two headless browsers, with a real node: tests/browser/sdk.mjs says what it does. Wants $CONFAB, node, npm and Debian's
# chromium (or another in $CHROMIUM).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
name=browser_sdk
source "$here/../node.sh"
need_browser

start_node --https-listen 127.0.0.1:0 --sip-listen 127.0.0.1:0 --browser-port 0 --egress-allow 127.0.0.0/8
export NODE_URL NODE_HTTPS NODE_SID NODE_TOKEN
NODE_URL=http://$(ready http) NODE_HTTPS=$(ready https)
NODE_SID=$(credential account_sid) NODE_TOKEN=$(credential auth_token)
node "$here/sdk.mjs" || { cat "$work/node.err" >&2; exit 1; }
