// Tones for browsers' microphones.

import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** What is in a file of a tone; silence for 0. */
export function wave(hertz, seconds = 10) {
  const rate = 48_000;
  const data = Buffer.alloc(44 + rate * seconds * 2);
  data.write("RIFF", 0);
  data.writeUInt32LE(data.length - 8, 4);
  data.write("WAVEfmt ", 8);
  data.writeUInt32LE(16, 16);
  data.writeUInt16LE(1, 20);
  data.writeUInt16LE(1, 22);
  data.writeUInt32LE(rate, 24);
  data.writeUInt32LE(rate * 2, 28);
  data.writeUInt16LE(2, 32);
  data.writeUInt16LE(16, 34);
  data.write("data", 36);
  data.writeUInt32LE(data.length - 44, 40);
  for (let i = 0; i < rate * seconds; i++) data.writeInt16LE(Math.sin((2 * Math.PI * hertz * i) / rate) * 8000, 44 + 2 * i);
  return data;
}

/** A file of a tone in `folder`. */
export function microphone(folder, hertz) {
  const path = join(folder, `${hertz}.wav`);
  writeFileSync(path, wave(hertz));
  return path;
}
