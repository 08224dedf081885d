#!/usr/bin/env bash
# Two baresip phones call into one conference, each with a tone of its own. Each must hear the other's tone and not
# its own: what they decoded is recorded by baresip itself and measured here.
set -euo pipefail
name=baresip
source "$(dirname "$0")/../node.sh"
modules=$(dirname "$(find /usr/lib -name ausine.so -path '*baresip*' | head -n 1)")

start_node --sip-listen 127.0.0.1:0
sip=$(ready sip)

# phone NAME HERTZ: its tone source wants 48 kHz stereo, and resamples it for the call.
phone() {
    mkdir "$work/$1"
    cat >"$work/$1/config" <<CONFIG
sip_listen 127.0.0.1:0
audio_player aubridge,$1
audio_source ausine,$2
audio_alert aubridge,alert-$1
ausrc_srate 48000
auplay_srate 8000
ausrc_channels 2
auplay_channels 1
module_path $modules
snd_path $work/$1
module stdio.so
module g711.so
module ausine.so
module aubridge.so
module sndfile.so
module_tmp account.so
module_app menu.so
CONFIG
    echo "<sip:$1@127.0.0.1>;regint=0;audio_codecs=PCMU" >"$work/$1/accounts"
    touch "$work/$1/contacts"
    timeout 20 baresip -f "$work/$1" -t 5 -e "/dial sip:conf-bare@$sip" </dev/null >"$work/$1/log" 2>&1 &
    pids+=($!)
    phones+=($!)
}
phones=()
phone alto 1000
phone bass 440
for pid in "${phones[@]}"; do wait "$pid" || true; done

# hears NAME OTHERS-HERTZ OWN-HERTZ
hears() {
    local recorded
    recorded=$(find "$work/$1" -name '*-dec.wav' | head -n 1)
    [ -n "$recorded" ] || { tail -5 "$work/$1/log" >&2; echo "baresip: $1 recorded nothing" >&2; exit 1; }
    python3 - "$recorded" "$2" "$3" "$1" <<'PYTHON'
import cmath, sys, wave

path, other, own, name = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
with wave.open(path) as recording:
    rate, bytes_ = recording.getframerate(), recording.readframes(recording.getnframes())
samples = [int.from_bytes(bytes_[i:i + 2], "little", signed=True) for i in range(0, len(bytes_) - 1, 2)]
second = samples[len(samples) // 2:][:rate]


def level(hertz):
    turn = -2j * cmath.pi * hertz / rate
    return abs(sum(x * cmath.exp(turn * i) for i, x in enumerate(second))) * 2 / max(len(second), 1)


print(f"baresip: {name} hears {level(other):.0f} of the other and {level(own):.0f} of itself")
sys.exit(0 if level(other) > 1000 and level(own) < level(other) / 30 else 1)
PYTHON
}
hears alto 440 1000
hears bass 1000 440
