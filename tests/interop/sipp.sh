#!/usr/bin/env bash
# sipp calls in over UDP and over TCP: INVITE, 200, ACK, a second, BYE. All calls must succeed, and
# the node must have sent its RTP.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
name=sipp
source "$here/../node.sh"
start_node --sip-listen 127.0.0.1:0
sip=$(ready sip) http=$(ready http)

cd "$work"
for transport in u1 t1; do
    timeout 60 sipp "$sip" -sf "$here/uac.xml" -s conf-sipp -t $transport -i 127.0.0.1 -m 10 -r 10 -nostdin \
        -trace_err >"sipp-$transport.log" 2>&1 || {
        tail -40 "sipp-$transport.log" >&2
        cat ./*errors.log >&2 2>/dev/null || true
        echo "sipp: calls over $transport failed" >&2
        exit 1
    }
    echo "sipp: 10 calls over $transport succeeded"
done
sent=$(curl -s "http://$http/metrics" | awk '/^confab_media_datagrams_sent_total/ { n += $2 } END { print n + 0 }')
[ "$sent" -gt 500 ] || { echo "sipp: the node sent only $sent datagrams" >&2; exit 1; }
echo "sipp: the node sent $sent datagrams"
