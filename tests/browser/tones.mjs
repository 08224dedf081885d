// Browsers with tones for microphones.

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { microphone } from "./microphone.mjs";

/** A headless browser whose microphone says a tone. Certificates that nobody vouches for are taken. */
export async function browser(executablePath, hertz) {
  const file = microphone(mkdtempSync(join(tmpdir(), "confab-")), hertz);
  const args = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
    `--use-file-for-fake-audio-capture=${file}`, "--autoplay-policy=no-user-gesture-required", "--ignore-certificate-errors"];
  return chromium.launch({ executablePath, args });
}
