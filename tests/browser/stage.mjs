// What the tests of the console stand on: a browser with a tone for a microphone, the console's page in it, an ear in that page,
// the node's API, and an application that answers with scripts.

import assert from "node:assert/strict";
import { mkdtempSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { chromium } from "playwright-core";

import { PATIENCE } from "./caller.mjs";
import { microphone } from "./microphone.mjs";

export const { CONSOLE_URL: NODE, CONSOLE_HTTP: NODE_HTTP, CONSOLE_SIP: NODE_SIP, CONSOLE_SID: SID, CONSOLE_TOKEN: TOKEN } = process.env;
export const { CHROMIUM, SCREENSHOTS, WORK, CONFAB } = process.env;
/** A folder with the page as it is worked on; by default it is the one in the node. */
const { PAGE } = process.env;

/** Whose voice is which tone, in hertz. */
export const VOICES = { agent: 700, customer: 1300, guest: 1700, supervisor: 1900 };
export const ALL = Object.values(VOICES);

// The node's certificate is one of its own making.
process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
process.removeAllListeners("warning");

/** Asks the node's API, as a program does. */
export async function api(method, path, form) {
  const response = await fetch(`${NODE}/2010-04-01/Accounts/${SID}${path}`, {
    method,
    headers: { authorization: `Basic ${Buffer.from(`${SID}:${TOKEN}`).toString("base64")}` },
    body: form && new URLSearchParams(form),
  });
  assert(response.ok, `${method} ${path}: ${response.status} ${await response.clone().text()}`);
  return response.status === 204 ? null : response.json();
}

/** How a call sounds, as the API tells it. */
export async function qualityOf(call) {
  const response = await fetch(`${NODE}/v1/calls/${call}/quality`, {
    headers: { authorization: `Basic ${Buffer.from(`${SID}:${TOKEN}`).toString("base64")}` },
  });
  return response.json();
}

export async function conference(name) {
  const found = (await api("GET", "/Conferences.json?PageSize=1000")).conferences;
  return found.find((one) => one.friendly_name === name && one.status !== "completed") ?? null;
}

/** An application: what it is asked at a path it answers with the script of that path. */
export async function application(scripts) {
  const server = createServer((request, response) => {
    request.resume();
    request.on("end", () => response.setHeader("content-type", "application/xml").end(scripts[request.url] ?? "<Response/>"));
  }).listen(0, "127.0.0.1");
  await new Promise((listening) => server.once("listening", listening));
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

/** Counts who asks for the microphone, and takes it as it is: what polishes voices takes tones for noise. */
function takeMicrophoneAsItIs() {
  if (!navigator.mediaDevices) return;
  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  window.asked = 0;
  navigator.mediaDevices.getUserMedia = () => {
    window.asked += 1;
    return ask({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
  };
}

export async function open() {
  const voice = microphone(mkdtempSync(join(tmpdir(), "confab-")), VOICES.supervisor);
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ["--no-sandbox", "--use-fake-device-for-media-stream", `--use-file-for-fake-audio-capture=${voice}`,
      "--autoplay-policy=no-user-gesture-required", "--host-resolver-rules=MAP confab.test 127.0.0.1"],
  });
  const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1440, height: 900 }, colorScheme: "light" });
  context.setDefaultTimeout(PATIENCE);
  await context.addInitScript(takeMicrophoneAsItIs);
  if (PAGE) await context.route(/\/console\/\w+\.(js|css)$/, (route) => route.fulfill({ path: join(PAGE, basename(route.request().url())) }));
  return { browser, context, ...(await openPage(context)) };
}

/** A page of the console, and what it complained of. */
export async function openPage(context) {
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => /Content Security Policy|Uncaught/.test(message.text()) && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  return { page, complaints };
}

export async function logIn(page) {
  await page.getByLabel("Account SID").fill(SID);
  await page.getByLabel("Auth token").fill(TOKEN);
  await page.keyboard.press("Enter");
}

/** Waits until the page plays just these of all voices, at the same moment. */
export async function hears(page, these, all = ALL) {
  await page.waitForFunction(([these, all]) => {
    const stream = document.querySelector(".phone audio")?.srcObject;
    if (!stream) return false;
    if (window.ear?.stream !== stream) {
      const context = window.ear?.context ?? new AudioContext();
      const analyser = new AnalyserNode(context, { fftSize: 8192, smoothingTimeConstant: 0 });
      context.createMediaStreamSource(stream).connect(analyser);
      window.ear = { stream, context, analyser };
    }
    const { analyser, context } = window.ear;
    const bins = new Float32Array(analyser.frequencyBinCount);
    analyser.getFloatFrequencyData(bins);
    const level = (hertz) => bins[Math.round((hertz * analyser.fftSize) / context.sampleRate)];
    window.heard = all.map((hertz) => `${hertz} Hz ${level(hertz).toFixed(0)} dB`);
    return all.every((hertz) => (these.includes(hertz) ? level(hertz) > -45 : level(hertz) < -65));
  }, [these, all], { polling: 100 }).catch(async (error) => {
    throw new Error(`the console to hear ${these}; it hears ${await page.evaluate(() => window.heard)}: ${error.message}`);
  });
}

/** Somebody's row on the floor. */
export const seat = (page, name) => page.locator(".seat", { has: page.locator(".name", { hasText: new RegExp(`^${name}$`) }) });

export const card = (page, name) => page.locator(".card", { has: page.getByRole("heading", { name, exact: true }) });

export const phone = (page) => page.getByRole("region", { name: "Telephone" });

/** What the telephone says of its call. */
export const says = (page, words) => phone(page).locator(".phone-state", { hasText: words }).waitFor();
