// Conferences and participants with Twilio's Node SDK: seats with all their parameters, and what is told of them.

import assert from "node:assert/strict";
import twilio from "twilio";

import { refused, settles } from "./app.mjs";

const { VoiceResponse } = twilio.twiml;
const EVENTS = ["start", "end", "join", "leave", "mute", "hold", "modify", "announcement"];
const NEWS = "status-conference";
const from = "+442079460199";

export async function driveSeats(node, app, agent) {
  const music = new VoiceResponse();
  music.play(app.url("tone.wav"));
  music.redirect("");
  app.says("music", music);
  const notice = new VoiceResponse();
  notice.say("Hello");
  app.says("notice", notice);

  const [alice, bob] = await seatTwo(node, app, agent);
  const conference = node.conferences(alice.conferenceSid);
  await driveLists(node, conference, bob);
  await driveUpdates(app, conference, alice);
  await driveAnnouncements(app, conference);
  await refuse(conference, agent);
  await driveEnds(node, app, conference, alice, bob);
}

async function seatTwo(node, app, agent) {
  const seats = node.conferences("live").participants;
  const alice = await seats.create({
    from,
    to: agent,
    label: "alice",
    timeout: 30,
    timeLimit: 600,
    earlyMedia: true,
    beep: "onEnter",
    muted: false,
    startConferenceOnEnter: false,
    endConferenceOnExit: false,
    waitUrl: app.url("music"),
    waitMethod: "GET",
    maxParticipants: 3,
    jitterBufferSize: "small",
    callerId: from,
    statusCallback: app.url("status-seat"),
    statusCallbackMethod: "POST",
    statusCallbackEvent: ["initiated", "ringing", "answered", "completed"],
    conferenceStatusCallback: app.url(NEWS),
    conferenceStatusCallbackMethod: "POST",
    conferenceStatusCallbackEvent: EVENTS,
  });
  assert.deepEqual([alice.label, alice.muted, alice.startConferenceOnEnter], ["alice", false, false]);
  await app.told("music", { CallSid: alice.callSid, method: "GET" });
  assert.equal((await node.conferences(alice.conferenceSid).fetch()).status, "init");
  const coach = { coaching: true, callSidToCoach: alice.callSid };
  const bob = await seats.create({ from, to: "client:alice", label: "bob", beep: "false", ...coach });
  assert.deepEqual([bob.coaching, bob.callSidToCoach], [true, alice.callSid]);
  const status = async () => (await node.conferences(alice.conferenceSid).fetch()).status;
  await settles("the conference goes on", async () => (await status()) === "in-progress");
  return [alice, bob];
}

async function driveLists(node, conference, bob) {
  const seats = conference.participants;
  const labels = async (filter) => (await seats.list(filter)).map((seat) => seat.label).sort();
  assert.deepEqual(await labels({}), ["alice", "bob"]);
  assert.deepEqual(await labels({ pageSize: 1 }), ["alice", "bob"]);
  assert.deepEqual([await labels({ coaching: true }), await labels({ coaching: false })], [["bob"], ["alice"]]);
  assert.equal((await seats("alice").fetch()).label, "alice");
  assert.equal((await seats(bob.callSid).fetch()).label, "bob");
  const made = await conference.fetch();
  const at = (days) => new Date(made.dateCreated.valueOf() + days * 86_400_000);
  const filters = [
    [{ friendlyName: "live" }, true],
    [{ friendlyName: "other" }, false],
    [{ status: "in-progress" }, true],
    [{ status: "completed" }, false],
    [{ dateCreated: at(0) }, true],
    [{ dateCreatedAfter: at(-2) }, true],
    [{ dateCreatedBefore: at(-2) }, false],
    [{ dateUpdated: at(0) }, true],
    [{ dateUpdatedAfter: at(2) }, false],
    [{ dateUpdatedBefore: at(2) }, true],
  ];
  for (const [filter, expected] of filters) {
    const found = (await node.conferences.list(filter)).some((one) => one.sid === made.sid);
    assert.equal(found, expected, `whether conferences.list(${JSON.stringify(filter)}) has the conference`);
  }
}

async function driveUpdates(app, conference, alice) {
  const [seat, coach] = [conference.participants("alice"), conference.participants("bob")];
  const who = async (filter) => (await conference.participants.list(filter)).map((one) => one.label);
  assert.equal((await coach.update({ coaching: false })).callSidToCoach, null);
  await coach.update({ coaching: true, callSidToCoach: alice.callSid });
  await coach.update({ coaching: false });
  await seat.update({ muted: true });
  assert.deepEqual(await who({ muted: true }), ["alice"]);
  await seat.update({ muted: false });
  assert.equal((await seat.update({ hold: true, holdUrl: app.url("music"), holdMethod: "POST" })).hold, true);
  await app.told("music", { method: "POST", CallSid: alice.callSid });
  assert.deepEqual(await who({ hold: true }), ["alice"]);
  const again = coach.update({ coaching: true, callSidToCoach: alice.callSid });
  await refused(400, 16027, "coaching one who is on hold", again);
  assert.equal((await seat.update({ hold: false })).hold, false);
  await seat.update({ waitUrl: app.url("music"), waitMethod: "GET", beepOnExit: false });
  assert.equal((await seat.update({ endConferenceOnExit: true })).endConferenceOnExit, true);
  await seat.update({ endConferenceOnExit: false });
  const participant = ["join", "mute", "unmute", "hold", "unhold", "modify"].map((word) => `participant-${word}`);
  for (const StatusCallbackEvent of ["conference-start", ...participant]) {
    await app.told(NEWS, { StatusCallbackEvent });
  }
}

async function driveAnnouncements(app, conference) {
  const announceUrl = app.url("notice");
  await conference.participants("alice").update({ announceUrl, announceMethod: "GET" });
  await app.told("notice", { method: "GET" });
  await conference.update({ announceUrl, announceMethod: "POST" });
  await app.told("notice", { method: "POST" });
  await app.told(NEWS, { StatusCallbackEvent: "announcement-end" }, 2);
}

async function refuse(conference, agent) {
  const seats = conference.participants;
  await refused(400, 16026, "a label that is in use", seats.create({ from, to: agent, label: "bob" }));
  await refused(400, 16024, "a label that is none", seats.create({ from, to: agent, label: "a/b" }));
  const coach = seats("bob").update({ coaching: true, callSidToCoach: `CA${"0".repeat(32)}` });
  await refused(400, 16028, "coaching one who is not there", coach);
  await refused(404, 20404, "one who is not there", seats("carol").fetch());
}

async function driveEnds(node, app, conference, alice, bob) {
  assert.equal(await conference.participants("bob").remove(), true);
  const left = { StatusCallbackEvent: "participant-leave", CallSid: bob.callSid };
  assert.equal((await app.told(NEWS, left))[0].ParticipantLabel, "bob");
  const ended = await conference.update({ status: "completed" });
  assert.deepEqual([ended.status, ended.reasonConferenceEnded], ["completed", "conference-ended-via-api"]);
  const [told] = await app.told(NEWS, { StatusCallbackEvent: "conference-end" });
  assert.equal(told.ReasonConferenceEnded, "conference-ended-via-api");
  await app.told("status-seat", { CallSid: alice.callSid, CallStatus: "completed" });
  await refused(404, 20404, "one who was there", conference.participants("alice").fetch());
  const over = await node.conferences.list({ friendlyName: "live", status: "completed" });
  assert(over.some((one) => one.sid === ended.sid), "it is not among those that are over");
}
