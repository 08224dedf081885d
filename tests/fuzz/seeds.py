#!/usr/bin/env python3
"""Writes the corpora of `rtp`, `telephone_event` and `engine`: python3 tests/fuzz/seeds.py

A seed is a short input that reaches somewhere; the fuzzer goes on from there. The functions below are the words
of the language that engine.rs reads, one byte after another. What the fuzzer finds is kept beside the seeds.
"""

from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"

# --- rtp: a datagram --------------------------------------------------------------------------------------------


def packet(first=0x80, kind=0, rest=b"", payload=b"\xd5" * 160):
    return bytes([first, kind, 0x12, 0x34, 0, 0, 3, 0x20, 0xDE, 0xAD, 0xBE, 0xEF]) + rest + payload


RTP = {
    "plain": packet(),
    "marker": packet(kind=0x80),
    "two-sources": packet(0x82, rest=bytes(8)),
    "fifteen-sources-and-nothing-else": packet(0x8F, rest=bytes(60), payload=b""),
    "extension-one-byte-form": packet(0x90, rest=bytes.fromhex("bede000110ff0000")),
    "extension-without-words": packet(0x90, rest=bytes.fromhex("12340000")),
    "extension-to-the-last-byte": packet(0x90, rest=bytes.fromhex("bede0001aabbccdd"), payload=b""),
    "padding-is-all": packet(0xA0, payload=b"\0\0\0\4"),
    "padding-of-one": packet(0xA0, payload=b"\xd5\1"),
    "everything": packet(0xB1, 0x88, bytes(4) + bytes.fromhex("bede000110ff0000"), b"\xd5" * 8 + b"\0\2"),
    "rtcp": bytes.fromhex("80c900010000002a"),
}

# --- telephone_event: packets of six bytes ----------------------------------------------------------------------


def event(pause, start, key, end=False, duration=160):
    return bytes([pause, start, key, 0x8A if end else 0x0A, duration >> 8, duration & 255])


EVENTS = {
    "one-key": event(0, 2, 5) + event(10, 2, 5) + event(10, 2, 5, True) * 3,
    "ends-are-lost": event(0, 2, 1) + event(50, 4, 2) + event(100, 6, 3, True),
    "late-end-of-the-last-key": event(0, 2, 1) + event(9, 4, 2) + event(9, 2, 1, True) + event(9, 4, 2, True),
    "another-source": event(0, 2, 1) + event(9, 3, 1, True) + event(9, 2, 1, True),
    "no-key": event(0, 2, 16, True) + event(9, 4, 255, True),
    "cut-short": event(0, 2, 7) + b"\0\4\7",
}

# --- engine: a script -------------------------------------------------------------------------------------------

TICK = b"\0"
FETCHING = b"\7"  # stops fetching what the engine gives out, or goes on
EVERYONE, NOBODY = b"\0", b"\2"
FAR_END, STRANGER, NAT, OTHER_PORT = 0, 3, 4, 5
ON_TIME, FROM_THE_PAST, FROM_THE_END_OF_TIME = 0, 254, 255
WITNESS = 254


def ask(leg, conference, what, rest=b""):
    return bytes([5, leg, conference, what]) + rest


def tick_during(asked, fetched):
    """A tick, and a command when some of its packets were fetched and some not."""
    return bytes([2, fetched]) + asked[1:]


def add_leg(leg, media=0):
    return ask(leg, 0, 0, bytes([media]))


def add_conference(conference):
    return ask(0, conference, 4)


def join(leg, conference, audience=EVERYONE):
    return ask(leg, conference, 6, audience + b"\0")


def told(leg, key):
    return ask(leg, 0, 9, bytes([2, key, 160]))


def press(leg, key, millis, times):
    return ask(leg, 0, 9, bytes([3, key, millis, times]))


def hear(leg, hearing):
    return ask(leg, 0, 9, bytes([0, hearing]))


def sounded(leg, conference, what, rest=b""):
    return ask(leg, conference, 9, bytes([10, what]) + rest)


def play(leg, length, plays=1):
    return sounded(leg, 0, 0, bytes([length, plays]))


def stop(leg):
    return sounded(leg, 0, 1)


def announce(conference, length):
    return sounded(0, conference, 2, bytes([length]))


def put_on(programme, length=40):
    return sounded(0, 0, 3, bytes([programme, length]))


def take_off(programme):
    return sounded(0, 0, 4, bytes([programme]))


def tune(leg, programme):
    return sounded(leg, 0, 5, bytes([programme]))


def start_capture(leg):
    return sounded(leg, 0, 6)


def stop_capture(leg):
    return sounded(leg, 0, 7)


def detach(leg):
    return ask(leg, 0, 9, b"\7")


def tap(conference, parts, rate=0):
    return ask(0, conference, 9, bytes([8, parts, rate]))


def untap(conference):
    return ask(0, conference, 9, b"\x09")


def envelope(source, port=0, arrival=ON_TIME):
    return bytes([port, source, arrival])


def raw(data):
    return bytes([0, len(data)]) + data


def audio(kind=0, jump=0, sample=0x55, changes=b"\0"):
    return bytes([1, jump & 255, kind, sample]) + changes


def key(key, end, start=1, changes=b"\0"):
    return bytes([2, key, 0x8A if end else 0x0A, start]) + changes


def rtcp(kind=0, changes=b"\0"):
    return bytes([3, kind, 1]) + changes


def datagram(leg, payload, source=FAR_END, port=0, arrival=ON_TIME):
    return bytes([3, leg]) + payload + envelope(source, port, arrival)


def storm(leg, payload, count, source=FAR_END):
    return bytes([6, leg]) + payload + envelope(source) + bytes([count])


CONFERENCE_HEARD, PLAYED, NOTHING = 0, 2, 3
MIX, EACH, APART_FROM_LEG_1 = 1, 2, 12
TWO_LEGS = add_conference(1) + add_leg(1) + add_leg(2) + join(1, 1) + join(2, 1)

ENGINE = {
    "only-witnesses": TICK * 8,
    "two-legs-talk": TWO_LEGS + (datagram(1, audio()) + datagram(2, audio(sample=0x2A)) + TICK) * 6,
    "muted-beside-the-witnesses": add_leg(3) + join(3, 0, NOBODY) + (datagram(3, audio(sample=0)) + TICK) * 6,
    "strangers-at-a-witness": TICK + (
        datagram(WITNESS, audio(), STRANGER) + datagram(WITNESS, rtcp(), STRANGER) + TICK) * 4,
    "sources-change-all-the-time": TWO_LEGS + TICK + storm(1, audio(), 60) + TICK * 3 + storm(2, audio(), 60, STRANGER),
    "behind-a-nat": add_conference(1) + add_leg(1, 4) + join(1, 1) + (datagram(1, audio(), NAT) + TICK) * 7,
    "behind-a-nat-among-strangers": add_conference(1) + add_leg(1, 4) + join(1, 1) + (
        datagram(1, audio(), NAT) + datagram(1, raw(packet()[:20]), STRANGER) + TICK) * 7,
    "silent-far-end-and-strangers": add_leg(1) + (datagram(1, audio(), STRANGER) + TICK) * 12,
    "digits-nobody-fetches": add_leg(1) + FETCHING + b"".join(
        datagram(1, key(n % 16, True, 10 * n)) for n in range(24)) + FETCHING + TICK,
    "taps-nobody-fetches": TWO_LEGS + ask(1, 0, 9, b"\1\0") + datagram(1, audio()) + FETCHING + TICK * 6 + FETCHING + TICK * 2,
    "digits-told-in-signalling": TWO_LEGS + b"".join(
        told(1, n % 16) + datagram(1, key(n % 16, True, 10 * n)) + TICK for n in range(20)),
    "digits-captured-from-first-to-last": TWO_LEGS + start_capture(1) + start_capture(1) + b"".join(
        told(1, n) + datagram(1, key(n + 1, True, 10 * n)) + TICK for n in range(12)) + stop_capture(1) + TICK * 4
        + stop_capture(1) + TICK * 30 + told(1, 5) + TICK * 3,
    "digits-captured-on-hold-moved-and-beside-others": TWO_LEGS + told(1, 1) + told(2, 2) + start_capture(1) + told(1, 3)
        + told(2, 4) + TICK + play(1, 90) + hear(1, PLAYED) + ask(1, 0, 3, b"\x18") + datagram(1, key(5, True)) + TICK * 2
        + stop_capture(1) + start_capture(1) + told(1, 6) + TICK + ask(1, 0, 3, b"\0") + ask(1, 0, 7) + told(1, 7) + TICK
        + FETCHING + told(1, 8) + stop_capture(1) + TICK * 30 + FETCHING + start_capture(1) + told(1, 9) + TICK + detach(1)
        + start_capture(1) + stop_capture(9) + TICK,
    "digits-pressed-as-events": TWO_LEGS + press(1, 5, 100, 2) + TICK * 8 + press(1, 7, 60, 1) + TICK * 20,
    "digits-pressed-as-tones": add_conference(1) + add_leg(1, 32) + add_leg(2) + join(1, 1) + join(2, 1)
        + press(1, 9, 100, 2) + (datagram(2, audio()) + TICK) * 25,
    "digits-pressed-beyond-the-room-and-on-hold": TWO_LEGS + press(1, 1, 255, 31) + TICK + press(1, 2, 255, 31)
        + ask(1, 0, 3, b"\x08") + TICK * 4 + ask(1, 0, 3, b"\x20") + TICK * 30 + ask(1, 0, 2) + TICK,
    "engine-full": b"".join(add_leg(leg) for leg in range(9)) + b"".join(add_conference(c) for c in range(5)),
    "conference-full": add_conference(1) + b"".join(add_leg(leg) + join(leg, 1) for leg in range(5)) + TICK,
    "conference-removed-with-legs-in-it": TWO_LEGS + TICK + ask(0, 1, 5) + TICK + ask(1, 0, 2) + TICK,
    "legs-removed-while-packets-are-fetched": TWO_LEGS + add_leg(3) + TICK
        + tick_during(ask(1, 0, 2), 3) + tick_during(ask(2, 0, 2), 0) + tick_during(ask(0, 1, 5), 1) + TICK,
    "on-hold": TWO_LEGS + ask(1, 0, 3, b"\x18") + (datagram(1, audio()) + TICK) * 4 + ask(1, 0, 3, b"\0") + TICK,
    "clocks-that-lie": TWO_LEGS + b"".join(
        datagram(1, audio(), arrival=at) + TICK for at in [FROM_THE_PAST, FROM_THE_END_OF_TIME, ON_TIME, 253] * 2),
    "speech-of-those-who-are-muted-and-leave": TWO_LEGS + (datagram(1, audio(kind=0)) + TICK) * 6
        + FETCHING + ask(1, 0, 8, NOBODY) + (datagram(1, audio()) + TICK) * 2 + FETCHING
        + ask(1, 0, 8, EVERYONE) + (datagram(1, audio()) + datagram(2, audio(sample=0)) + TICK) * 5
        + ask(0, 1, 9, b"\4") + TICK + ask(1, 0, 7) + ask(2, 0, 7) + TICK,
    "played-until-over-stopped-and-left-unheard": TWO_LEGS + hear(1, PLAYED) + play(1, 8, 2) + TICK * 3 + stop(1) + TICK
        + stop(1) + play(1, 255, 0) + TICK * 2 + stop(1) + hear(1, CONFERENCE_HEARD) + TICK * 2 + play(1, 8)
        + stop(1) + hear(1, PLAYED) + TICK + play(1, 0, 0) + TICK * 2 + play(7, 8) + stop(7) + hear(1, NOTHING),
    "played-while-nobody-fetches": TWO_LEGS + ask(1, 0, 7) + FETCHING + play(1, 3) + TICK * 3 + play(1, 3) + TICK * 3
        + stop(1) + play(1, 9) + ask(1, 0, 2) + FETCHING + TICK,
    "programmes-that-come-and-go": TWO_LEGS + add_leg(3) + put_on(1) + tune(1, 1) + tune(2, 1) + tune(3, 1)
        + hear(1, PLAYED) + TICK * 2 + stop(3) + take_off(1) + TICK * 5 + put_on(1) + TICK + put_on(1, 0) + tune(3, 9)
        + play(2, 8) + hear(2, PLAYED) + TICK + tune(2, 1) + take_off(1) + take_off(1) + FETCHING + TICK * 5 + put_on(1)
        + FETCHING + stop(1) + hear(1, CONFERENCE_HEARD) + TICK + hear(1, PLAYED) + TICK,
    "programmes-more-than-can-be-on": add_leg(1) + b"".join(put_on(n, 1) for n in range(18)) + tune(1, 17) + tune(1, 15)
        + TICK + take_off(3) + put_on(16) + TICK * 4 + put_on(17) + tune(1, 16) + TICK,
    "programmes-and-keys-pressed-as-tones": add_leg(1, 32) + put_on(1) + tune(1, 1) + TICK + press(1, 9, 60, 2)
        + TICK * 5 + take_off(1) + TICK * 6,
    "announcements-more-than-can-be-played": TWO_LEGS + b"".join(announce(1, 2 * n) for n in range(6)) + TICK * 4
        + FETCHING + b"".join(announce(1, 4) + TICK for _ in range(6)) + FETCHING + announce(1, 4) + announce(4, 4)
        + TICK + ask(0, 1, 5) + TICK,
    "conference-tapped-while-they-come-and-go": TWO_LEGS + tap(1, MIX | APART_FROM_LEG_1) + datagram(1, audio()) + TICK
        + tap(1, EACH) + datagram(2, audio()) + TICK + ask(1, 0, 7) + tap(1, MIX | EACH | APART_FROM_LEG_1) + TICK * 2
        + tap(1, MIX, 1) + datagram(2, audio()) + TICK + untap(1) + untap(1) + TICK + tap(1, MIX, 2) + TICK
        + ask(0, 1, 5) + tap(1, MIX) + untap(1) + TICK,
    "witnesses-tapped-and-nobody-fetches": tap(0, MIX | EACH) + FETCHING + TICK * 4 + FETCHING + TICK * 3,
    "legs-detached-while-they-speak-and-are-played": TWO_LEGS + play(1, 99) + (datagram(1, audio()) + TICK) * 3
        + hear(1, PLAYED) + detach(1) + TICK + detach(1) + add_leg(1) + TICK + tick_during(detach(2), 1) + TICK,
    "asked-how-it-sounds-and-equipped-for-more": TWO_LEGS + ask(1, 1, 9, b"\5") + ask(7, 0, 9, b"\5") + TICK
        + ask(0, 0, 9, b"\6") + ask(0, 1, 9, b"\6") + ask(0, 1, 9, b"\6") + ask(0, 4, 9, b"\6")
        + (datagram(1, audio()) + TICK) * 3,
    "lengths": TWO_LEGS + b"".join(datagram(1, audio(kind=4 * n)) + TICK for n in range(8)),
    "sequence-jumps": TWO_LEGS + b"".join(datagram(1, audio(jump=j)) + TICK for j in [0, 120, -120, 32, -32, 64]),
    "broken-headers": TWO_LEGS + b"".join(
        datagram(1, audio(changes=bytes([1, 0, first]))) for first in [0x00, 0x40, 0xC0, 0x8F, 0x9F, 0xBF]) + TICK,
    "junk": TWO_LEGS + datagram(1, raw(b"")) + datagram(1, raw(b"\x16\xfe\xff" + bytes(20))) + datagram(
        1, raw(b"\0\1\0\0\x21\x12\xa4\x42"), OTHER_PORT) + TICK,
    "rtcp-junk": TWO_LEGS + b"".join(
        datagram(1, rtcp(kind, bytes([1, 3, 255])), port=port) for kind in range(8) for port in (0, 3)) + TICK,
}

for target, seeds in {"rtp": RTP, "telephone_event": EVENTS, "engine": ENGINE}.items():
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in seeds.items():
        (folder / name).write_bytes(data)
