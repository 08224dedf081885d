// Who hears whom when the console acts: mute, hold, remove, end, record; and the browser as a leg, that listens, whispers,
// joins, and calls.

import assert from "node:assert/strict";

import { Caller, until } from "./caller.mjs";
import { ALL, NODE_HTTP, NODE_SIP, VOICES, api, card, conference, hears, logIn, phone, qualityOf, says, seat } from "./stage.mjs";

const { agent: AGENT, customer: CUSTOMER, guest: GUEST, supervisor: SUPERVISOR } = VOICES;

/** An agent and a customer who talk, where everything below happens. */
export async function fills(stage) {
  stage.agent = await Caller.at(NODE_SIP, { name: "agent", hertz: AGENT });
  stage.customer = await Caller.at(NODE_SIP, { name: "customer", hertz: CUSTOMER });
  await stage.agent.calls("conf-sales");
  await stage.customer.calls("conf-sales");
  await talk(stage);
  await seat(stage.page, "customer").waitFor();
}

/** Both hear each other and nobody else. */
const talk = ({ agent, customer }, alsoAgent = [], alsoCustomer = []) => Promise.all([
  agent.hears([CUSTOMER, ...alsoAgent], ALL), customer.hears([AGENT, ...alsoCustomer], ALL),
]);

/** With nothing but a keyboard. */
export async function mutesAndRemovesByKeyboard(stage) {
  const { page, agent, customer } = stage;
  const guest = await Caller.at(NODE_SIP, { name: "guest", hertz: GUEST });
  await guest.calls("conf-sales");
  await talk(stage, [GUEST], [GUEST]);
  await seat(page, "guest").waitFor();
  for (let steps = 0; steps < 40; steps += 1) {
    await page.keyboard.press("Tab");
    if (await page.evaluate(() => document.activeElement.classList.contains("who"))) break;
  }
  await page.keyboard.press("Home");
  const focused = () => page.evaluate(() => document.activeElement.closest(".seat")?.querySelector(".name").textContent);
  assert.equal(await focused(), "agent");
  await page.keyboard.press("m");
  await seat(page, "agent").locator('.badge[data-word="muted"]').waitFor({ state: "attached" });
  assert.equal(await seat(page, "agent").locator(".mute").getAttribute("aria-pressed"), "true");
  await Promise.all([agent.hears([CUSTOMER, GUEST], ALL), customer.hears([GUEST], ALL)]);
  // The focus stayed, however often the page was drawn since.
  assert.equal(await focused(), "agent");
  await page.keyboard.press("m");
  await talk(stage, [GUEST], [GUEST]);

  // What cannot be undone is asked first.
  await page.keyboard.press("End");
  assert.equal(await focused(), "guest");
  await page.keyboard.press("Delete");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.equal(await seat(page, "guest").count(), 1);
  await seat(page, "guest").locator(".who").focus();
  await page.keyboard.press("Delete");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Enter");
  await guest.isHungUp();
  await seat(page, "guest").waitFor({ state: "detached" });
  await talk(stage);
  guest.close();
}

export async function holds(stage) {
  const { page, agent } = stage;
  await seat(page, "customer").hover();
  await seat(page, "customer").getByRole("button", { name: "Hold customer" }).click();
  await seat(page, "customer").locator('.badge[data-word="on hold"]').waitFor();
  await agent.hears([], ALL);
  await seat(page, "customer").getByRole("button", { name: "Hold customer" }).click();
  await talk(stage);
}

/** A conference of two others ends, and this one does not. */
export async function ends(stage) {
  const { page } = stage;
  const pair = await Promise.all(["one", "other"].map((name) => Caller.at(NODE_SIP, { name })));
  for (const caller of pair) await caller.calls("conf-short");
  const short = card(page, "short");
  await short.getByRole("button", { name: "End short" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "End it" }).click();
  await Promise.all(pair.map((caller) => caller.isHungUp()));
  await short.waitFor({ state: "detached" });
  for (const caller of pair) caller.close();
  await talk(stage);
}

/** Both may hear the supervisor, or one, or none; it is one call all the while. */
export async function listensWhispersAndJoins(stage) {
  const { page } = stage;
  await page.evaluate(() => (window.asked = 0));
  await card(page, "sales").getByRole("button", { name: "Listen sales" }).click();
  await says(page, "listening to sales");
  await hears(page, [AGENT, CUSTOMER]);
  await talk(stage);
  assert.equal(await page.evaluate(() => window.asked), 0, "whoever listens needs no microphone");
  const own = page.locator(".seat", { has: page.locator('.badge[data-word="you"]') });
  const call = await own.getAttribute("data-call");

  await seat(page, "agent").locator(".who").click();
  const closer = page.locator(".detail");
  await closer.getByRole("button", { name: "Whisper" }).click();
  await says(page, "whispering to agent in sales");
  await talk(stage, [SUPERVISOR]);
  await hears(page, [AGENT, CUSTOMER]);
  assert.equal(await closer.getByRole("button", { name: "Whisper" }).getAttribute("aria-pressed"), "true");
  await stage.shot("console-whisper");

  await phone(page).getByLabel("Whisper to").selectOption({ label: "customer" });
  await phone(page).getByRole("button", { name: "Whisper" }).click();
  await says(page, "whispering to customer in sales");
  await talk(stage, [], [SUPERVISOR]);

  await phone(page).getByRole("button", { name: "Join" }).click();
  await says(page, "speaking in sales");
  await talk(stage, [SUPERVISOR], [SUPERVISOR]);
  await hears(page, [AGENT, CUSTOMER]);
  await phone(page).getByRole("button", { name: "Mute me" }).click();
  await talk(stage);
  await phone(page).getByRole("button", { name: "Mute me" }).click();
  await talk(stage, [SUPERVISOR], [SUPERVISOR]);

  await phone(page).getByRole("button", { name: "Listen" }).click();
  await says(page, "listening to sales");
  await talk(stage);
  await hears(page, [AGENT, CUSTOMER]);
  assert.equal(await own.getAttribute("data-call"), call, "it is one call");
  assert.equal(await page.evaluate(() => window.asked), 1);

  await phone(page).getByRole("button", { name: "Hang up" }).click();
  await says(page, "Not in a call");
  await own.waitFor({ state: "detached" });
  await talk(stage);
  assert.equal((await api("GET", `/Calls/${call}.json`)).status, "completed");
  assert.equal((await conference("sales")).status, "in-progress");
  await closePhone(page);
}

/** Two who are connected are in no conference that anybody named, and can be listened to all the same. */
export async function listensToACallOfTwo(stage) {
  const { page } = stage;
  const one = await Caller.at(NODE_SIP, { name: "one", hertz: AGENT });
  const other = await Caller.at(NODE_SIP, { name: "other", hertz: CUSTOMER });
  await api("POST", "/Calls.json", { To: one.uri, From: "+15550100", Twiml: `<Response><Dial><Sip>${other.uri}</Sip></Dial></Response>` });
  await one.picksUp();
  await other.picksUp();
  const pair = { agent: one, customer: other };
  await talk(pair);
  const two = card(page, "Call of two");
  await two.getByRole("button", { name: "Listen Call of two" }).click();
  await says(page, "listening to a call of two");
  await hears(page, [AGENT, CUSTOMER]);
  await talk(pair);
  await phone(page).getByRole("button", { name: "Join" }).click();
  await talk(pair, [SUPERVISOR], [SUPERVISOR]);
  await phone(page).getByRole("button", { name: "Hang up" }).click();
  await says(page, "Not in a call");
  await talk(pair);
  // Whoever still listens when the two are done is done as well.
  await two.getByRole("button", { name: "Listen Call of two" }).click();
  await hears(page, [AGENT, CUSTOMER]);
  await one.hangsUp();
  await other.isHungUp();
  await says(page, "The call is over.");
  await two.waitFor({ state: "detached" });
  for (const caller of [one, other]) caller.close();
  await closePhone(page);
}

export async function calls(stage) {
  const { page } = stage;
  const desk = await Caller.at(NODE_SIP, { name: "desk", hertz: GUEST });
  await page.getByRole("button", { name: "Telephone" }).click();
  await phone(page).getByLabel("Call", { exact: true }).fill(desk.uri);
  await page.keyboard.press("Enter");
  await desk.picksUp();
  await hears(page, [GUEST]);
  await desk.hears([SUPERVISOR], ALL);
  await says(page, "talking with");
  // A key is two tones (ITU-T Q.23), which this node was told to let through.
  for (const [press, tones] of [
    [() => phone(page).getByRole("button", { name: "9", exact: true }).click(), [852, 1477]],
    [() => page.keyboard.press("1"), [697, 1209]],
  ]) {
    const heard = until(() => `keys of ${tones} Hz`, () => tones.every((hertz) => desk.level(hertz) > 300));
    await press();
    await heard;
  }
  assert.equal(await phone(page).locator(".pressed").textContent(), "91");
  await desk.hangsUp();
  await says(page, "The call is over.");

  // What is dialled by the pad is what is called; and into a conference.
  for (const key of ["1", "2", "hash"]) await phone(page).getByRole("button", { name: key, exact: true }).click();
  assert.equal(await phone(page).getByLabel("Call", { exact: true }).inputValue(), "12#");
  await phone(page).getByLabel("Call", { exact: true }).fill("conference:sales");
  await phone(page).getByRole("button", { name: "Call", exact: true }).click();
  await says(page, "in sales");
  await talk(stage, [SUPERVISOR], [SUPERVISOR]);
  // Who is removed is told.
  const { sid } = await conference("sales");
  const own = await page.locator(".seat", { has: page.locator('.badge[data-word="you"]') }).getAttribute("data-call");
  await api("DELETE", `/Conferences/${sid}/Participants/${own}.json`);
  await says(page, "The call is over.");
  await talk(stage);
  await closePhone(page);
  desk.close();
}

/** Without a microphone one can listen; the page says what to do about it. From then on there is one. */
export async function isRefusedTheMicrophone(stage) {
  const { page, context } = stage;
  await card(page, "sales").getByRole("button", { name: "Join sales" }).click();
  await page.getByText("The browser was not allowed to use the microphone.").first().waitFor();
  await says(page, "Not in a call");
  await stage.shot("console-no-microphone");
  await card(page, "sales").getByRole("button", { name: "Listen sales" }).click();
  await hears(page, [AGENT, CUSTOMER]);
  await phone(page).getByRole("button", { name: "Hang up" }).click();
  await closePhone(page);
  await context.grantPermissions(["microphone"]);
}

/** Over plain HTTP from another machine there is no microphone, and the page says why before it is asked for. */
export async function comesWithoutHttps(stage) {
  const page = await stage.context.newPage();
  await page.goto(`http://confab.test:${NODE_HTTP.split(":").pop()}/`);
  await logIn(page);
  await page.getByRole("button", { name: "Telephone" }).click();
  await phone(page).getByText("open the console at the node's HTTPS address").waitFor();
  assert.equal(await card(page, "sales").getByRole("button", { name: "Join sales" }).getAttribute("aria-disabled"), "true");
  await card(page, "sales").getByRole("button", { name: "Listen sales" }).click();
  await hears(page, [AGENT, CUSTOMER]);
  await page.close();
}

/** What was recorded is what was said, and can be heard. */
export async function recordsAndPlays(stage) {
  const { page } = stage;
  const record = card(page, "sales").locator("header button", { hasText: "Record" });
  await record.click();
  await card(page, "sales").locator('button[aria-pressed="true"]', { hasText: "Recording" }).waitFor();
  await page.waitForTimeout(1500);
  await record.click();
  await card(page, "sales").locator('button[aria-pressed="false"]', { hasText: /^Record$/ }).waitFor();
  await page.getByRole("link", { name: "Recordings" }).click();
  await page.getByRole("heading", { name: "Recordings" }).waitFor();
  const sound = page.locator("audio[controls]").first();
  while ((await sound.count()) === 0) {
    await page.getByRole("button", { name: "Look again" }).click();
    await page.waitForTimeout(200);
  }
  const levels = await sound.evaluate(async (audio, tones) => {
    const context = new AudioContext();
    const decoded = await context.decodeAudioData(await (await fetch(audio.src)).arrayBuffer());
    const level = (hertz) => Math.max(...[...Array(decoded.numberOfChannels).keys()].map((channel) => {
      const samples = decoded.getChannelData(channel);
      let [sine, cosine] = [0, 0];
      samples.forEach((sample, at) => {
        sine += sample * Math.sin((2 * Math.PI * hertz * at) / decoded.sampleRate);
        cosine += sample * Math.cos((2 * Math.PI * hertz * at) / decoded.sampleRate);
      });
      return (2 * Math.hypot(sine, cosine)) / samples.length;
    }));
    return tones.map(level);
  }, ALL);
  const loud = ALL.filter((_, at) => levels[at] > 0.03);
  assert.deepEqual(loud, [AGENT, CUSTOMER], `${levels}`);
  await sound.evaluate((audio) => audio.play());
  await page.waitForFunction(() => document.querySelector("audio[controls]").currentTime > 0);
  await stage.shot("console-recordings");
  await stage.isUsable("recordings");
  await page.getByRole("link", { name: "Floor" }).click();
}

/** Figures are those of the API, and a bad line is seen to be one. */
export async function showsHowTheySound(stage) {
  const { page } = stage;
  const poor = await Caller.at(NODE_SIP, { name: "poor", hertz: GUEST, loses: 12 });
  await poor.calls("conf-sales");
  await page.locator('.seat:is([data-grade="fair"], [data-grade="bad"])', { hasText: "poor" }).waitFor();
  const call = await seat(page, "poor").getAttribute("data-call");
  await seat(page, "poor").locator(".who").click();
  const fact = (name) => page.locator(".facts > div", { hasText: name }).locator("dd").textContent();
  await until(() => "figures of the API", async () => {
    const { live, codec } = await qualityOf(call);
    // Of so many that chance does not take it far from what is lost on purpose.
    if (!live?.receive.mos || live.receive.packets < 400) return false;
    const lost = (100 * live.receive.lost) / (live.receive.lost + live.receive.packets);
    const shown = parseFloat((await fact("loss")).split("/")[0]);
    const mos = parseFloat(await seat(page, "poor").locator(".mos-figure").textContent());
    return Math.abs(shown - lost) < 2 && Math.abs(mos - live.receive.mos) < 0.3 && (await fact("codec")).toLowerCase() === codec.toLowerCase();
  });
  const shown = parseFloat(await fact("loss"));
  assert(shown > 5 && shown < 20, `${shown} % lost of 12`);
  await page.locator(".ledger-lines dd", { hasText: /\d/ }).first().waitFor();
  await page.waitForFunction(() => (document.querySelector(".mos .receive")?.getAttribute("points") ?? "").split(" ").length >= 3);
  assert.match(await page.locator(".chart title").textContent(), /now \d\.\d\d from them/);
  await poor.hangsUp();
  await seat(page, "poor").waitFor({ state: "detached" });
  poor.close();
}

export async function closePhone(page) {
  await phone(page).getByRole("button", { name: "Close" }).click();
  await phone(page).waitFor({ state: "hidden" });
}
