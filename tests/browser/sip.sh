#!/usr/bin/env bash
# Agents in headless browsers, with JsSIP and SIP.js: tests/browser/sip.mjs says what they do. Wants $CONFAB, node, npm and Debian's
# chromium (or another in $CHROMIUM).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
name=browser_sip
source "$here/../node.sh"
need_browser
node "$here/sip.mjs"
