// A telephone for the tests: SIP over UDP and G.711, with a tone for a voice and an ear that knows tones apart. It calls, is
// called, registers and hangs up.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";

/** A busy machine takes its time; nothing here is about how long. */
export const PATIENCE = 60_000;
const RATE = 8000;
const FRAME = 160;
const LOUDNESS = 6000;
/** What is listened to: the last half second. */
const EAR = 4000;
/** Louder than this, a tone is heard; softer than the other, it is not there. */
const HEARD = 1500;
const UNHEARD = 250;

const fresh = () => randomBytes(6).toString("hex");
const md5 = (text) => createHash("md5").update(text).digest("hex");

/** G.711 µ-law (ITU-T G.711). */
function toUlaw(sample) {
  const sign = sample < 0 ? 0x80 : 0;
  const magnitude = Math.min(Math.abs(sample), 32_635) + 132;
  const exponent = Math.floor(Math.log2(magnitude)) - 7;
  return ~(sign | (exponent << 4) | ((magnitude >> (exponent + 3)) & 15)) & 0xff;
}

function fromUlaw(byte) {
  const code = ~byte & 0xff;
  const magnitude = (((code & 15) << 3) + 132) << ((code >> 4) & 7);
  return code & 0x80 ? 132 - magnitude : magnitude - 132;
}

/** The amplitude of a tone among samples (Goertzel). */
export function amplitude(samples, hertz, rate = RATE) {
  const turn = 2 * Math.cos((2 * Math.PI * hertz) / rate);
  let [before, last] = [0, 0];
  for (const sample of samples) [before, last] = [last, sample + turn * last - before];
  return (2 / samples.length) * Math.sqrt(Math.max(0, last * last + before * before - turn * last * before));
}

/** What a condition was to become and did not. */
export async function until(what, holds) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const found = await holds();
    if (found) return found;
    assert(Date.now() < end, `waited in vain: ${what()}`);
    await pause(50);
  }
}

async function bound() {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return socket;
}

/** A telephone with a voice of so many hertz; of a hundred packets so many get lost. */
export class Caller {
  static async at(node, { name = "caller", hertz = null, loses = 0 } = {}) {
    const caller = new Caller();
    const [host, port] = node.split(":");
    Object.assign(caller, { host, port: Number(port), name, hertz, loses, sip: await bound(), rtp: await bound() });
    caller.sip.on("message", (bytes) => caller.#take(bytes.toString()));
    caller.rtp.on("message", (bytes) => caller.#hear(bytes));
    caller.#speak();
    return caller;
  }

  #inbox = [];
  #heard = [];
  #target = null;
  #timer = null;
  dialog = null;
  isOver = false;

  get uri() {
    return `sip:${this.name}@127.0.0.1:${this.sip.address().port}`;
  }

  #sdp() {
    const port = this.rtp.address().port;
    return `v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio ${port} RTP/AVP 0\r\n` +
      "a=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n";
  }

  #say(lines, body = "") {
    const type = body ? ["Content-Type: application/sdp"] : [];
    const text = [...lines, ...type, `Content-Length: ${body.length}`, "", body].join("\r\n");
    this.sip.send(text, this.port, this.host);
  }

  #request(method, uri, cseq, { to = `<${uri}>`, body = "", more = [], branch = fresh() } = {}) {
    const { from, id } = this.dialog;
    this.#say([
      `${method} ${uri} SIP/2.0`,
      `Via: SIP/2.0/UDP 127.0.0.1:${this.sip.address().port};branch=z9hG4bK${branch};rport`,
      "Max-Forwards: 70", `From: ${from}`, `To: ${to}`, `Call-ID: ${id}`, `CSeq: ${cseq} ${method}`,
      `Contact: <${this.uri}>`, ...more,
    ], body);
  }

  #take(text) {
    const [head, body] = text.split("\r\n\r\n");
    const [first, ...lines] = head.split("\r\n");
    const header = (name) => lines.filter((line) => line.toLowerCase().startsWith(`${name}:`))
      .map((line) => line.slice(name.length + 1).trim());
    const message = { first, header, body, status: first.startsWith("SIP/2.0") ? Number(first.split(" ")[1]) : null };
    if (message.status !== null) return this.#inbox.push(message);
    const method = first.split(" ")[0];
    if (method === "INVITE" && !this.dialog) return this.#inbox.push(message);
    if (method === "ACK") return null;
    this.#answer(message, "200 OK", method === "INVITE" ? this.#sdp() : "");
    if (method === "INVITE") this.#follow(body);
    if (method === "BYE" || method === "CANCEL") this.isOver = true;
    return null;
  }

  #answer(request, status, body = "") {
    const to = request.header("to")[0];
    this.#say([
      `SIP/2.0 ${status}`, ...request.header("via").map((via) => `Via: ${via}`), `From: ${request.header("from")[0]}`,
      `To: ${to.includes(";tag=") ? to : `${to};tag=${this.tag ??= fresh()}`}`, `Call-ID: ${request.header("call-id")[0]}`,
      `CSeq: ${request.header("cseq")[0]}`, `Contact: <${this.uri}>`,
      ...request.header("record-route").map((route) => `Record-Route: ${route}`),
    ], body);
  }

  /** Where sound goes, by a session description. */
  #follow(sdp) {
    const address = sdp.match(/c=IN IP4 (\S+)/)[1];
    this.#target = [Number(sdp.match(/m=audio (\d+)/)[1]), address];
  }

  async #next(what, is) {
    return until(() => `${this.name}: ${what}`, () => {
      const at = this.#inbox.findIndex(is);
      return at < 0 ? null : this.#inbox.splice(at, 1)[0];
    });
  }

  /** Calls somebody at the node. */
  async calls(user, { display = this.name } = {}) {
    const uri = `sip:${user}@${this.host}:${this.port}`;
    this.dialog = { from: `<sip:${display}@127.0.0.1>;tag=${fresh()}`, id: fresh(), remote: uri };
    this.#request("INVITE", uri, 1, { body: this.#sdp() });
    const final = await this.#next(`an answer to its call of ${user}`, (one) => one.status >= 200);
    const to = final.header("to")[0];
    const contact = final.header("contact")[0]?.match(/<([^>]+)>/)[1] ?? uri;
    this.#request("ACK", final.status < 300 ? contact : uri, 1, { to });
    assert.equal(final.status, 200, final.first);
    Object.assign(this.dialog, { to, remote: contact });
    this.#follow(final.body);
    return this;
  }

  /** Picks up when it rings. */
  async picksUp() {
    const invite = await this.#next("a call", (one) => one.first.startsWith("INVITE "));
    this.tag = fresh();
    this.dialog = {
      from: `${invite.header("to")[0]};tag=${this.tag}`, to: invite.header("from")[0], id: invite.header("call-id")[0],
      remote: invite.header("contact")[0].match(/<([^>]+)>/)[1],
    };
    this.from = invite.header("from")[0];
    this.#follow(invite.body);
    this.#answer(invite, "200 OK", this.#sdp());
    return this;
  }

  async hangsUp() {
    const { remote, to } = this.dialog;
    this.#request("BYE", remote, 2, { to });
    await this.#next("the end of its call", (one) => one.status === 200 && one.header("cseq")[0].endsWith("BYE"));
    this.isOver = true;
  }

  async isHungUp() {
    await until(() => `${this.name} to be hung up`, () => this.isOver);
  }

  /** Logs in as an agent (RFC 8760 takes MD5 as well). */
  async registers(password) {
    const uri = `sip:${this.host}:${this.port}`;
    const aor = `<sip:${this.name}@${this.host}:${this.port}>`;
    this.dialog = { from: `${aor};tag=${fresh()}`, id: fresh() };
    this.#request("REGISTER", uri, 1, { to: aor, more: ["Expires: 600"] });
    const asked = await this.#next("to be asked who it is", (one) => one.status === 401);
    const challenge = asked.header("www-authenticate").find((line) => /algorithm=MD5/i.test(line) || !/algorithm/i.test(line));
    const [realm, nonce] = ["realm", "nonce"].map((name) => challenge.match(new RegExp(`${name}="([^"]*)"`))[1]);
    const [nc, cnonce] = ["00000001", fresh()];
    const response = md5(`${md5(`${this.name}:${realm}:${password}`)}:${nonce}:${nc}:${cnonce}:auth:${md5(`REGISTER:${uri}`)}`);
    const authorization = `Authorization: Digest username="${this.name}", realm="${realm}", nonce="${nonce}", uri="${uri}", ` +
      `response="${response}", algorithm=MD5, qop=auth, nc=${nc}, cnonce="${cnonce}"`;
    this.#request("REGISTER", uri, 2, { to: aor, more: ["Expires: 600", authorization] });
    const done = await this.#next("to be registered", (one) => one.status >= 200 && one.header("cseq")[0].startsWith("2 "));
    assert.equal(done.status, 200, done.first);
    this.dialog = null;
  }

  /** One packet for each 20 ms that went by. */
  #speak() {
    const ssrc = randomBytes(4).readUInt32BE();
    const began = performance.now();
    let sent = 0;
    this.#timer = setInterval(() => {
      const due = Math.floor((performance.now() - began) / 20);
      for (; sent < due; sent += 1) {
        if (!this.#target || (this.loses && (sent * 37) % 100 < this.loses)) continue;
        const packet = Buffer.alloc(12 + FRAME);
        packet.writeUInt16BE(0x8000, 0);
        packet.writeUInt16BE(sent & 0xffff, 2);
        packet.writeUInt32BE((sent * FRAME) >>> 0, 4);
        packet.writeUInt32BE(ssrc, 8);
        for (let at = 0; at < FRAME; at += 1) {
          const sample = this.hertz ? Math.sin((2 * Math.PI * this.hertz * (sent * FRAME + at)) / RATE) * LOUDNESS : 0;
          packet[12 + at] = toUlaw(Math.round(sample));
        }
        this.rtp.send(packet, ...this.#target);
      }
    }, 20);
  }

  #hear(packet) {
    const type = packet[1] & 0x7f;
    if (type !== 0) return;
    const head = 12 + 4 * (packet[0] & 15);
    for (const byte of packet.subarray(head)) this.#heard.push(fromUlaw(byte));
    if (this.#heard.length > EAR) this.#heard.splice(0, this.#heard.length - EAR);
  }

  /** How loud tones are that it hears. */
  level(hertz) {
    return this.#heard.length < EAR ? 0 : amplitude(this.#heard, hertz);
  }

  /** Waits until it hears just these of all that somebody speaks, at the same moment. */
  async hears(these, all) {
    const levels = () => all.map((hertz) => `${hertz} Hz ${Math.round(this.level(hertz))}`).join(", ");
    await until(() => `${this.name} to hear ${these.join(" and ") || "nobody"}; it hears ${levels()}`, () =>
      this.#heard.length >= EAR && all.every((hertz) =>
        these.includes(hertz) ? this.level(hertz) > HEARD : this.level(hertz) < UNHEARD));
  }

  close() {
    clearInterval(this.#timer);
    this.sip.close();
    this.rtp.close();
  }
}
