// Drives a node with Twilio's Node SDK: everything the node offers, and what it answers when it refuses.
//
// Wants the environment that run.sh describes and at least three calls in the conference; ends them all.
// Stops at the first thing that is not as it should be, with exit status 1.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import twilio from "twilio";

import { driveDirectory } from "./directory.mjs";

// How long a call may take to be seen as ended, once its media have stopped.
const SETTLE_MS = 5_000;

const URL = process.env.CONFAB_URL;
const ACCOUNT = process.env.CONFAB_ACCOUNT_SID;
const TOKEN = process.env.CONFAB_AUTH_TOKEN;
const NAME = process.env.CONFAB_CONFERENCE ?? "sdk-tour";
const NOWHERE = "0123456789abcdef0123456789abcdef";
const PREFIX = `/2010-04-01/Accounts/${ACCOUNT}`;

assert(URL && ACCOUNT && TOKEN, "CONFAB_URL, CONFAB_ACCOUNT_SID and CONFAB_AUTH_TOKEN must be set");

const node = client(TOKEN);
await driveDirectory({ node, client, refused, ACCOUNT, NOWHERE });
const conference = await findConference();
const calls = await driveParticipants();
await driveCalls();
await driveRefusals(calls[0]);
await driveQueues(calls[0]);
if (process.env.CONFAB_RECORDS) await driveRecordings(calls[0]);
await driveKick(calls[0]);
await driveHangUp(calls[1]);
await driveEnd(calls[2]);
console.log(`node: all as it should be, with ${calls.length} calls`);

function client(token, user = ACCOUNT, accountSid = undefined) {
  const made = twilio(user, token, { accountSid: accountSid ?? (user.startsWith("AC") ? user : ACCOUNT) });
  made.api.baseUrl = URL;
  return made;
}

async function refused(status, code, what, asked) {
  const outcome = await asked.then(
    () => "it was done",
    (error) => error,
  );
  assert.equal(outcome.status, status, `${what}: expected HTTP ${status}, found ${outcome}`);
  assert.equal(outcome.code, code, `${what}: ${outcome.message}`);
  assert.equal(outcome.moreInfo, `https://www.twilio.com/docs/errors/${code}`, what);
}

async function settles(what, holds) {
  const deadline = Date.now() + SETTLE_MS;
  while (!(await holds())) {
    assert(Date.now() < deadline, `${what}: not so after ${SETTLE_MS} ms`);
    await sleep(20);
  }
}

async function findConference() {
  const found = await node.conferences.list({ friendlyName: NAME, status: "in-progress" });
  assert.equal(found.length, 1, `conferences in progress named ${NAME}`);
  const [one] = found;
  assert.equal(one.accountSid, ACCOUNT);
  assert.equal(one.apiVersion, "2010-04-01");
  assert.equal(one.uri, `${PREFIX}/Conferences/${one.sid}.json`);
  assert.equal(one.reasonConferenceEnded, null);
  assert(one.dateCreated instanceof Date && !Number.isNaN(one.dateCreated.valueOf()), "dateCreated");
  assert.equal(one.subresourceUris.participants, `${PREFIX}/Conferences/${one.sid}/Participants.json`);
  const fetched = await node.conferences(one.sid).fetch();
  assert.deepEqual([fetched.sid, fetched.friendlyName], [one.sid, NAME]);
  await findByDay(one);
  return one.sid;
}

async function findByDay(one) {
  const day = one.dateCreated;
  const later = new Date(day.valueOf() + 2 * 86_400_000);
  const has = async (filter) => (await sidsOf(node.conferences.list(filter))).includes(one.sid);
  assert(await has({ dateCreated: day }), "the conference is not among those created on its day");
  assert(!(await has({ dateCreatedAfter: later })), "listed from two days after its day");
  assert(!(await has({ dateCreatedBefore: day })), "listed before its day");
}

async function driveParticipants() {
  const seats = node.conferences(conference).participants;
  const found = (await seats.list()).map((seat) => seat.callSid);
  assert(found.length >= 3, `${found.length} participants in ${NAME}; this needs three at least`);
  assert.equal((await seats.list({ pageSize: 1 })).length, found.length, "participants, a page each");

  const seat = await seats.get(found[0]).fetch();
  assert.deepEqual([seat.callSid, seat.conferenceSid], [found[0], conference]);
  assert.deepEqual([seat.status, seat.muted, seat.hold], ["connected", false, false]);
  assert.deepEqual([seat.label, seat.coaching, seat.callSidToCoach], [null, false, null]);
  assert.equal(seat.uri, `${PREFIX}/Conferences/${conference}/Participants/${found[0]}.json`);
  await driveMute(seats, found);
  return found;
}

async function driveMute(seats, found) {
  const chosen = seats.get(found[0]);
  const callsOf = async (filter) => (await seats.list(filter)).map((seat) => seat.callSid).sort();

  assert.equal((await chosen.update({ muted: true })).muted, true, "muted after update");
  assert.equal((await chosen.fetch()).muted, true, "muted when fetched");
  assert.deepEqual(await callsOf({ muted: true }), [found[0]], "those muted");
  assert.deepEqual(await callsOf({ muted: false }), found.slice(1).sort(), "those not muted");
  assert.equal((await chosen.update({ muted: false })).muted, false, "muted after the unmute");
  assert.deepEqual(await callsOf({ muted: true }), [], "those muted, after the unmute");
  assert.deepEqual(await callsOf({ hold: true }), [], "those on hold");
  await driveSeat(seats, found, callsOf);
  assert.equal((await callsOf({ coaching: false })).length, found.length, "those who do not coach");
}

async function driveSeat(seats, found, callsOf) {
  const seat = seats.get(found[0]);
  assert.equal((await seat.update({ hold: true })).hold, true);
  assert.deepEqual(await callsOf({ hold: true }), [found[0]], "those on hold");
  assert.equal((await seat.update({ hold: false })).hold, false);
  assert.equal((await seat.update({ endConferenceOnExit: true })).endConferenceOnExit, true);
  assert.equal((await seat.update({ endConferenceOnExit: false })).endConferenceOnExit, false);
  const coach = await seat.update({ coaching: true, callSidToCoach: found[1] });
  assert.deepEqual([coach.coaching, coach.callSidToCoach], [true, found[1]]);
  assert.deepEqual(await callsOf({ coaching: true }), [found[0]], "those who coach");
  assert.deepEqual((await seat.update({ coaching: false })).callSidToCoach, null);
}

async function driveCalls() {
  const listed = await sidsOf(node.calls.list({ status: "in-progress" }));
  assert(calls.every((call) => listed.includes(call)), "a call is not among those in progress");
  const paged = await sidsOf(node.calls.list({ pageSize: 1 }));
  assert.equal(new Set(paged).size, paged.length, "calls listed a page each: some came twice");
  assert(calls.every((call) => paged.includes(call)), "a call is missing when listed a page each");
  assert.equal((await node.calls.list({ limit: 2 })).length, 2, "calls with limit 2");
  // Sent as a page of 5,000, which the node cuts.
  const many = await sidsOf(node.calls.list({ limit: 5_000 }));
  assert(calls.every((call) => many.includes(call)), "a call is missing with limit 5000");
  await drivePages();

  const call = await node.calls(calls[0]).fetch();
  assert.deepEqual([call.sid, call.accountSid, call.status], [calls[0], ACCOUNT, "in-progress"]);
  assert.deepEqual([call.direction, call.apiVersion], ["inbound", "2010-04-01"]);
  assert.deepEqual([call.duration, call.endTime, call.price], [null, null, null]);
  assert.deepEqual([call.priceUnit, call.queueTime], ["USD", "0"]);
  assert.equal(call.uri, `${PREFIX}/Calls/${call.sid}.json`);
  assert(call.startTime instanceof Date, "startTime is no date");
  assert(call.subresourceUris.recordings, "the call has no recordings URI");
  await driveCallFilters(call);
}

async function drivePages() {
  const first = await node.calls.page({ pageSize: 1 });
  const second = await first.nextPage();
  const again = await second.previousPage();
  assert.equal(first.previousPageUrl, undefined, "the first page has one before it");
  assert.notEqual(second.instances[0].sid, first.instances[0].sid, "page 1 repeats page 0");
  assert.equal(again.instances[0].sid, first.instances[0].sid, "page 0 again");
}

async function driveCallFilters(call) {
  const at = (hours) => new Date(call.startTime.valueOf() + hours * 3_600_000);
  const filters = [
    [{ to: call.to }, true],
    [{ to: "nobody" }, false],
    [{ from: call.from }, true],
    [{ from: "nobody" }, false],
    [{ startTime: call.startTime }, true],
    [{ startTimeAfter: at(-1) }, true],
    [{ startTimeAfter: at(1) }, false],
    [{ startTimeBefore: at(1) }, true],
    [{ startTimeBefore: at(-1) }, false],
    [{ endTimeAfter: at(-1) }, false],
    [{ status: "queued" }, false],
    [{ parentCallSid: `CA${NOWHERE}` }, false],
  ];
  for (const [filter, expected] of filters) {
    const found = (await sidsOf(node.calls.list(filter))).includes(call.sid);
    assert.equal(found, expected, `whether calls.list(${JSON.stringify(filter)}) has the call`);
  }
}

async function driveRefusals(call) {
  const seats = node.conferences(conference).participants;
  const seat = seats.get(call);
  await refused(404, 20404, "an unknown call", node.calls(`CA${NOWHERE}`).fetch());
  await refused(404, 20404, "an unknown conference", node.conferences(`CF${NOWHERE}`).fetch());
  await refused(404, 20404, "an unknown label", seats.get("no such label").fetch());
  await refused(401, 20003, "a wrong token", client(`not ${TOKEN}`).conferences.list());
  await refused(400, 20001, "a coach of nobody", seat.update({ coaching: true }));
  await refused(400, 21205, "an announcement from nowhere", seat.update({ announceUrl: "a.wav" }));
  await refused(400, 21209, "another method", seat.update({ waitUrl: "http://127.0.0.1/", waitMethod: "PUT" }));
  await refused(400, 20001, "a status that is none", node.calls(call).update({ status: "paused" }));
  await refused(400, 21220, "canceling an answered call", node.calls(call).update({ status: "canceled" }));
  await refused(409, 20009, "deleting a call's record", node.calls(call).remove());
  const target = { to: "sip:a@127.0.0.1", from: "b", url: "http://127.0.0.1/" };
  await refused(400, 21215, "placing a call that is not allowed", node.calls.create(target));
}

async function driveQueues(call) {
  const made = await node.queues.create({ friendlyName: "sdk-queue", maxSize: 5 });
  assert.deepEqual([made.friendlyName, made.maxSize, made.currentSize], ["sdk-queue", 5, 0], "the queue");
  assert(made.dateCreated instanceof Date, "dateCreated of a queue is no date");
  const queue = node.queues(made.sid);
  assert.equal((await queue.update({ maxSize: 7 })).maxSize, 7, "maxSize after the update");
  assert((await sidsOf(node.queues.list())).includes(made.sid), "the queue is not in the list");
  assert.deepEqual(await queue.members.list(), [], "those who wait");
  const again = node.queues.create({ friendlyName: "sdk-queue" });
  await refused(409, 20409, "a second queue of the name", again);
  await refused(404, 20404, "the front of an empty queue", queue.members("Front").fetch());
  const out = queue.members(call).update({ url: "http://127.0.0.1/" });
  await refused(404, 20404, "taking out one who does not wait", out);
  assert.equal(await queue.remove(), true, "remove() of an empty queue");
  await refused(404, 20404, "a queue that was removed", queue.fetch());
}

async function driveRecordings(call) {
  const ofCall = node.calls(call).recordings;
  const begun = await ofCall.create({ recordingChannels: "dual" });
  assert.deepEqual([begun.callSid, begun.status, begun.channels], [call, "in-progress", 2], "the recording begun");
  const paused = await ofCall("Twilio.CURRENT").update({ status: "paused", pauseBehavior: "skip" });
  assert.deepEqual([paused.sid, paused.status], [begun.sid, "paused"], "the recording paused");
  assert.equal((await ofCall(begun.sid).update({ status: "in-progress" })).status, "in-progress", "resumed");
  await new Promise((later) => setTimeout(later, 500));
  assert.equal((await ofCall(begun.sid).update({ status: "stopped" })).status, "stopped", "stopped");
  await refused(400, 21220, "a second stop", ofCall(begun.sid).update({ status: "stopped" }));
  const isDone = async () => (await ofCall(begun.sid).fetch()).status === "completed";
  await settles("the recording is completed", isDone);

  const done = await node.recordings(begun.sid).fetch();
  assert.deepEqual([done.duration, done.source, done.errorCode], ["1", "StartCallRecordingAPI", null], "it");
  assert(done.mediaUrl.endsWith(`/Recordings/${done.sid}`), "where it can be heard");
  assert.deepEqual(await sidsOf(node.recordings.list({ callSid: call })), [done.sid], "the call's recordings");
  assert.deepEqual(await sidsOf(ofCall.list()), [done.sid], "its own recordings");
  assert.equal(await node.recordings(done.sid).remove(), true, "remove() of a recording");
  await refused(404, 20404, "fetch of a removed recording", node.recordings(done.sid).fetch());
}

async function driveKick(call) {
  const seat = node.conferences(conference).participants(call);
  assert.equal(await seat.remove(), true, "remove() of a participant");
  await refused(404, 20404, "fetch of a removed participant", seat.fetch());
  await refused(404, 20404, "a second remove() of a participant", seat.remove());
  await settles("the removed one's call is completed", async () => (await statusOf(call)) === "completed");
}

async function driveHangUp(call) {
  const updated = await node.calls(call).update({ status: "completed" });
  assert.equal(updated.status, "completed", "status after the update");
  await settles("the ended call is completed", async () => (await statusOf(call)) === "completed");
  const ended = await node.calls(call).fetch();
  assert(ended.endTime instanceof Date, "endTime of an ended call is no date");
  assert.match(ended.duration, /^\d+$/, "duration");
  const seats = node.conferences(conference).participants;
  const present = async () => (await seats.list()).some((seat) => seat.callSid === call);
  await settles("who hung up is gone", async () => !(await present()));
  const again = node.calls(call).update({ status: "completed" });
  await refused(400, 21220, "a second update to completed", again);
}

async function driveEnd(call) {
  const ended = await node.conferences(conference).update({ status: "completed" });
  assert.equal(ended.status, "completed", "status after the update");
  assert.equal(ended.reasonConferenceEnded, "conference-ended-via-api", "the reason it ended");
  const seats = node.conferences(conference).participants;
  assert.deepEqual(await seats.list(), [], "participants when it is over");
  await settles("a call in it is completed", async () => (await statusOf(call)) === "completed");
  const completed = await sidsOf(node.conferences.list({ friendlyName: NAME, status: "completed" }));
  assert(completed.includes(conference), "it is not among the completed ones");
  await refused(404, 20404, "a mute when it is over", seats.get(call).update({ muted: true }));
}

async function sidsOf(listing) {
  return (await listing).map((one) => one.sid);
}

async function statusOf(call) {
  return (await node.calls(call).fetch()).status;
}
