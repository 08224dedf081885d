#!/usr/bin/env python3
"""Makes the arrival traces of this folder: `make.py record` measures lan.txt on this machine's loopback, `make.py
synthesise` computes the others, the same from the same seed. The README says what is in them."""

import random
import socket
import struct
import sys
import threading
import time

PTIME_US = 20_000


def write(name, about, tokens):
    with open(f"{name}.txt", "w") as out:
        for line in about:
            out.write(f"# {line}\n")
        out.write("ptime 20\n")
        for at in range(0, len(tokens), 20):
            out.write(" ".join(str(token) for token in tokens[at : at + 20]) + "\n")


def record(seconds=60):
    """Sends a datagram every 20 ms over loopback; the kernel stamps when it came. The sender's lateness counts."""
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.setsockopt(socket.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS
    receiver.bind(("127.0.0.1", 0))
    receiver.settimeout(2)
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    count = seconds * 50
    start = time.time() + 0.5

    def send():
        for n in range(count):
            time.sleep(max(0.0, start + n * PTIME_US / 1e6 - time.time()))
            sender.sendto(struct.pack("!I", n), receiver.getsockname())

    threading.Thread(target=send).start()
    delays = ["-"] * count
    for _ in range(count):
        data, control, _, _ = receiver.recvmsg(64, 128)
        (n,) = struct.unpack("!I", data)
        sec, nano = struct.unpack("qq", control[0][2][:16])
        delays[n] = int((sec - start) * 1e6 + nano / 1e3 - n * PTIME_US)
    about = ["Recorded over loopback on a machine of two busy cores, 60 s."]
    write("lan", about, delays)


def in_order(delays):
    """One queue: no packet overtakes another."""
    last = 0
    for n, delay in enumerate(delays):
        if delay == "-":
            continue
        last = max(last, n * PTIME_US + delay)
        delays[n] = last - n * PTIME_US
    return delays


def stall(delays, at_s, length_ms):
    """Nothing passes for a while; what was sent meanwhile comes at its end."""
    begin = int(at_s * 50)
    end = begin * PTIME_US + length_ms * 1_000
    for n in range(begin, len(delays)):
        if n * PTIME_US >= end:
            break
        if delays[n] != "-":
            delays[n] = max(delays[n], end - n * PTIME_US)


def synthesise():
    r = random.Random(20)
    calm = lambda seconds: [1_000 + r.randrange(1_000) for _ in range(seconds * 50)]

    delays = [3_000 + int(r.expovariate(1 / 2_000)) for _ in range(60 * 50)]
    at = 1.0
    while at < 59:
        stall(delays, at, r.randrange(20, 80))
        at += r.expovariate(1 / 2.0)
    delays = ["-" if r.random() < 0.003 else delay for delay in delays]
    write("wifi", ["A busy Wi-Fi cell: 2 ms of exponential jitter, a stall of 20-80 ms every 2 s or so, 0.3 % lost."],
          in_order(delays))

    queue, delays = 0.0, []
    for _ in range(60 * 50):
        queue = max(0.0, 0.97 * queue + r.gauss(500, 2_500))
        delays.append(45_000 + int(queue) + r.randrange(4_000))
    for at, length in ((12, 180), (25, 120), (26, 160), (41, 190)):
        stall(delays, at, length)
    delays = ["-" if r.random() < 0.01 else delay for delay in delays]
    write("mobile", ["A mobile network: a wandering queue of 0-40 ms, 1 % lost, handovers of 120-190 ms at 12, 25, 26",
                     "and 41 s."], in_order(delays))

    delays = calm(30)
    stall(delays, 10, 190)
    stall(delays, 20, 100)
    write("spikes", ["A calm network with stalls of 190 ms at 10 s and of 100 ms at 20 s."], in_order(delays))

    delays = calm(40)
    delays[10 * 50 : 10 * 50 + 75] = ["-"] * 75
    stall(delays, 25, 1_000)
    write("blackout", ["All is lost for 1.5 s from 10 s on; all is held up for 1 s from 25 s on, and then comes at once."],
          in_order(delays))

    for name, ppm in (("drift-slow-sender", 300), ("drift-fast-sender", -300)):
        delays = [60_000 + r.randrange(800) + n * PTIME_US * ppm // 1_000_000 for n in range(150 * 50)]
        about = [f"The sender's clock is {abs(ppm)} ppm {'slow' if ppm > 0 else 'fast'}; a calm network otherwise."]
        write(name, about, delays)

    delays = calm(60)
    for n in range(50, len(delays)):
        if r.random() < 0.05:
            delays[n] += r.randrange(25_000, 45_000)
    write("reorder", ["One packet in twenty is overtaken by one or two others."], delays)

    tokens = []
    for _ in range(40):
        tokens += [2_000 + int(r.expovariate(1 / 3_000)) for _ in range(r.randrange(20, 150))]
        tokens.append(f"+{r.randrange(10, 200)}")
    write("dtx", ["Talk spurts of 0.4-3 s and pauses of 0.2-4 s in which nothing is sent; 3 ms of exponential jitter."],
          tokens)


if __name__ == "__main__":
    {"record": record, "synthesise": synthesise}[sys.argv[1]]()
