// Makes access tokens with Twilio's Node SDK, as access_token.py does with the other.

import twilio from "twilio";

const { CONFAB_ACCOUNT_SID: ACCOUNT, CONFAB_KEY: KEY, CONFAB_KEY_SECRET: SECRET } = process.env;
const { AccessToken } = twilio.jwt;
const { ChatGrant, VoiceGrant } = AccessToken;
const CHAT = new ChatGrant({ serviceSid: `IS${"0".repeat(32)}` });
const VOICE = new VoiceGrant({
  incomingAllow: true,
  outgoingApplicationSid: `AP${"0".repeat(32)}`,
  outgoingApplicationParams: { team: "blue" },
});

function token(name, { secret = SECRET, account = ACCOUNT, key = KEY, grants = [VOICE], algorithm, ...options } = {}) {
  const made = new AccessToken(account, key, secret, { identity: "alice", ...options });
  grants.forEach((grant) => made.addGrant(grant));
  console.log(name, made.toJwt(algorithm));
}

const now = Math.floor(Date.now() / 1000);
token("valid");
token("valid", { grants: [new VoiceGrant({})], region: "ie1", nbf: now });
token("valid", { grants: [VOICE, CHAT], ttl: 86_400 });
token("20102", { algorithm: "HS384" });
token("20103", { account: `AC${"0".repeat(32)}` });
token("20103", { key: `SK${"0".repeat(32)}` });
token("20104", { ttl: -1 });
token("20105", { nbf: now + 600 });
token("20106", { grants: [CHAT] });
token("20107", { secret: "another secret" });
token("20157", { ttl: 86_500 });
