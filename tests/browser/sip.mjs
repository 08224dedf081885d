// The two pages of docs/browsers.md, word for word, in two real browsers with tones for microphones: agents with JsSIP and with SIP.js
// who log in over a WebSocket, call, type keys, hold, hear each other, hang up, and are called. It makes the node itself.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import { microphone } from "./microphone.mjs";

const { CONFAB, CHROMIUM } = process.env;
// A busy machine takes its time; nothing here is about how long.
const PATIENCE = 60_000;
const work = mkdtempSync(join(tmpdir(), "confab-"));

/** What a page is made of. */
const bundle = async (library) =>
  (await build({ absWorkingDir: import.meta.dirname, entryPoints: [library], bundle: true, format: "esm", write: false, logLevel: "error" })).outputFiles[0].text;
const documented = readFileSync(new URL("../../docs/browsers.md", import.meta.url), "utf8");
const pages = [...documented.matchAll(/```html\n(.*?)```/gs)].map(([, page]) => page);
/** The page with a library. */
function pageWith(library) {
  const found = pages.filter((page) => page.includes(library));
  assert.equal(found.length, 1, `one page with ${library}`);
  return found[0];
}

const files = { "/jssip.js": await bundle("jssip"), "/simple-user.js": await bundle("sip.js") };
const told = [];
const application = createServer((request, response) => {
  let body = "";
  request.on("data", (part) => (body += part));
  request.on("end", () => {
    const file = files[request.url];
    if (file) return response.setHeader("content-type", request.url.endsWith(".js") ? "text/javascript" : "text/html").end(file);
    if (request.method === "GET") return response.writeHead(404).end();
    told.push([request.url, new URLSearchParams(body)]);
    const script = request.url === "/typed"
      ? '<Dial><Conference beep="false">support</Conference></Dial>'
      : '<Gather numDigits="3" timeout="60" action="/typed"/>';
    response.setHeader("content-type", "application/xml").end(`<Response>${script}</Response>`);
  });
}).listen(0, "127.0.0.1");
await new Promise((listening) => application.once("listening", listening));
const HERE = `http://127.0.0.1:${application.address().port}`;

/** A node with the agents of the pages. */
function start() {
  writeFileSync(join(work, "confab.toml"), `egress_allow = "127.0.0.0/8"
[[agent]]\nname = "alice"\npassword = "open sesame"
[[agent]]\nname = "bob"\npassword = "let me in"
[[route]]\nuser = "conf-support"\nvoice_url = "${HERE}/support"\n`);
  const node = spawn(CONFAB, ["serve", "--config", join(work, "confab.toml"), "--data-dir", join(work, "data"),
    "--http-listen", "127.0.0.1:0", "--https-listen", "127.0.0.1:0", "--sip-listen", "127.0.0.1:0", "--browser-port", "0", "--log", "warn"],
    { stdio: ["ignore", "pipe", "inherit"] });
  const ready = new Promise((resolve, reject) => {
    let said = "";
    node.stdout.on("data", (part) => {
      said += part;
      const [, http] = said.match(/^confab ready .*?http=(\S+).*\n/m) ?? [];
      if (http) resolve({ http, https: said.match(/https=(\S+)/)[1] });
    });
    node.once("exit", () => reject(new Error("the node did not start")));
  });
  return { node, ready };
}

const { node, ready } = start();
const launched = [];
try {
  const { http, https } = await ready;
  const credentials = readFileSync(join(work, "data", "credentials.toml"), "utf8");
  const [sid, token] = ["account_sid", "auth_token"].map((name) => credentials.match(new RegExp(`^${name} = "(.*)"$`, "m"))[1]);
  const ask = async (path, form) => {
    const authorization = `Basic ${Buffer.from(`${sid}:${token}`).toString("base64")}`;
    const body = form && new URLSearchParams(form);
    const response = await fetch(`http://${http}${path}`, { method: form ? "POST" : "GET", headers: { authorization }, body });
    assert(response.ok, `${path}: ${response.status} ${await response.clone().text()}`);
    return response;
  };
  const api = async (path, form) => (await ask(`/2010-04-01/Accounts/${sid}${path}`, form)).json();
  const until = async (what, is) => {
    for (const end = Date.now() + PATIENCE; !(await is()); await new Promise((later) => setTimeout(later, 100))) {
      assert(Date.now() < end, `waited in vain for ${what}`);
    }
  };
  const completed = (call) => until("the end of a call", async () => (await api(`/Calls/${call}.json`)).status === "completed");

  // One by WS, the other by WSS.
  files["/alice"] = pageWith("./jssip.js").replace("127.0.0.1:8080", http);
  files["/bob"] = pageWith("./simple-user.js").replace("ws://127.0.0.1:8080", `wss://${https}`);
  const browser = async (name, hertz) => {
    const args = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--ignore-certificate-errors",
      `--use-file-for-fake-audio-capture=${microphone(work, hertz)}`, "--autoplay-policy=no-user-gesture-required"];
    const one = await chromium.launch({ executablePath: CHROMIUM, args });
    launched.push(one);
    const page = await one.newPage();
    page.setDefaultTimeout(PATIENCE);
    page.on("pageerror", (error) => console.error(`${name}:`, error));
    await page.addInitScript(listen);
    await page.goto(`${HERE}/${name}`);
    return page;
  };
  const hears = (page, loud, quiet) => page.waitForFunction(
    ([loud, quiet]) => window.hears(loud) > -50 && window.hears(loud) - window.hears(quiet) > 25, [loud, quiet]);
  const hearsNo = (page, hertz) => page.waitForFunction((hertz) => window.hears(hertz) < -80, hertz);
  const [ALICE, BOB] = [700, 1300];
  const [alice, bob] = await Promise.all([browser("alice", ALICE), browser("bob", BOB)]);
  const both = () => Promise.all([hears(alice, BOB, ALICE), hears(bob, ALICE, BOB)]);
  await until("two agents", async () => /^confab_sip_phones 2$/m.test(await (await ask("/metrics")).text()));

  // They call, type keys by two ways, and meet.
  await Promise.all([alice, bob].map((page) => page.click("#call")));
  await until("two calls", () => told.filter(([path]) => path === "/support").length === 2);
  for (const [page, name, keys] of [[alice, "alice", "427"], [bob, "bob", "519"]]) {
    await page.waitForFunction(() => window.peer?.connectionState === "connected");
    // One after the other, as somebody types.
    await page.type("#keys", keys, { delay: 400 });
    await until(`keys of ${name}`, () => told.some(([path, said]) =>
      path === "/typed" && said.get("Digits") === keys && said.get("From") === `client:${name}`));
  }
  await both();
  for (const [holder, hertz, other] of [[alice, ALICE, bob], [bob, BOB, alice]]) {
    await holder.click("#hold");
    await hearsNo(other, hertz);
    await holder.click("#hold");
    await both();
  }
  await alice.click("#end");
  await hearsNo(bob, ALICE);
  await bob.click("#end");
  for (const [, said] of told.filter(([path]) => path === "/support")) await completed(said.get("CallSid"));

  // They are called, and answer.
  const called = [];
  for (const name of ["alice", "bob"]) {
    const seat = await api("/Conferences/floor/Participants.json", { From: "+15550100", To: `client:${name}`, Beep: "false" });
    called.push(seat.call_sid);
  }
  await both();
  await api(`/Calls/${called[1]}.json`, { Status: "completed" });
  await hearsNo(alice, BOB);
  await bob.waitForFunction(() => window.peer.connectionState === "closed");
  await alice.click("#end");
  for (const call of called) await completed(call);
  console.log("browser_sip: agents with JsSIP and SIP.js called, typed, held, were called and hung up");
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  for (const one of launched) await one.close();
  application.close();
  const ended = new Promise((exit) => node.once("exit", exit));
  if (node.kill()) await ended;
  rmSync(work, { recursive: true, force: true });
}

/** Puts an ear to whatever a page plays, and nothing between its microphone and the node. */
function listen() {
  const context = new AudioContext();
  let ear = context.createAnalyser();
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...terms) {
      super(...terms);
      window.peer = this;
      this.addEventListener("track", ({ track }) => {
        ear = context.createAnalyser();
        ear.fftSize = 8192;
        context.createMediaStreamSource(new MediaStream([track])).connect(ear);
      });
    }
  };
  const ask = MediaDevices.prototype.getUserMedia;
  MediaDevices.prototype.getUserMedia = function () {
    return ask.call(this, { audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
  };
  /** How loud a tone is, in dB. */
  window.hears = (hertz) => {
    const bins = new Float32Array(ear.frequencyBinCount);
    ear.getFloatFrequencyData(bins);
    return bins[Math.round((hertz * ear.fftSize) / context.sampleRate)];
  };
}
