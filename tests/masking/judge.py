"""Lets detectors listen to what others got while keys were captured, and tells what they made out, as a table.

multimon-ng gives the keys it hears in a file. The package dtmf (PyPI) looks at blocks of 205 samples by themselves and is
told nothing of noise or of how long a key lasts; a key is taken to be heard where two blocks in a row show it. Both are first
held against the same sound let through, so that it is known that they hear keys at all.
"""

import argparse
import collections
import fractions
import os
import pathlib
import subprocess
import sys
import tempfile
import warnings
import wave

import dtmf
import numpy
from scipy.signal import resample_poly

# The package divides by the energy of digital silence.
warnings.filterwarnings("ignore", category=RuntimeWarning, module="dtmf")

HERE = pathlib.Path(__file__).parent
# What multimon-ng wants.
MULTIMON_RATE = 22_050
# What the engine's corpus limits are about.
LIMIT = -60.0
VOICES = ["en", "en-us", "en+f2", "en+f4", "en+m3", "en+m7", "de", "fr", "es", "it", "pt", "nl", "en+croak", "pl"]
DOCUMENTS = ["README.md", "docs/api.md", "docs/configuration.md", "docs/recipes.md", "docs/load.md"]


def samples(path):
    with wave.open(str(path)) as sound:
        data = numpy.frombuffer(sound.readframes(sound.getnframes()), dtype="<i2")
        return data.astype(float), sound.getframerate()


def at_rate(sound, rate, wanted):
    ratio = fractions.Fraction(wanted, rate)
    return resample_poly(sound, ratio.numerator, ratio.denominator).clip(-32_768, 32_767)


def by_multimon(sound, rate):
    raw = at_rate(sound, rate, MULTIMON_RATE).astype("<i2").tobytes()
    command = ["multimon-ng", "-q", "-a", "DTMF", "-t", "raw", "-"]
    told = subprocess.run(command, input=raw, capture_output=True, check=True).stdout.decode()
    return "".join(line.split()[-1] for line in told.splitlines() if line.startswith("DTMF"))


def by_dtmf(sound, rate):
    keys, before, given = "", None, None
    for block in dtmf.detect(list(at_rate(sound, rate, 8_000) / 32_768), 8_000):
        now = str(block.tone) if block.tone is not None else None
        if now is not None and now == before and now != given:
            keys += now
            given = now
        if now is None:
            given = None
        before = now
    return keys


def in_order(typed, heard):
    """How many of the keys that were typed are in what was heard, in their order."""
    row = [0] * (len(heard) + 1)
    for key in typed:
        before = row[:]
        for n, other in enumerate(heard):
            row[n + 1] = before[n] + 1 if key == other else max(before[n + 1], row[n])
    return row[-1]


class Tally(collections.Counter):
    """Of some clips: keys typed, captured and heard, and the worst residual."""

    def __init__(self):
        super().__init__()
        self.worst = -200.0

    def add(self, clip, heard):
        self.worst = max(self.worst, float(clip["residual"]))
        self["clips"] += 1
        self["over"] += float(clip["residual"]) > LIMIT
        self["typed"] += len(clip["typed"])
        self["captured"] += in_order(clip["typed"], clip["captured"])
        self["too many"] += len(clip["captured"]) - in_order(clip["typed"], clip["captured"])
        self["ours"] += int(clip["heard"])
        for name, keys in heard.items():
            self[name] += in_order(clip["typed"], keys) if name.startswith("open") else len(keys)

    def line(self, name):
        share = 100 * self["captured"] / self["typed"]
        return (
            f"| {name} | {self['clips']} | {self['captured']:,} of {self['typed']:,} ({share:.2f} %) | {self['too many']} "
            f"| {self.worst:.1f} dBFS | {self['over']} | {self['ours']} | {self['multimon']} | {self['dtmf']} |"
        )


def judge(folder, clips):
    tallies = collections.defaultdict(Tally)
    for clip in clips:
        path = folder / f"{int(clip['clip']):05}.wav"
        sound, rate = samples(path)
        heard = {"multimon": by_multimon(sound, rate), "dtmf": by_dtmf(sound, rate)}
        beside = path.with_suffix(".open.wav")
        if beside.exists():
            let_through, rate = samples(beside)
            heard |= {"open multimon": by_multimon(let_through, rate), "open dtmf": by_dtmf(let_through, rate)}
            tallies["all"]["open typed"] += len(clip["typed"])
        for group in ["all", f"{clip['codec']}", f"{clip['loss']} % loss", f"{clip['level']} dBm0"]:
            tallies[group].add(clip, heard)
        path.unlink()
        beside.unlink(missing_ok=True)
    return tallies


def play(arguments, folder):
    command = [os.environ["MASKING"], "--seed", str(arguments.seed), "--every", str(arguments.every)]
    told = subprocess.run([*command, "--wav", str(folder)], stdout=subprocess.PIPE, check=True, text=True).stdout
    lines = [line.split("\t") for line in told.splitlines()]
    return [dict(zip(lines[0], line)) for line in lines[1:]]


def speak(folder, minutes):
    """Captured keys, and the share of spoken 10 ms that was not let through, in speech without keys."""
    words = " ".join((HERE / "../.." / name).read_text() for name in DOCUMENTS)
    words = [word for word in words.split() if word.isascii()]
    seconds, captured, spoken, withheld, turn = 0.0, 0, 0, 0, 0
    while seconds < 60 * minutes:
        path = folder / "speech.wav"
        text = " ".join(words[(turn * 397 + n) % len(words)] for n in range(500))
        voice = ["-v", VOICES[turn % len(VOICES)], "-p", str(20 + turn * 17 % 70), "-s", str(130 + turn * 29 % 70)]
        subprocess.run(["espeak-ng", *voice, "-w", str(path), text], check=True)
        sound, rate = samples(path)
        loudness = [0.1, 0.3, 0.6, 1.0][turn % 4]
        with wave.open(str(path), "w") as narrow:
            narrow.setparams((1, 2, 8_000, 0, "NONE", ""))
            narrow.writeframes((at_rate(sound, rate, 8_000) * loudness).astype("<i2").tobytes())
        told = subprocess.run([os.environ["MASKING"], "--speech", str(path)], capture_output=True, check=True, text=True)
        figures = told.stdout.split("\t")
        seconds += float(figures[1])
        captured, spoken, withheld = captured + int(figures[2]), spoken + int(figures[3]), withheld + int(figures[4])
        turn += 1
    return seconds / 60, captured, 100 * (1 - withheld / spoken)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--speech-minutes", type=float, default=60)
    parser.add_argument("--keep")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(arguments.keep or folder)
        folder.mkdir(parents=True, exist_ok=True)
        tallies = judge(folder, play(arguments, folder))
        minutes, captured, kept = speak(folder, arguments.speech_minutes)
    print("| clips | | captured | too many | residual | over the limit | heard by us | by multimon-ng | by dtmf |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, tally in tallies.items():
        print(tally.line(name))
    total = tallies["all"]
    print(f"\nLet through: {total['open typed']} keys, of which multimon-ng heard {total['open multimon']} and dtmf "
          f"{total['open dtmf']}. {minutes:.0f} minutes of speech: {captured} keys captured, {kept:.1f} % let through.")
    if total["ours"] + total["multimon"]:
        sys.exit("keys were heard")


main()
