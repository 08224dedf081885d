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
RATES = {"PCMU": 8_000, "G722": 16_000, "opus": 48_000}
# Of the texts that are spoken, one in so many is played through all codecs with and without loss.
OTHERS_EVERY = 6
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
        if float(clip["residual"]) > LIMIT or int(clip["heard"]) or heard["multimon"] or heard["dtmf"]:
            print(clip, heard, file=sys.stderr)
        path.unlink()
        beside.unlink(missing_ok=True)
    return tallies


def play(arguments, folder):
    """The clips one after the other, each when its files are there."""
    command = [os.environ["MASKING"], "--seed", str(arguments.seed), "--every", str(arguments.every)]
    with subprocess.Popen([*command, "--wav", str(folder)], stdout=subprocess.PIPE, text=True) as player:
        names = player.stdout.readline().rstrip("\n").split("\t")
        for line in player.stdout:
            yield dict(zip(names, line.rstrip("\n").split("\t")))
    if player.returncode:
        sys.exit("the player failed")


class Kept(collections.Counter):
    """Of speech without keys: seconds, keys that were captured, and how many 10 ms were spoken and withheld."""

    def hear(self, path, codec, loss):
        command = [os.environ["MASKING"], "--speech", str(path), "--codec", codec, "--loss", str(loss)]
        told = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
        _, seconds, *counts = told.split("\t")
        self["seconds"] += float(seconds)
        for name, count in zip(["captured", "spoken", "withheld"], counts):
            self[name] += int(count)

    def line(self, name):
        share = 100 * (1 - self["withheld"] / self["spoken"])
        return f"| {name} | {self['seconds'] / 60:.0f} min | {self['captured']} | {share:.1f} % |"


def say(turn, words, folder):
    """A text in one voice, at each codec's rate."""
    path = folder / "speech.wav"
    text = " ".join(words[(turn * 397 + n) % len(words)] for n in range(500))
    voice = ["-v", VOICES[turn % len(VOICES)], "-p", str(20 + turn * 17 % 70), "-s", str(130 + turn * 29 % 70)]
    # Not as an argument: a text that begins with a flag's name would be taken for one.
    subprocess.run(["espeak-ng", *voice, "-w", str(path), "--stdin"], input=text.encode(), check=True)
    sound, rate = samples(path)
    loudness = [0.1, 0.3, 0.6, 1.0][turn % 4]
    for wanted in RATES.values():
        with wave.open(str(folder / f"speech-{wanted}.wav"), "w") as spoken:
            spoken.setparams((1, 2, wanted, 0, "NONE", ""))
            spoken.writeframes((at_rate(sound, rate, wanted) * loudness).astype("<i2").tobytes())


def speak(folder, minutes):
    """What becomes of speech without keys: all of it in PCMU, and every few texts in other codecs and with loss."""
    words = " ".join((HERE / "../.." / name).read_text() for name in DOCUMENTS)
    words = [word for word in words.split() if word.isascii()]
    tallies = collections.defaultdict(Kept)
    turn = 0
    while tallies["PCMU", 0]["seconds"] < 60 * minutes:
        say(turn, words, folder)
        for codec, rate in RATES.items():
            for loss in [0, 2, 5]:
                if (codec, loss) == ("PCMU", 0) or turn % OTHERS_EVERY == 0:
                    tallies[codec, loss].hear(folder / f"speech-{rate}.wav", codec, loss)
        turn += 1
    return tallies


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
        spoken = speak(folder, arguments.speech_minutes)
    print("| clips | | captured | too many | residual | over the limit | heard by us | by multimon-ng | by dtmf |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, tally in tallies.items():
        print(tally.line(name))
    total = tallies["all"]
    print(f"\nLet through: {total['open typed']} keys, of which multimon-ng heard {total['open multimon']} and dtmf "
          f"{total['open dtmf']}.\n")
    print("| speech without keys | | captured | let through |")
    print("|---|---|---|---|")
    for (codec, loss), kept in spoken.items():
        print(kept.line(f"{codec}, {loss} % lost"))
    if total["ours"] + total["multimon"] + total["over"]:
        sys.exit("keys were heard, or more is left of them than may be")


main()
