#!/usr/bin/env bash
# Browsers that call, in headless ones (tests/browser/).
set -euo pipefail
exec "$(dirname "$0")/../browser/calls.sh"
