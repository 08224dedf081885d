// Accounts, keys, applications and incoming phone numbers with Twilio's Node SDK. Leaves a closed account behind.

import assert from "node:assert/strict";

// Of the ranges set apart for fiction.
const NUMBER = "+442079460124";

export async function driveDirectory({ node, client, refused, ACCOUNT, NOWHERE }) {
  const application = await node.applications.create({
    friendlyName: "menu",
    voiceUrl: "https://app.example/voice",
  });
  assert.deepEqual([application.friendlyName, application.voiceMethod], ["menu", "POST"]);
  const changed = await node.applications(application.sid).update({ voiceMethod: "GET" });
  assert.deepEqual([changed.voiceMethod, changed.voiceUrl], ["GET", "https://app.example/voice"]);
  await driveNumber(application);
  await driveKey();
  await driveAccount();

  async function driveNumber(application) {
    const number = await node.incomingPhoneNumbers.create({
      phoneNumber: NUMBER,
      voiceApplicationSid: application.sid,
    });
    assert.deepEqual([number.phoneNumber, number.capabilities.voice], [NUMBER, true]);
    await refused(400, 21422, "a taken number", node.incomingPhoneNumbers.create({ phoneNumber: NUMBER }));
    const listed = await node.incomingPhoneNumbers.list({ phoneNumber: "946012*" });
    assert.deepEqual(listed.map((one) => one.sid), [number.sid]);
    assert.equal(await node.applications(application.sid).remove(), true);
    // An instance that was made does not know its own SID in this SDK, so it is asked for by it.
    const itself = node.incomingPhoneNumbers(number.sid);
    assert.equal((await itself.fetch()).voiceApplicationSid, null);
    assert.equal(await itself.remove(), true);
    await refused(404, 20404, "a deleted number", itself.fetch());
    await refused(404, 20404, "an unknown application", node.applications(`AP${NOWHERE}`).fetch());
  }

  async function driveKey() {
    const key = await node.newKeys.create({ friendlyName: "bot" });
    const bot = client(key.secret, key.sid);
    assert.deepEqual(await bot.incomingPhoneNumbers.list(), []);
    await refused(401, 20003, "a standard key lists keys", bot.keys.list());
    assert.equal((await node.keys(key.sid).update({ friendlyName: "renamed" })).friendlyName, "renamed");
    assert.equal(await node.keys(key.sid).remove(), true);
    await refused(401, 20003, "a deleted key", bot.incomingPhoneNumbers.list());
  }

  async function driveAccount() {
    const made = await node.api.accounts.create({ friendlyName: "customer" });
    assert.deepEqual([made.ownerAccountSid, made.status], [ACCOUNT, "active"]);
    const customer = client(made.authToken, made.sid);
    assert.deepEqual(await customer.calls.list(), []);
    await refused(404, 20404, "the main account", customer.api.accounts(ACCOUNT).fetch());
    const listed = await node.api.accounts.list({ friendlyName: "customer", status: "active" });
    assert(listed.some((one) => one.sid === made.sid), "the new account is not listed");
    assert.equal((await node.api.accounts(made.sid).update({ status: "closed" })).status, "closed");
    await refused(401, 20003, "who is closed", customer.calls.list());
  }
}
