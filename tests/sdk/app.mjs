// An application: answers the node's webhooks with what it was given, remembers what it was told, and has Twilio's own
// validator judge who signed it.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import twilio from "twilio";

// How long something that the node should do or tell is waited for.
const PATIENCE_MS = 20_000;

export const { CONFAB_URL, CONFAB_ACCOUNT_SID: ACCOUNT, CONFAB_AUTH_TOKEN: TOKEN } = process.env;
assert(CONFAB_URL && ACCOUNT && TOKEN, "CONFAB_URL, CONFAB_ACCOUNT_SID and CONFAB_AUTH_TOKEN must be set");

// A client that authenticates as `user`.
export function client(token = TOKEN, user = ACCOUNT) {
  const made = twilio(user, token, { accountSid: user.startsWith("AC") ? user : ACCOUNT });
  made.api.baseUrl = CONFAB_URL;
  return made;
}

// Wants an answer of the SDK's exception for it.
export async function refused(status, code, what, asked) {
  const outcome = await asked.then(
    () => "it was done",
    (error) => error,
  );
  assert.equal(outcome.status, status, `${what}: expected HTTP ${status}, found ${outcome}`);
  assert.equal(outcome.code, code, `${what}: ${outcome.message}`);
  assert.equal(outcome.moreInfo, `https://www.twilio.com/docs/errors/${code}`, what);
}

export async function settles(what, holds) {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await holds())) {
    assert(Date.now() < deadline, `${what}: not so after ${PATIENCE_MS} ms`);
    await sleep(20);
  }
}

export class App {
  // Who signs for an account.
  tokens = new Map([[ACCOUNT, TOKEN]]);
  pages = new Map([["tone.wav", { type: "audio/wav", body: tone() }]]);
  heard = [];
  forged = [];

  static async start() {
    const app = new App();
    app.server = createServer((request, response) => app.answer(request, response));
    app.server.listen(0, "127.0.0.1");
    await once(app.server, "listening");
    return app;
  }

  url(page) {
    return `http://127.0.0.1:${this.server.address().port}/${page}`;
  }

  // Answers a page with what the SDK's builder made, and says where it is.
  says(page, response) {
    this.pages.set(page, { type: "text/xml", body: response.toString() });
    return this.url(page);
  }

  // What it was told on a page, so often at least, with these parameters.
  async told(page, wanted = {}, times = 1) {
    const fits = ({ at, told }) => at === page && Object.entries(wanted).every(([name, value]) => told[name] === value);
    const what = `/${page} is asked ${times} times with ${JSON.stringify(wanted)}`;
    await settles(what, () => this.heard.filter(fits).length >= times);
    return this.heard.filter(fits).map(({ told }) => told);
  }

  async answer(request, response) {
    const chunks = [];
    for await (const chunk of request) {
      chunks.push(chunk);
    }
    const told = this.judge(request, Buffer.concat(chunks).toString());
    const at = request.url.slice(1).split("?")[0];
    this.heard.push({ at, told: { ...told, method: request.method } });
    const page = this.pages.get(at);
    const missing = { type: "text/plain", body: "" };
    response.writeHead(page || at.startsWith("status") ? 200 : 404, { "Content-Type": (page ?? missing).type });
    response.end((page ?? missing).body);
  }

  // Whether the account that a request is for has signed it, by Twilio's word; with a letter more, nobody has.
  judge(request, body) {
    const url = this.url(request.url.slice(1));
    const form = Object.fromEntries(new URLSearchParams(body));
    const told = { ...Object.fromEntries(new URL(url).searchParams), ...form };
    const signature = request.headers["x-twilio-signature"] ?? "";
    const token = this.tokens.get(told.AccountSid ?? ACCOUNT);
    const isTheirs = twilio.validateRequest(token, signature, url, form);
    if (!isTheirs || twilio.validateRequest(token, signature, `${url}x`, form)) {
      this.forged.push(url);
    }
    return told;
  }
}

// A second of 700 Hz: 8 kHz, 16 bits, mono.
function tone() {
  const file = Buffer.alloc(44 + 16_000);
  file.write("RIFF", 0);
  file.writeUInt32LE(36 + 16_000, 4);
  file.write("WAVEfmt ", 8);
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20);
  file.writeUInt16LE(1, 22);
  file.writeUInt32LE(8_000, 24);
  file.writeUInt32LE(16_000, 28);
  file.writeUInt16LE(2, 32);
  file.writeUInt16LE(16, 34);
  file.write("data", 36);
  file.writeUInt32LE(16_000, 40);
  for (let n = 0; n < 8_000; n += 1) {
    file.writeInt16LE(Math.trunc(8_000 * Math.sin((n * 700 * 2 * Math.PI) / 8_000)), 44 + 2 * n);
  }
  return file;
}
