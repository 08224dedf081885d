#!/usr/bin/env bash
# The official browser SDK, in headless browsers (tests/browser/).
set -euo pipefail
exec "$(dirname "$0")/../browser/sdk.sh"
