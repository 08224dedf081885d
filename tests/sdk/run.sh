#!/bin/sh
# Drives a running node with Twilio's official SDKs, with nothing changed but their base URL.
#
#   run.sh install          installs both SDKs beside this file (needs python3 with venv, node 18 or later, npm)
#   run.sh install-agent    installs an open framework for voice agents, of the parts that the tour's agent uses (170 MB)
#   run.sh python | node    drives the node with one of them, installing first if need be
#   run.sh calls-python | calls-node
#                           is an application with one of them, which has the node call a phone and itself
#   run.sh validate-python | validate-node
#                           has one of them judge the node's requests, which come on standard input
#   run.sh token-python | token-node
#                           has one of them make access tokens, which come out on standard output
#
# A drive wants at least three calls in the conference, and ends them all. From the environment:
#   CONFAB_URL             e.g. http://127.0.0.1:8080
#   CONFAB_ACCOUNT_SID     CONFAB_AUTH_TOKEN
#   CONFAB_CONFERENCE      the conference's name; sdk-tour if not set
# An application wants a node that may call 127.0.0.1 and ask it, and a phone (tests/sdk/phone.rs); besides:
#   CONFAB_SIP             the node's, e.g. 127.0.0.1:5060
#   CONFAB_PHONE           the phone's, which is that of the agent alice and of all numbers too
set -eu
cd "$(dirname "$0")"

fail() {
    echo "tests/sdk: $*" >&2
    exit 1
}

need() {
    command -v "$1" >/dev/null || fail "$1 is not installed; install $2"
}

# Done again only when what is pinned has changed. The stamp is written last, so half an installation is not taken
# for one.
install_python() {
    install_venv .venv requirements.txt
}

install_agent() {
    install_venv agent/.venv agent/requirements.txt
}

install_venv() {
    cmp -s "$2" "$1/installed.txt" && return
    need python3 "Python 3.11 or later with its venv module (Debian: apt install python3-venv)"
    rm -rf "$1"
    python3 -m venv "$1" || fail "python3 has no venv module (Debian: apt install python3-venv)"
    "$1/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$2"
    cp "$2" "$1/installed.txt"
}

install_node() {
    cmp -s package-lock.json node_modules/installed.json && return
    need node "Node.js 18 or later (Debian: apt install nodejs npm)"
    need npm "npm (Debian: apt install npm)"
    npm ci --no-audit --no-fund --loglevel=error >/dev/null
    cp package-lock.json node_modules/installed.json
}

# One installation at a time: tests run side by side.
installed() {
    if command -v flock >/dev/null; then
        exec 9>.lock
        flock 9
    fi
    "install_$1"
    exec 9>&-
}

# The SDKs splice these into the host's name.
unset TWILIO_REGION TWILIO_EDGE

case "${1:-}" in
install)
    installed python
    installed node
    ;;
install-agent)
    installed agent
    ;;
python)
    installed python
    exec .venv/bin/python drive.py
    ;;
node)
    installed node
    exec node drive.mjs
    ;;
calls-python)
    installed python
    exec .venv/bin/python calls.py
    ;;
calls-node)
    installed node
    exec node calls.mjs
    ;;
validate-python)
    installed python
    exec .venv/bin/python validate.py
    ;;
validate-node)
    installed node
    exec node validate.mjs
    ;;
token-python)
    installed python
    exec .venv/bin/python access_token.py
    ;;
token-node)
    installed node
    exec node access_token.mjs
    ;;
*) fail "usage: run.sh install | install-agent | python | node | calls-python | calls-node | validate-python | validate-node | token-python | token-node" ;;
esac
