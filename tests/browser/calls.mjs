// Two real browsers with tones for microphones call the node over HTTP and meet in a conference: each hears the other's tone and
// not its own, keys reach the script, ICE begins anew under the call, and hanging up ends it. calls.sh makes the node.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { microphone } from "./microphone.mjs";

const { NODE_URL, NODE_SID, NODE_TOKEN, OTHER_ADDRESS, CHROMIUM } = process.env;
// A busy machine takes its time; nothing here is about how long.
const PATIENCE = 60_000;
const TONES = [700, 1300];
const work = mkdtempSync(join(tmpdir(), "confab-"));

const scripts = {
  "/meet": '<Response><Dial><Conference beep="false">browsers</Conference></Dial></Response>',
  "/keys": '<Response><Gather numDigits="3" timeout="60" action="/typed"/></Response>',
  "/typed": '<Response><Dial><Conference beep="false">browsers</Conference></Dial></Response>',
};
const told = [];
const application = createServer((request, response) => {
  let body = "";
  request.on("data", (part) => (body += part));
  request.on("end", () => {
    if (request.url === "/") return response.setHeader("content-type", "text/html").end("<!doctype html><title>agent</title>");
    told.push([request.url, new URLSearchParams(body)]);
    response.setHeader("content-type", "application/xml").end(scripts[request.url] ?? "<Response/>");
  });
}).listen(0, "127.0.0.1");
await new Promise((listening) => application.once("listening", listening));
const HERE = `http://127.0.0.1:${application.address().port}`;

async function api(method, path, form) {
  const response = await fetch(`${NODE_URL}/2010-04-01/Accounts/${NODE_SID}${path}`, {
    method,
    headers: { authorization: `Basic ${Buffer.from(`${NODE_SID}:${NODE_TOKEN}`).toString("base64")}` },
    body: form && new URLSearchParams(form),
  });
  assert(response.ok, `${method} ${path}: ${response.status} ${await response.clone().text()}`);
  return response.status === 204 ? null : response.json();
}

function token(key, identity, application) {
  const now = Math.floor(Date.now() / 1000);
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = {
    jti: `${key.sid}-${now}`, iss: key.sid, sub: NODE_SID, exp: now + 600,
    grants: { identity, voice: { outgoing: { application_sid: application } } },
  };
  const said = `${part({ alg: "HS256", typ: "JWT", cty: "twilio-fpa;v=1" })}.${part(claims)}`;
  return `${said}.${createHmac("sha256", key.secret).update(said).digest("base64url")}`;
}

async function browser(hertz) {
  const args = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
    `--use-file-for-fake-audio-capture=${microphone(work, hertz)}`, "--autoplay-policy=no-user-gesture-required",
    "--allow-loopback-in-peer-connection"];
  const launched = await chromium.launch({ executablePath: CHROMIUM, args });
  const page = await launched.newPage();
  page.setDefaultTimeout(PATIENCE);
  await page.goto(HERE);
  return { launched, page };
}

/** Calls, as the page in docs/browsers.md does it; knowing of the node's addresses those only in which there is this. */
const call = ({ page }, bearer, to, known = "") => page.evaluate(async ([node, bearer, to, known]) => {
  const peer = new RTCPeerConnection();
  // Nothing of it is to be polished.
  const microphone = await navigator.mediaDevices.getUserMedia({
    audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  });
  peer.addTrack(microphone.getAudioTracks()[0], microphone);
  const context = new AudioContext();
  const ear = context.createAnalyser();
  ear.fftSize = 8192;
  peer.ontrack = ({ track }) => {
    const stream = new MediaStream([track]);
    const audio = new Audio();
    audio.srcObject = stream;
    audio.muted = true;
    audio.play();
    context.createMediaStreamSource(stream).connect(ear);
  };
  const ask = async (method, path, headers) => {
    const response = await fetch(new URL(path, node), {
      method, body: method === "DELETE" ? null : peer.localDescription.sdp,
      headers: { authorization: `Bearer ${bearer}`, "content-type": "application/sdp", ...headers },
    });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    return response;
  };
  await peer.setLocalDescription();
  const answered = await ask("POST", `/v1/browser/calls?To=${to}`);
  const location = answered.headers.get("location");
  const reachable = (sdp) => sdp.split("\r\n").filter((line) => !line.startsWith("a=candidate:") || line.includes(known)).join("\r\n");
  await peer.setRemoteDescription({ type: "answer", sdp: reachable(await answered.text()) });
  window.restart = async () => {
    peer.restartIce();
    await peer.setLocalDescription();
    const anew = await ask("PATCH", location, { "if-match": answered.headers.get("etag") });
    await peer.setRemoteDescription({ type: "answer", sdp: reachable(await anew.text()) });
  };
  window.hangUp = () => ask("DELETE", location);
  window.peer = peer;
  /** How loud a tone is, in dB. */
  window.hears = (hertz) => {
    const bins = new Float32Array(ear.frequencyBinCount);
    ear.getFloatFrequencyData(bins);
    return bins[Math.round((hertz * ear.fftSize) / context.sampleRate)];
  };
  return answered.headers.get("x-call-sid");
}, [NODE_URL, bearer, to, known]);

/** Where the node is, for a browser. */
const reached = ({ page }) => page.evaluate(async () => {
  const stats = await window.peer.getStats();
  const transport = [...stats.values()].find((stat) => stat.type === "transport");
  return stats.get(stats.get(transport.selectedCandidatePairId).remoteCandidateId).address;
});

const hears = ({ page }, loud, quiet) => page.waitForFunction(
  ([loud, quiet]) => window.hears(loud) > -50 && window.hears(loud) - window.hears(quiet) > 25, [loud, quiet]);

const launched = [];
try {
  const key = await api("POST", "/Keys.json", {});
  const make = (path) => api("POST", "/Applications.json", { VoiceUrl: `${HERE}${path}` });
  const [meet, keys] = [await make("/meet"), await make("/keys")];
  const [one, other] = await Promise.all(TONES.map(browser));
  launched.push(one.launched, other.launched);

  await call(one, token(key, "ann", meet.sid), "floor", "127.0.0.1");
  const second = await call(other, token(key, "bob", keys.sid), "floor", OTHER_ADDRESS);
  for (const digit of ["4", "2", "7"]) {
    await other.page.waitForFunction(() => window.peer.getSenders()[0].dtmf.canInsertDTMF);
    await other.page.evaluate((digit) => window.peer.getSenders()[0].dtmf.insertDTMF(digit, 120, 100), digit);
    await other.page.waitForFunction(() => window.peer.getSenders()[0].dtmf.toneBuffer === "");
    await other.page.waitForTimeout(300);
  }
  await Promise.all([hears(one, TONES[1], TONES[0]), hears(other, TONES[0], TONES[1])]);
  assert.equal(await reached(one), "127.0.0.1");
  assert.equal(await reached(other), OTHER_ADDRESS);
  const typed = told.find(([path]) => path === "/typed");
  assert.equal(typed[1].get("Digits"), "427");
  const met = told.find(([path]) => path === "/meet");
  assert.equal(met[1].get("From"), "client:ann");

  await one.page.evaluate(() => window.restart());
  await one.page.waitForFunction(() => window.peer.iceConnectionState === "connected");
  await Promise.all([hears(one, TONES[1], TONES[0]), hears(other, TONES[0], TONES[1])]);
  const profile = await one.page.evaluate(async () =>
    [...(await window.peer.getStats()).values()].find((stat) => stat.type === "transport").srtpCipher);
  assert.match(profile, /GCM/);

  await one.page.evaluate(() => window.hangUp());
  await other.page.waitForFunction((hertz) => window.hears(hertz) < -80, TONES[0]);
  await other.page.evaluate(() => window.peer.close());
  while ((await api("GET", `/Calls/${second}.json`)).status !== "completed") await other.page.waitForTimeout(100);
  console.log("browser_calls: two browsers heard each other, typed, began anew and hung up");
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  for (const one of launched) await one.close();
  application.close();
  rmSync(work, { recursive: true, force: true });
}
