#!/usr/bin/env bash
# Agents with SIP libraries in headless browsers (tests/browser/).
set -euo pipefail
exec "$(dirname "$0")/../browser/sip.sh"
