#!/usr/bin/env bash
# What is left of keys while a capture is on: plays the corpus through the engine, lets other people's detectors listen to
# what others got, and prints a Markdown table on standard output.
#
#   run.sh [--every N] [--seed N] [--speech-minutes N] [--keep DIR]
#
# $MASKING is the corpus' player (cargo build -p confab-media --example masking). multimon-ng and espeak-ng are Debian
# packages; Python packages go into .venv beside this file. The whole corpus takes some ten minutes.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

fail() {
    echo "tests/masking: $*" >&2
    exit 1
}

need() {
    command -v "$1" >/dev/null || fail "$1 is not installed (Debian: apt install $2)"
}

# Done again only when what is asked for has changed; the stamp is written last.
install_python() {
    cmp -s "$here/requirements.txt" "$here/.venv/installed.txt" && return
    need python3 python3-venv
    rm -rf "$here/.venv"
    python3 -m venv "$here/.venv" || fail "python3 has no venv module (Debian: apt install python3-venv)"
    "$here/.venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2
    cp "$here/requirements.txt" "$here/.venv/installed.txt"
}

[ -x "${MASKING:-}" ] || fail "set MASKING to the player: MASKING=target/debug/examples/masking $0"
need multimon-ng multimon-ng
need espeak-ng espeak-ng
install_python
exec "$here/.venv/bin/python" "$here/judge.py" "$@"
