// An application with Twilio's Node SDK: it places calls, seats them, queues them and writes their scripts, and the node
// does it all for real, with a phone at the other end.
//
// Wants the environment that run.sh describes. Stops at the first thing that is not as it should be, with exit status 1.

import assert from "node:assert/strict";
import twilio from "twilio";

import { ACCOUNT, App, client, refused, settles } from "./app.mjs";
import { driveSeats } from "./seats.mjs";
import { driveQueues, driveVerbs } from "./verbs.mjs";

const { CONFAB_SIP: SIP, CONFAB_PHONE: PHONE } = process.env;
const { VoiceResponse } = twilio.twiml;
const AGENT = `sip:agent@${PHONE}`;
const NUMBER = "+442079460150";
const from = "+442079460199";

const node = client();
const app = await App.start();
await driveCalls();
await driveEndings();
await drivePages();
await driveDirectory();
await driveSubAccount();
await driveNotifications();
await driveSeats(node, app, AGENT);
await driveVerbs(node, app, AGENT, SIP, PHONE);
await driveQueues(node, app, AGENT);
assert.deepEqual(app.forged, [], "requests that the validator does not accept");
console.log(`node: all as it should be, with ${app.heard.length} requests to the application`);
process.exit(0);

// A page whose script waits for a long time.
function waits(page = "waits") {
  const response = new VoiceResponse();
  // Whoever is called is not answered while the script begins with a pause.
  response.say("Please wait");
  response.pause({ length: 60 });
  return app.says(page, response);
}

async function statusIs(who, sid, status = "in-progress") {
  await settles(`the call ${sid} is ${status}`, async () => (await who.calls(sid).fetch()).status === status);
}

async function sidsOf(listing) {
  return (await listing).map((one) => one.sid);
}

async function driveCalls() {
  const call = await node.calls.create({
    to: AGENT,
    from,
    url: waits(),
    method: "GET",
    fallbackUrl: app.url("fallback"),
    fallbackMethod: "GET",
    statusCallback: app.url("status"),
    statusCallbackMethod: "POST",
    statusCallbackEvent: ["initiated", "ringing", "answered", "completed"],
    sendDigits: "w1w2",
    timeout: 30,
    timeLimit: 600,
    callerId: from,
  });
  assert.deepEqual([call.status, call.direction, call.accountSid], ["queued", "outbound-api", ACCOUNT]);
  assert.deepEqual([call.to, call.from, call.startTime], [AGENT, from, null]);
  await statusIs(node, call.sid);
  assert.equal((await app.told("waits", { CallSid: call.sid }))[0].method, "GET");
  await driveFilters(call.sid);
  await driveUpdates(call.sid);
  const steps = (await app.told("status", { CallSid: call.sid }, 3)).map((told) => told.CallStatus);
  assert.deepEqual(steps, ["initiated", "ringing", "in-progress"]);
  await refused(409, 20009, "deleting the record of a call that is on", node.calls(call.sid).remove());
  assert.equal((await node.calls(call.sid).update({ status: "completed" })).status, "completed");
  const [told] = await app.told("moved", { CallSid: call.sid });
  assert.deepEqual([told.CallStatus, told.method], ["completed", "GET"]);
  await driveRecord(call.sid);
}

async function driveFilters(sid) {
  const call = await node.calls(sid).fetch();
  const at = (hours) => new Date(call.startTime.valueOf() + hours * 3_600_000);
  const filters = [
    [{ to: AGENT }, true],
    [{ to: "sip:nobody@127.0.0.1" }, false],
    [{ from }, true],
    [{ from: "+15005550006" }, false],
    [{ status: "in-progress" }, true],
    [{ status: "busy" }, false],
    [{ startTime: call.startTime }, true],
    [{ startTimeAfter: at(-1) }, true],
    [{ startTimeAfter: at(1) }, false],
    [{ startTimeBefore: at(1) }, true],
    [{ startTimeBefore: at(-1) }, false],
    [{ endTimeAfter: at(-1) }, false],
    [{ parentCallSid: sid }, false],
  ];
  for (const [filter, expected] of filters) {
    const found = (await sidsOf(node.calls.list(filter))).includes(sid);
    assert.equal(found, expected, `whether calls.list(${JSON.stringify(filter)}) has the call`);
  }
}

async function asked(sid) {
  const events = await node.calls(sid).events.list();
  return events.map((event) => event.request.url.split("/").pop());
}

async function driveUpdates(sid) {
  const call = node.calls(sid);
  await refused(400, 21205, "another script from nowhere", call.update({ url: "a" }));
  await refused(400, 32018, "a script that is too long", call.update({ twiml: "x".repeat(4_001) }));
  await refused(400, 21220, "canceling a call that was answered", call.update({ status: "canceled" }));
  await call.update({ statusCallback: app.url("moved"), statusCallbackMethod: "GET", timeLimit: 900 });
  const fallback = { fallbackUrl: app.url("fallback"), fallbackMethod: "POST" };
  await call.update({ url: waits("redirected"), method: "POST", ...fallback });
  assert.equal((await app.told("redirected", { CallSid: sid }))[0].method, "POST");
  // What is being asked when a call is sent elsewhere is given up.
  await settles("the other script has come", async () => (await asked(sid)).includes("redirected"));
  const script = new VoiceResponse();
  script.play(app.url("tone.wav"));
  script.pause({ length: 60 });
  await call.update({ twiml: script.toString() });
  assert.equal((await app.told("tone.wav"))[0].method, "GET");
}

async function driveRecord(sid) {
  await statusIs(node, sid, "completed");
  const call = await node.calls(sid).fetch();
  assert(call.endTime >= call.startTime && /^\d+$/.test(call.duration), "when the call ended");
  const hourAgo = new Date(call.endTime.valueOf() - 3_600_000);
  assert((await sidsOf(node.calls.list({ endTimeAfter: hourAgo }))).includes(sid), "it ended within the hour");
  assert(!(await sidsOf(node.calls.list({ endTimeBefore: hourAgo }))).includes(sid), "not before");
  const events = await node.calls(sid).events.list();
  const event = events.find((one) => one.request.url === app.url("waits"));
  assert.deepEqual([event.request.method, event.response.response_code], ["GET", 200]);
  await refused(400, 21220, "redirecting a call that is over", node.calls(sid).update({ twiml: "<Response/>" }));
  assert.equal(await node.calls(sid).remove(), true);
  await refused(404, 20404, "a removed record", node.calls(sid).fetch());
}

// How calls end that nobody takes.
async function driveEndings() {
  const twiml = "<Response/>";
  const busy = await node.calls.create({ to: `sip:busy@${PHONE}`, from, twiml });
  await statusIs(node, busy.sid, "busy");
  const rings = await node.calls.create({ to: `sip:rings@${PHONE}`, from, twiml });
  await statusIs(node, rings.sid, "ringing");
  await node.calls(rings.sid).update({ status: "canceled" });
  await statusIs(node, rings.sid, "canceled");
  const late = await node.calls.create({ to: `sip:rings@${PHONE}`, from, twiml, timeout: 1 });
  await statusIs(node, late.sid, "no-answer");
  const create = (more) => node.calls.create({ to: AGENT, from, ...more });
  await refused(400, 21205, "a call without a script", create({}));
  await refused(400, 21218, "a call with no application", create({ applicationSid: "AP0" }));
  await refused(400, 21206, "keys that are none", create({ twiml, sendDigits: "z" }));
  await refused(400, 21234, "detecting machines", create({ twiml, machineDetection: "Enable" }));
}

async function drivePages() {
  const calls = [];
  for (let n = 0; n < 3; n += 1) {
    calls.push((await node.calls.create({ to: AGENT, from, twiml: "<Response/>" })).sid);
  }
  for (const sid of calls) {
    await statusIs(node, sid, "completed");
  }
  const paged = await sidsOf(node.calls.list({ to: AGENT, pageSize: 1 }));
  assert.deepEqual([...paged].sort(), [...calls].sort(), "calls, a page each");
  assert.equal((await node.calls.list({ to: AGENT, limit: 2, pageSize: 1 })).length, 2);
  const first = await node.calls.page({ to: AGENT, pageSize: 1 });
  const second = await first.nextPage();
  assert.notEqual(second.instances[0].sid, first.instances[0].sid);
  assert.equal((await second.previousPage()).instances[0].sid, first.instances[0].sid);
}

// An application, a number that a call follows, and a key.
async function driveDirectory() {
  const application = await node.applications.create({
    friendlyName: "live",
    voiceUrl: waits("application"),
    statusCallback: app.url("status-application"),
  });
  const applicationSid = application.sid;
  const call = await node.calls.create({ to: AGENT, from, applicationSid });
  await app.told("application", { CallSid: call.sid });
  await node.calls(call.sid).update({ status: "completed" });
  await app.told("status-application", { CallSid: call.sid, CallStatus: "completed" });
  const wanted = { phoneNumber: NUMBER, voiceApplicationSid: applicationSid };
  const number = await node.incomingPhoneNumbers.create(wanted);
  const calling = await node.calls.create({ to: `sip:${NUMBER}@${SIP}`, from, url: waits() });
  const [inbound] = await app.told("application", { To: NUMBER });
  assert.deepEqual([inbound.Direction, inbound.From], ["inbound", from]);
  await statusIs(node, calling.sid);
  await node.calls(calling.sid).update({ status: "completed" });
  await app.told("status-application", { CallSid: inbound.CallSid, CallStatus: "completed" });
  assert.equal(await node.incomingPhoneNumbers(number.sid).remove(), true);
  assert.equal(await node.applications(applicationSid).remove(), true);

  const key = await node.newKeys.create({ friendlyName: "live" });
  const bot = client(key.secret, key.sid);
  const called = await bot.calls.create({ to: "client:alice", from, url: waits() });
  await statusIs(bot, called.sid);
  assert.equal((await bot.calls(called.sid).update({ status: "completed" })).status, "completed");
  await node.keys(key.sid).remove();
  await refused(401, 20003, "a key that was removed", bot.calls.list());
}

// An account that sees only its own.
async function driveSubAccount() {
  const made = await node.api.accounts.create({ friendlyName: "live" });
  app.tokens.set(made.sid, made.authToken);
  const sub = client(made.authToken, made.sid);
  const own = await sub.calls.create({
    to: AGENT,
    from,
    url: waits("sub"),
    statusCallback: app.url("status-sub"),
    statusCallbackEvent: ["answered", "completed"],
  });
  const others = await node.calls.create({ to: AGENT, from, url: waits() });
  const seat = await sub.conferences("desk").participants.create({
    from,
    to: AGENT,
    conferenceStatusCallback: app.url("status-sub"),
    conferenceStatusCallbackEvent: ["join"],
  });
  await statusIs(sub, own.sid);
  await statusIs(node, others.sid);
  assert.equal((await app.told("sub", { CallSid: own.sid }))[0].AccountSid, made.sid);
  const [joined] = await app.told("status-sub", { StatusCallbackEvent: "participant-join" });
  assert.equal(joined.AccountSid, made.sid);
  assert.deepEqual((await sidsOf(sub.calls.list())).sort(), [own.sid, seat.callSid].sort());
  assert(!(await sidsOf(node.calls.list())).includes(own.sid), "its call is among the main account's");
  await refused(404, 20404, "a call of the main account", sub.calls(others.sid).fetch());
  await refused(404, 20404, "its call, for the main account", node.calls(own.sid).fetch());
  assert.equal((await node.api.accounts(made.sid).calls(own.sid).fetch()).sid, own.sid);
  assert.deepEqual((await sub.conferences.list()).map((one) => one.friendlyName), ["desk"]);
  assert.deepEqual(await node.conferences.list({ friendlyName: "desk" }), []);
  await sub.calls(own.sid).update({ status: "completed" });
  await app.told("status-sub", { CallSid: own.sid, CallStatus: "completed" });
  await sub.calls(seat.callSid).update({ status: "completed" });
  await node.calls(others.sid).update({ status: "completed" });
  await node.api.accounts(made.sid).update({ status: "closed" });
}

async function driveNotifications() {
  const call = await node.calls.create({ to: AGENT, from, url: app.url("not-there?secret=1") });
  const listed = () => node.calls(call.sid).notifications.list({ log: 0 });
  await settles("what went wrong is on record", async () => (await listed()).length > 0);
  const [note] = await listed();
  assert.deepEqual([note.errorCode, note.log, note.requestMethod], ["11200", "0", "POST"]);
  assert.deepEqual([note.requestUrl, note.moreInfo], [app.url("not-there"), "https://www.twilio.com/docs/errors/11200"]);
  const whole = await node.calls(call.sid).notifications(note.sid).fetch();
  assert(whole.requestVariables.includes(call.sid), "what was asked is not on record");
  assert.equal((await node.notifications(note.sid).fetch()).sid, note.sid);
  const has = async (filter) => (await sidsOf(node.notifications.list(filter))).includes(note.sid);
  assert(await has({ log: 0, messageDate: note.messageDate }), "among the errors of the day");
  assert(!(await has({ log: 1 })), "among the warnings");
  assert(!(await has({ messageDateBefore: new Date(note.messageDate.valueOf() - 86_400_000) })), "before");
}
