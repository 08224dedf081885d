#!/usr/bin/env bash
# A supervisor at the console, in a headless browser (tests/browser/).
set -euo pipefail
exec "$(dirname "$0")/../browser/run.sh"
