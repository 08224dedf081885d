// The official browser SDK, unchanged, in two real browsers with tones for microphones: it registers, calls a conference, is called
// over the API, hears and is heard, mutes, types, refuses, comes back when its connection was cut, begins ICE anew, takes a newer
// token, and leaves. sdk.sh makes the node.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { connect, createServer as createTcpServer } from "node:net";
import twilio from "twilio";
import { wave } from "./microphone.mjs";
import { browser } from "./tones.mjs";

const { NODE_URL, NODE_HTTPS, NODE_SID, NODE_TOKEN, CHROMIUM } = process.env;
// A busy machine takes its time; nothing here is about how long.
const PATIENCE = 60_000;
const TONES = { ann: 700, bob: 1300 };
const SDK = readFileSync(new URL("node_modules/@twilio/voice-sdk/dist/twilio.min.js", import.meta.url));
const SILENCE = wave(0, 1);

const told = [];
const scripts = {
  "/meet": '<Response><Dial><Conference beep="false">browsers</Conference></Dial></Response>',
  "/typed": '<Response><Dial><Conference beep="false">browsers</Conference></Dial></Response>',
  "/keys": '<Response><Gather numDigits="3" timeout="60" action="/typed"/></Response>',
};
const pages = {
  "/": ["text/html", '<!doctype html><title>agent</title><script src="/sdk.js"></script><script src="/options.js"></script>'],
  "/sdk.js": ["text/javascript", SDK],
  "/options.js": ["text/javascript", `
    const names = ["disconnect", "incoming", "outgoing", "dtmfs", "dtmfh", ..."0123456789"].map((name) => name.length > 1 ? name : "dtmf" + name);
    const sounds = Object.fromEntries(names.map((name) => [name, "/silence.wav"]));
    const options = (chunderw) => ({ chunderw, sounds, publishEvents: false, logLevel: "silent", closeProtection: false, maxCallSignalingTimeoutMs: 30000 });`],
  "/silence.wav": ["audio/wav", SILENCE],
};
const application = createServer((request, response) => {
  let body = "";
  request.on("data", (part) => (body += part));
  request.on("end", () => {
    const page = pages[request.url.split("?")[0]];
    if (page) return response.setHeader("content-type", page[0]).end(page[1]);
    told.push([request.url, new URLSearchParams(body)]);
    response.setHeader("content-type", "application/xml").end(scripts[request.url] ?? "<Response/>");
  });
}).listen(0, "127.0.0.1");

/** What stands between the browsers and the node, and can be cut. */
const wires = new Set();
const wire = createTcpServer((socket) => {
  const [host, port] = NODE_HTTPS.split(":");
  const onward = connect(port, host);
  for (const [one, other] of [[socket, onward], [onward, socket]]) {
    wires.add(one);
    one.pipe(other);
    one.on("error", () => other.destroy());
    one.on("close", () => { wires.delete(one); other.destroy(); });
  }
}).listen(0, "127.0.0.1");
for (const server of [application, wire]) if (!server.listening) await new Promise((listening) => server.once("listening", listening));
const HERE = `http://127.0.0.1:${application.address().port}`;

const client = twilio(NODE_SID, NODE_TOKEN, { accountSid: NODE_SID });
client.api.baseUrl = NODE_URL;

function token(key, identity, sid) {
  const { AccessToken } = twilio.jwt;
  const made = new AccessToken(NODE_SID, key.sid, key.secret, { identity, ttl: 600 });
  made.addGrant(new AccessToken.VoiceGrant({ incomingAllow: true, outgoingApplicationSid: sid, outgoingApplicationParams: { team: "blue" } }));
  return made.toJwt();
}

/** A page with a device that is registered. */
async function device(name, bearer) {
  const launched = await browser(CHROMIUM, TONES[name]);
  const page = await launched.newPage();
  page.setDefaultTimeout(PATIENCE);
  const strays = [];
  page.on("request", (request) => new URL(request.url()).hostname === "127.0.0.1" || strays.push(request.url()));
  await page.goto(HERE);
  await page.evaluate(async ([bearer, host]) => {
    window.device = new Twilio.Device(bearer, options(host));
    window.news = [];
    for (const name of ["registered", "unregistered", "incoming", "error", "tokenWillExpire"]) {
      device.on(name, (what) => {
        news.push(name === "error" ? `error ${what.code}` : name);
        if (name === "incoming") window.call = what;
      });
    }
    const context = new AudioContext();
    const quiet = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    window.rtcConstraints = { audio: quiet };
    /** Listens to the call. */
    window.listens = async () => {
      while (!call.getRemoteStream()) await new Promise((later) => setTimeout(later, 20));
      const ear = context.createAnalyser();
      ear.fftSize = 8192;
      context.createMediaStreamSource(call.getRemoteStream()).connect(ear);
      /** How loud a tone is, in dB. */
      window.hears = (hertz) => {
        const bins = new Float32Array(ear.frequencyBinCount);
        ear.getFloatFrequencyData(bins);
        return bins[Math.round((hertz * ear.fftSize) / context.sampleRate)];
      };
      call.on("messageReceived", ({ content }) => news.push(`message ${JSON.stringify(content)}`));
      for (const name of ["reconnecting", "reconnected", "disconnect", "cancel"]) call.on(name, () => news.push(name));
    };
    await device.register();
  }, [bearer, `127.0.0.1:${wire.address().port}`]);
  await heard(page, "registered");
  return { launched, page, strays };
}

/** Waits for news of a device, and forgets it. */
const heard = (page, name) => page.waitForFunction((name) => {
  const at = window.news.indexOf(name);
  return at >= 0 && window.news.splice(at, 1);
}, name);
const hears = ({ page }, loud, quiet) => page.waitForFunction(
  ([loud, quiet]) => window.hears(loud) > -50 && window.hears(loud) - window.hears(quiet) > 25, [loud, quiet]);
const hearsNo = ({ page }, hertz) => page.waitForFunction((hertz) => window.hears(hertz) < -80, hertz);
const hearEachOther = (ann, bob) => Promise.all([hears(ann, TONES.bob, TONES.ann), hears(bob, TONES.ann, TONES.bob)]);

const launched = [];
try {
  const key = await client.newKeys.create({});
  const make = (path) => client.applications.create({ voiceUrl: `${HERE}${path}` });
  const [meet, keys] = [await make("/meet"), await make("/keys")];
  const [ann, bob] = await Promise.all([device("ann", token(key, "ann", meet.sid)), device("bob", token(key, "bob", keys.sid))]);
  launched.push(ann.launched, bob.launched);
  assert.equal(await ann.page.evaluate(() => device.identity), "ann");

  // Bob calls and types; Ann is called over the API, and answers.
  const typing = bob.page.evaluate(async () => {
    window.call = await device.connect({ params: { To: "floor", shoe: "a b" }, rtcConstraints });
    await new Promise((accepted) => call.on("accept", accepted));
    await listens();
    return call.parameters.CallSid;
  });
  const bobs = await typing;
  for (const digit of "427") {
    await bob.page.evaluate((digit) => call.sendDigits(digit), digit);
    await bob.page.waitForTimeout(300);
  }
  const anns = await client.calls.create({ to: "client:ann?order=42", from: "+15550100", url: `${HERE}/meet` });
  await heard(ann.page, "incoming");
  const incoming = await ann.page.evaluate(async () => {
    const accepted = new Promise((accepted) => call.on("accept", accepted));
    call.accept({ rtcConstraints });
    await accepted;
    await listens();
    return [call.parameters.From, call.parameters.CallSid, call.customParameters.get("order")];
  });
  assert.deepEqual(incoming, ["+15550100", anns.sid, "42"]);
  await hearEachOther(ann, bob);
  const asked = told.find(([path]) => path === "/keys")[1];
  assert.deepEqual(["From", "To", "shoe", "team", "CallSid"].map((name) => asked.get(name)), ["client:bob", "floor", "a b", "blue", bobs]);
  assert.equal(told.find(([path]) => path === "/typed")[1].get("Digits"), "427");

  await ann.page.evaluate(() => call.mute(true));
  await hearsNo(bob, TONES.ann);
  await ann.page.evaluate(() => call.mute(false));
  await hears(bob, TONES.ann, TONES.bob);

  // The page and its application say things to each other.
  await client.calls(anns.sid).userDefinedMessageSubscriptions.create({ callback: `${HERE}/said` });
  await client.calls(anns.sid).userDefinedMessages.create({ content: JSON.stringify({ m: 2 }) });
  await ann.page.waitForFunction(() => window.news.includes('message {"m":2}'));
  await ann.page.evaluate(() => new Promise((sent) => {
    call.on("messageSent", sent);
    call.sendMessage({ content: { n: 1 }, contentType: "application/json", messageType: "user-defined-message" });
  }));
  while (!told.some(([path, form]) => path === "/said" && form.get("Content") === '{"n":1}')) await ann.page.waitForTimeout(50);

  // The wires are cut: the SDK comes back to calls that went on.
  for (const socket of wires) socket.destroy();
  for (const { page } of [ann, bob]) for (const name of ["reconnecting", "unregistered", "reconnected", "registered"]) await heard(page, name);
  await hearEachOther(ann, bob);
  // Media that fail are mended by ICE that begins anew, whoever called.
  for (const { page } of [ann, bob]) {
    await page.evaluate(() => call._mediaHandler.iceRestart());
    await page.waitForFunction(() => ["connected", "completed"].includes(call._mediaHandler.version.pc.iceConnectionState)
      && call._mediaHandler.version.pc.signalingState === "stable");
  }
  await hearEachOther(ann, bob);
  // A newer token does not disturb.
  await ann.page.evaluate((bearer) => device.updateToken(bearer), token(key, "ann", meet.sid));
  await ann.page.waitForTimeout(300);
  await hearEachOther(ann, bob);

  // One hangs up, the other is hung up on.
  await ann.page.evaluate(() => call.disconnect());
  await heard(ann.page, "disconnect");
  await hearsNo(bob, TONES.ann);
  await client.calls(bobs).update({ status: "completed" });
  await heard(bob.page, "disconnect");
  assert.equal((await client.calls(anns.sid).fetch()).status, "completed");

  // Who refuses is busy; who is called no more does not answer.
  const ends = async (sid, status) => {
    for (;;) {
      const found = (await client.calls(sid).fetch()).status;
      if (found === status) return;
      assert(["queued", "ringing"].includes(found), found);
      await new Promise((later) => setTimeout(later, 50));
    }
  };
  const place = () => client.calls.create({ to: "client:ann", from: "+15550100", twiml: "<Response/>" });
  const refused = await place();
  await heard(ann.page, "incoming");
  await ann.page.evaluate(() => call.reject());
  await ends(refused.sid, "busy");
  const given = await place();
  await heard(ann.page, "incoming");
  await ann.page.evaluate(() => call.on("cancel", () => news.push("cancel")));
  await client.calls(given.sid).update({ status: "canceled" });
  await heard(ann.page, "cancel");
  await ann.page.evaluate(() => device.unregister());
  await heard(ann.page, "unregistered");
  await ends((await place()).sid, "no-answer");

  // Tokens that let nobody in are the SDK's own errors.
  for (const [bad, code] of [["nonsense", 20101], [token({ sid: `SK${"0".repeat(32)}`, secret: "x" }, "eve", meet.sid), 20151]]) {
    const page = await ann.launched.newPage();
    await page.goto(HERE);
    const said = await page.evaluate(([bad, host]) => new Promise((said) => {
      const device = new Twilio.Device(bad, options(host));
      device.on("error", (error) => said(error.code));
      device.register().catch(() => {});
    }), [bad, `127.0.0.1:${wire.address().port}`]);
    assert.equal(said, code);
    await page.close();
  }
  assert.deepEqual([...ann.strays, ...bob.strays], []);
  for (const { page } of [ann, bob]) assert.deepEqual(await page.evaluate(() => news.filter((one) => one.startsWith("error"))), ["error 31005"]);
  console.log("sdk: two devices called, were called, typed, muted, came back, began anew, refused and left");
} catch (error) {
  console.error(error, told.map(([path]) => path));
  process.exitCode = 1;
} finally {
  for (const one of launched) await one.close();
  for (const socket of wires) socket.destroy();
  for (const server of [application, wire]) server.close();
}
