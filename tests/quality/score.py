"""How speech sounds after a two-party call through a node, by PESQ (ITU-T P.862, P.862.2).

For each codec and network `confab load --spawn` calls a node of its own with one talker, who says a file, and one
listener, whose recording is aligned with the file and scored. The talker's packets pass the network; the node's own
jitter buffer, concealment and codec do the rest. Both scores are MOS-LQO, 1 to about 4.6: narrow band compares up to 4 kHz, wide
band up to 8 kHz, so telephone codecs cannot score well in the second.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
from pesq import NoUtterancesError, pesq
from scipy.io import wavfile
from scipy.signal import correlate, resample_poly

CODECS = ["pcmu", "pcma", "g722", "opus", "l16"]
NETWORKS = {
    "clean": ("clean", []),
    "loss": ("5 % random loss", ["--loss", "5%"]),
    "mobile": ("`mobile`", ["--network", "mobile"]),
}
# Between silence and speech the levels differ, and every phrase has a pause before it: what a conversation is like, and
# what PESQ aligns by.
TEXT = (
    "Good morning, you have reached the reading room. We open at nine on weekdays, and at ten on Saturday. "
    "Please tell me which of the five shelves you are looking for. Thank you, I will be with you shortly."
)
# espeak-ng: words a minute, and a voice with a pitch that telephones carry well.
VOICE = ["-v", "en-gb", "-s", "150", "-p", "40"]
# At most this of a run comes before the talker speaks (the beeps), and this may come after.
BEFORE, AFTER = 4, 2
# A talker who is heard later than this is lost.
DELAY_MAX = 2.0


def main():
    arguments = parse()
    with tempfile.TemporaryDirectory() as scratch:
        work = arguments.keep or Path(scratch)
        work.mkdir(parents=True, exist_ok=True)
        speech = arguments.speech or synthesise(work / "speech.wav")
        rows = [row(codec, arguments, speech, work) for codec in arguments.codecs]
    heading = [NETWORKS[name][0] for name in arguments.networks]
    print("| codec | " + " | ".join(f"{name}: NB | WB" for name in heading) + " |")
    print("|---" * (1 + 2 * len(heading)) + "|")
    print("\n".join(rows))


def parse():
    listed = lambda known: lambda text: [check(word, known) for word in text.split(",")]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--codecs", type=listed(CODECS), default=CODECS, help="with commas: " + ", ".join(CODECS))
    parser.add_argument("--networks", type=listed(NETWORKS), default=list(NETWORKS), help=", ".join(NETWORKS))
    parser.add_argument("--seeds", type=int, default=3, help="runs of each impaired network, of which the mean is taken")
    parser.add_argument("--speech", type=Path, help="a WAV file of 8 to 20 s instead of espeak-ng's voice")
    parser.add_argument("--keep", type=Path, help="leave speech, recordings and reports in this directory")
    return parser.parse_args()


def check(word, known):
    if word not in known:
        raise argparse.ArgumentTypeError(f"{word} is none of {', '.join(known)}")
    return word


def synthesise(path):
    subprocess.run(["espeak-ng", *VOICE, "-w", str(path), TEXT], check=True)
    return path


def row(codec, arguments, speech, work):
    cells = []
    for name in arguments.networks:
        seeds = range(1, 2 if name == "clean" else arguments.seeds + 1)
        scores = []
        for seed in seeds:
            heard, why = call(codec, name, seed, speech, work)
            if heard is None:
                print(f"{codec}: {why}", file=sys.stderr)
                return f"| {codec} | " + " | ".join(["not supported"] + ["-"] * (2 * len(arguments.networks) - 1)) + " |"
            scores.append(score(speech, heard))
            print(f"{codec}, {name}, seed {seed}: NB {scores[-1][0]:.2f}, WB {scores[-1][1]:.2f}", file=sys.stderr)
        cells += [f"{mean:.2f}" for mean in numpy.mean(scores, axis=0)]
    return f"| {codec} | " + " | ".join(cells) + " |"


def call(codec, network, seed, speech, work):
    """The listener's recording, or None and why the node does not take the codec."""
    directory = work / f"{codec}-{network}-{seed}"
    directory.mkdir(exist_ok=True)
    report = directory / "report.json"
    seconds = math.ceil(length(speech)) + BEFORE + AFTER
    command = [os.environ["CONFAB"], "load", "--spawn", "--legs", "2", "--talkers", "1", "--seconds", str(seconds)]
    command += ["--codec", codec, "--speech", str(speech), "--record", str(directory), "--json", str(report)]
    command += ["--seed", str(seed), *NETWORKS[network][1]]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode == 2:
        sys.exit(f"confab load does not take {codec}: {done.stderr}")
    told = json.loads(report.read_text())
    if told["calls"]["answered"] == 0:
        kinds = {finding["kind"] for finding in told["findings"]}
        if kinds <= {"refused", "bad_answer"}:
            return None, f"the node does not take it: {told['findings']}"
    recordings = sorted(directory.glob("leg-0001-*.wav"))
    if not recordings:
        sys.exit(f"nobody was heard in {codec}, {network}:\n{done.stdout}{done.stderr}")
    if done.returncode != 0:
        print(f"{codec}, {network}, seed {seed}: scored, though\n{done.stdout}", file=sys.stderr)
    return recordings[0], None


def length(path):
    rate, sound = wavfile.read(path)
    return len(sound) / rate


def score(speech, heard):
    """Narrow-band and wide-band MOS-LQO."""
    return [one_score(speech, heard, rate, mode) for rate, mode in ((8_000, "nb"), (16_000, "wb"))]


def one_score(speech, heard, rate, mode):
    said, heard = at_rate(speech, rate), at_rate(heard, rate)
    agreement = correlate(heard, said, mode="full", method="fft")
    start = int(numpy.argmax(agreement)) - (len(said) - 1)
    latest = (BEFORE + DELAY_MAX) * rate
    if not 0 <= start <= latest:
        sys.exit(f"the speech was not found in the recording: it would begin at {start / rate:.1f} s")
    part = heard[start : start + len(said)]
    part = numpy.pad(part, (0, len(said) - len(part)))
    try:
        return pesq(rate, said, part, mode)
    except NoUtterancesError:
        sys.exit("there is no speech in the speech")


def at_rate(path, rate):
    own, sound = wavfile.read(path)
    sound = sound.astype(numpy.float64)
    common = math.gcd(own, rate)
    return resample_poly(sound, rate // common, own // common).clip(-32_768, 32_767).astype(numpy.int16).astype(float) / 32_768


main()
