#!/usr/bin/env bash
# Scores how speech sounds after a two-party call, by codec and network, as a Markdown table on standard output.
#
#   run.sh [--codecs pcmu,opus,..] [--networks clean,loss,mobile] [--seeds N] [--speech FILE] [--keep DIR]
#
# $CONFAB is the binary (a release build: a slow one is late). Python packages go into .venv beside this file; the
# speech is made by espeak-ng unless a WAV file is given.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

fail() {
    echo "tests/quality: $*" >&2
    exit 1
}

need() {
    command -v "$1" >/dev/null || fail "$1 is not installed (Debian: apt install $2)"
}

# Done again only when what is asked for has changed; the stamp is written last.
install_python() {
    cmp -s "$here/requirements.txt" "$here/.venv/installed.txt" && return
    need python3 python3-venv
    # pesq is compiled here.
    need cc build-essential
    rm -rf "$here/.venv"
    python3 -m venv "$here/.venv" || fail "python3 has no venv module (Debian: apt install python3-venv)"
    "$here/.venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2
    cp "$here/requirements.txt" "$here/.venv/installed.txt"
}

[ -x "${CONFAB:-}" ] || fail "set CONFAB to the binary: CONFAB=target/release/confab $0"
install_python
case " $* " in
*" --speech"*) ;;
*) need espeak-ng espeak-ng ;;
esac
exec "$here/.venv/bin/python" "$here/score.py" "$@"
