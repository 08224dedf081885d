// Every verb of call scripts, as the builders of Twilio's Node SDK write them, and what becomes of each.

import assert from "node:assert/strict";
import twilio from "twilio";

import { refused, settles } from "./app.mjs";

const { VoiceResponse } = twilio.twiml;
const NUMBER = "+442079460151";
const from = "+442079460199";

export async function driveVerbs(node, app, agent, sip, phone) {
  const drive = { node, app, agent, sip, phone };
  app.says("end", hungUp());
  await driveSounds(drive);
  await driveGather(drive);
  await driveRecord(drive);
  await driveDial(drive);
  await driveConference(drive);
  await driveRefer(drive);
  await driveStreams(drive);
  await driveResources(drive);
}

function hungUp() {
  const response = new VoiceResponse();
  response.hangup();
  return response;
}

// A call that follows a page.
async function call({ node, app }, to, page, response) {
  return (await node.calls.create({ to, from, url: app.says(page, response) })).sid;
}

async function isOver({ node }, sid, status = "completed") {
  await settles(`the call ${sid} is ${status}`, async () => (await node.calls(sid).fetch()).status === status);
}

async function codes({ node }, sid) {
  return (await node.calls(sid).notifications.list()).map((note) => note.errorCode);
}

// Say, Play, Pause, Redirect, Hangup.
async function driveSounds(drive) {
  const response = new VoiceResponse();
  response.say({ voice: "man", language: "en-GB", loop: 1 }, "Hello");
  response.play({ loop: 1 }, drive.app.url("tone.wav"));
  response.play({ digits: "1w2" });
  response.pause({ length: 1 });
  response.redirect({ method: "GET" }, "/end");
  const sid = await call(drive, drive.agent, "sounds", response);
  assert.equal((await drive.app.told("end", { CallSid: sid }))[0].method, "GET");
  await isOver(drive, sid);
  // Nothing speaks here, which is told.
  assert.deepEqual((await codes(drive, sid)).filter((code) => code !== "13520"), []);
}

// Gather with its prompts, by a number that is called and keys that are pressed; Reject of another call.
async function driveGather(drive) {
  const { node, app, sip } = drive;
  const response = new VoiceResponse();
  const keys = { numDigits: 3, finishOnKey: "#", timeout: 10, actionOnEmptyResult: true };
  const gather = response.gather({ input: ["dtmf"], action: "/digits", method: "POST", ...keys });
  gather.say("Type a key");
  gather.play(app.url("tone.wav"));
  gather.pause({ length: 1 });
  app.says("digits", hungUp());
  const voiceUrl = app.says("gather", response);
  const number = await node.incomingPhoneNumbers.create({ phoneNumber: NUMBER, voiceUrl });
  const presses = new VoiceResponse();
  presses.play({ digits: "ww47#" });
  presses.pause({ length: 60 });
  const sid = await call(drive, `sip:${NUMBER}@${sip}`, "presses", presses);
  assert.equal((await app.told("digits"))[0].Digits, "47");
  await isOver(drive, sid);

  const rejects = new VoiceResponse();
  rejects.reject({ reason: "busy" });
  const rejecting = { voiceUrl: app.says("rejects", rejects), voiceMethod: "GET" };
  await node.incomingPhoneNumbers(number.sid).update(rejecting);
  const twiml = hungUp().toString();
  const rejected = await node.calls.create({ to: `sip:${NUMBER}@${sip}`, from, twiml });
  await app.told("rejects", { method: "GET", To: NUMBER });
  await isOver(drive, rejected.sid, "busy");
  await node.incomingPhoneNumbers(number.sid).remove();
}

// Record of one who speaks and presses a key; the recording over the API, and one of a whole call.
async function driveRecord(drive) {
  const { node, app, agent, sip } = drive;
  const response = new VoiceResponse();
  response.record({
    action: "/recorded",
    method: "POST",
    timeout: 10,
    finishOnKey: "#",
    maxLength: 60,
    playBeep: false,
    trim: "do-not-trim",
    recordingStatusCallback: "/status-recording",
    recordingStatusCallbackMethod: "POST",
    recordingStatusCallbackEvent: ["in-progress", "completed"],
  });
  app.says("recorded", hungUp());
  const voiceUrl = app.says("record", response);
  const number = await node.incomingPhoneNumbers.create({ phoneNumber: NUMBER, voiceUrl });
  const speaks = new VoiceResponse();
  speaks.play({ loop: 2 }, app.url("tone.wav"));
  speaks.play({ digits: "w#" });
  speaks.pause({ length: 60 });
  const caller = await call(drive, `sip:${NUMBER}@${sip}`, "speaks", speaks);
  const [started] = await app.told("status-recording", { RecordingStatus: "in-progress" });
  const { CallSid, RecordingSid } = started;
  await isOver(drive, caller);
  const [told] = await app.told("recorded", { CallSid });
  assert.deepEqual([told.Digits, told.RecordingUrl.split("/").pop()], ["#", RecordingSid]);
  await app.told("status-recording", { RecordingStatus: "completed", RecordingSid });
  const recording = await node.recordings(RecordingSid).fetch();
  assert.deepEqual([recording.callSid, recording.status, recording.source], [CallSid, "completed", "RecordVerb"]);
  assert.deepEqual((await node.calls(CallSid).recordings.list()).map((one) => one.sid), [RecordingSid]);
  assert.deepEqual((await node.recordings.list({ callSid: CallSid })).map((one) => one.sid), [RecordingSid]);
  assert.equal(await node.recordings(RecordingSid).remove(), true);
  await node.incomingPhoneNumbers(number.sid).remove();

  const waits = new VoiceResponse();
  waits.play({ loop: 0 }, app.url("tone.wav"));
  const spoken = await call(drive, agent, "spoken", waits);
  await isOver(drive, spoken, "in-progress");
  const { recordings } = node.calls(spoken);
  const made = await recordings.create({ recordingChannels: "dual", trim: "do-not-trim" });
  assert.deepEqual([made.status, made.channels, made.source], ["in-progress", 2, "StartCallRecordingAPI"]);
  const current = recordings("Twilio.CURRENT");
  assert.equal((await current.update({ status: "paused", pauseBehavior: "skip" })).status, "paused");
  assert.equal((await current.update({ status: "in-progress" })).status, "in-progress");
  await current.update({ status: "stopped" });
  await node.calls(spoken).update({ status: "completed" });
  const over = async () => (await recordings.list()).every((one) => ["completed", "absent"].includes(one.status));
  await settles("the recording is there", over);
  assert.equal(await recordings(made.sid).remove(), true);
}

// Dial with each noun that is a phone; in parallel, one after another, and with nobody who answers.
async function driveDial(drive) {
  const { node, app, phone } = drive;
  const dials = async (page, attributes, add) => {
    const response = new VoiceResponse();
    const dial = response.dial({ action: `/after-${page}`, method: "POST", timeout: 30, callerId: from, ...attributes });
    add(dial, {
      statusCallback: app.url(`status-${page}`),
      statusCallbackMethod: "POST",
      statusCallbackEvent: ["initiated", "ringing", "answered", "completed"],
    });
    app.says(`after-${page}`, hungUp());
    return call(drive, drive.agent, page, response);
  };
  const whisper = new VoiceResponse();
  whisper.say("A call for you");
  const url = app.says("whisper", whisper);
  const nouns = {
    sip: (dial, told) => dial.sip({ url, method: "GET", ...told }, `sip:agent@${phone}`),
    number: (dial, told) => dial.number({ sendDigits: "1", ...told }, "+4930999"),
    client: (dial, told) => dial.client(told, "alice"),
  };
  for (const [page, add] of Object.entries(nouns)) {
    // Nothing tells when they are connected; the call ends by itself, a second after that.
    const sid = await dials(page, { timeLimit: 1, hangupOnStar: true, answerOnBridge: true }, add);
    const [{ CallSid: child }] = await app.told(`status-${page}`, { CallStatus: "in-progress" });
    const children = await node.calls.list({ parentCallSid: sid });
    assert.deepEqual(children.map((one) => one.sid), [child]);
    if (page === "sip") {
      await app.told("whisper", { method: "GET", CallSid: child });
    }
    const [after] = await app.told(`after-${page}`, { CallSid: sid });
    assert.deepEqual([after.DialCallStatus, after.DialCallSid], ["completed", child]);
    await app.told(`status-${page}`, { CallStatus: "completed" });
    await isOver(drive, sid);
  }
  const sid = await dials("busy", { sequential: true }, (dial, told) => {
    dial.sip(told, `sip:busy@${phone}`);
    dial.sip(`sip:busy@${phone}`);
  });
  assert.equal((await app.told("after-busy", { CallSid: sid }))[0].DialCallStatus, "busy");
  await isOver(drive, sid);
}

async function driveConference(drive) {
  const { node, app, agent } = drive;
  const joins = (page, attributes) => {
    const response = new VoiceResponse();
    response.dial({ action: "/after-conference" }).conference({ waitUrl: "", ...attributes }, "verbs");
    return call(drive, agent, page, response);
  };
  app.says("after-conference", hungUp());
  const first = await joins("first", {
    participantLabel: "first",
    beep: "false",
    startConferenceOnEnter: false,
    statusCallback: app.url("status-verbs"),
    statusCallbackMethod: "GET",
    statusCallbackEvent: ["start", "end", "join", "leave"],
  });
  const joined = { method: "GET", StatusCallbackEvent: "participant-join", CallSid: first };
  await app.told("status-verbs", joined);
  const seat = { participantLabel: "second", endConferenceOnExit: true, muted: false };
  const second = await joins("second", { ...seat, maxParticipants: 5, jitterBufferSize: "small" });
  const [started] = await app.told("status-verbs", { StatusCallbackEvent: "conference-start" });
  const seats = node.conferences(started.ConferenceSid).participants;
  assert.equal((await seats("first").fetch()).callSid, first);
  await node.calls(second).update({ status: "completed" });
  const [ended] = await app.told("status-verbs", { StatusCallbackEvent: "conference-end" });
  assert.equal(ended.ReasonConferenceEnded, "participant-with-end-conference-on-exit-left");
  assert.equal((await app.told("after-conference", { CallSid: first }))[0].DialCallStatus, "answered");
  await isOver(drive, first);
}

async function driveRefer(drive) {
  const response = new VoiceResponse();
  response.refer({ action: "/referred", method: "POST" }).sip("sip:other@192.0.2.9");
  drive.app.says("referred", hungUp());
  const sid = await call(drive, drive.agent, "refer", response);
  const [told] = await drive.app.told("referred", { CallSid: sid });
  assert.deepEqual([told.ReferCallStatus, told.ReferSipResponseCode], ["completed", "202"]);
  assert.equal(told.NotifySipResponseCode, "200");
  await isOver(drive, sid);
}

// Streams whose servers are not there are told of, and the script goes on.
async function driveStreams(drive) {
  const response = new VoiceResponse();
  response.start().stream({ name: "fork", url: "wss://127.0.0.1:1/fork" });
  response.stop().stream({ name: "fork" });
  response.connect().stream({ url: "wss://127.0.0.1:1/talk" });
  response.redirect("/end");
  const sid = await call(drive, drive.agent, "streams", response);
  await drive.app.told("end", { CallSid: sid });
  await isOver(drive, sid);
  await settles("the server that is not there is on record", async () => (await codes(drive, sid)).includes("31902"));
  // The fork may be over before it is stopped, which is said (12200).
  assert.deepEqual((await codes(drive, sid)).filter((code) => !["31902", "12200"].includes(code)), []);
}

// A stream and a payment of a call, over the API.
async function driveResources(drive) {
  const response = new VoiceResponse();
  response.pause({ length: 60 });
  const sid = await call(drive, drive.agent, "resources", response);
  await isOver(drive, sid, "in-progress");
  const { streams, payments } = drive.node.calls(sid);
  const stream = await streams.create({ url: "wss://127.0.0.1:1/fork", name: "desk", track: "both_tracks" });
  assert.deepEqual([stream.sid.slice(0, 2), stream.name, stream.status], ["MZ", "desk", "in-progress"]);
  await refused(400, 31922, "a stream to a page", streams.create({ url: "https://app.example/" }));
  const statusCallback = drive.app.url("paying");
  const payment = await payments.create({ idempotencyKey: "1", statusCallback, chargeAmount: 12.5 });
  assert.deepEqual([payment.sid.slice(0, 2), payment.callSid], ["PK", sid]);
  const ended = await payments(payment.sid).update({ idempotencyKey: "2", statusCallback, status: "cancel" });
  assert.equal(ended.sid, payment.sid);
  await drive.node.calls(sid).update({ status: "completed" });
}

// Enqueue, Leave, Dial Queue, and queues with their members over the API.
export async function driveQueues(node, app, agent) {
  const queue = await node.queues.create({ friendlyName: "live", maxSize: 5 });
  const { members } = node.queues(queue.sid);
  const [waits, leaves, taken] = [new VoiceResponse(), new VoiceResponse(), new VoiceResponse()];
  waits.play(app.url("tone.wav"));
  leaves.leave();
  taken.say("An agent will be with you");
  app.says("hold", waits);
  app.says("leaves", leaves);
  app.says("out", hungUp());
  const enqueues = (page, waitUrl) => {
    const response = new VoiceResponse();
    response.enqueue({ waitUrl, waitUrlMethod: "POST", action: "/out", method: "POST" }, "live");
    return call({ node, app }, agent, page, response);
  };
  const waiting = async () => (await members.list()).map((one) => one.callSid);

  const left = await enqueues("enqueue-1", "/leaves");
  assert.equal((await app.told("out", { CallSid: left }))[0].QueueResult, "leave");
  const first = await enqueues("enqueue-2", "/hold");
  const [asked] = await app.told("hold");
  assert.deepEqual([asked.QueuePosition, asked.QueueSid], ["1", queue.sid]);
  const second = await enqueues("enqueue-3", "/hold");
  await app.told("hold", { CallSid: second });
  assert.deepEqual(await waiting(), [first, second]);
  assert.deepEqual((await members.list({ pageSize: 1 })).map((one) => one.position), [1, 2]);
  assert.equal((await members("Front").fetch()).callSid, first);
  assert.equal((await members(second).fetch()).position, 2);
  assert.equal((await node.queues(queue.sid).fetch()).currentSize, 2);
  await refused(409, 20409, "removing a queue that is not empty", node.queues(queue.sid).remove());

  const response = new VoiceResponse();
  response.dial({ action: "/end" }).queue({ url: app.says("taken", taken), method: "POST" }, "live");
  const desk = await call({ node, app }, agent, "desk", response);
  assert.equal((await app.told("taken", { CallSid: first }))[0].DequeingCallSid, desk);
  await settles("one waits", async () => (await waiting()).join() === second);
  await node.calls(desk).update({ status: "completed" });
  assert.equal((await app.told("out", { CallSid: first }))[0].QueueResult, "bridged");

  await members("Front").update({ url: app.url("end"), method: "GET" });
  await app.told("end", { CallSid: second, method: "GET" });
  assert.equal((await app.told("out", { CallSid: second }))[0].QueueResult, "redirected");
  await refused(404, 20404, "the front of an empty queue", members("Front").fetch());
  assert.equal((await node.queues(queue.sid).update({ friendlyName: "renamed", maxSize: 9 })).maxSize, 9);
  assert((await node.queues.list()).some((one) => one.sid === queue.sid), "the queue is not listed");
  assert.equal(await node.queues(queue.sid).remove(), true);
}
