// What the console shows is true, whoever named it; what others' pages ask for is not done; and it is readable in a crowd.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";

import axe from "axe-core";

import { Caller, until } from "./caller.mjs";
import { CONFAB, NODE, NODE_SIP, WORK, api, application, card, conference, openPage, phone, says, seat } from "./stage.mjs";

const MARKUP = `<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>`;
/** What is left of it where names are shorter, and where they have no slash. */
const SHORT = MARKUP.slice(0, 64);
const LABEL = MARKUP.replaceAll("/", "");

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** A number of the account whose calls follow a script of ours. */
async function number(digits, url) {
  await api("POST", "/IncomingPhoneNumbers.json", { PhoneNumber: digits, VoiceUrl: url });
}

/** Callers who wait, agents who are there or not, and what failed in an application. */
export async function showsQueuesAgentsAndFailures(stage) {
  const { page } = stage;
  const app = await application({ "/wait": "<Response><Enqueue>support</Enqueue></Response>", "/broken": "<Response><Dial></Response>" });
  await number("+15550101", `${app.url}/wait`);
  await number("+15550102", `${app.url}/broken`);
  const waiting = await Caller.at(NODE_SIP, { name: "waiting" });
  await waiting.calls("+15550101");
  const queues = page.getByRole("region", { name: "Queues" });
  await queues.getByText(/^1 of \d+$/).waitFor();
  await queues.locator(".waiters .name", { hasText: "waiting" }).waitFor();
  await page.locator(".summary > div", { hasText: /^waiting/ }).locator("dd", { hasText: /^1$/ }).waitFor();
  await page.locator(".summary > div", { hasText: "longest wait" }).locator("dd", { hasText: /^\d+:\d\d$/ }).waitFor();
  await waiting.hangsUp();
  await queues.locator(".waiters .name").waitFor({ state: "detached" });

  const agents = page.getByRole("region", { name: "Agents" });
  const alice = (state) => agents.locator(`li[data-state="${state}"]`, { hasText: "alice" }).waitFor();
  await alice("away");
  const desk = await Caller.at(NODE_SIP, { name: "alice" });
  await desk.registers("a-long-random-word");
  await alice("available");
  await api("POST", "/Calls.json", { To: "client:alice", From: "+15550100", Twiml: "<Response><Pause length=\"60\"/></Response>" });
  await desk.picksUp();
  await alice("on a call");
  await page.getByRole("region", { name: "Other calls" }).getByText("alice").waitFor();
  await desk.hangsUp();
  await alice("available");

  const failing = await Caller.at(NODE_SIP, { name: "failing" });
  await failing.calls("+15550102").catch(() => {});
  await page.getByRole("link", { name: "Notifications" }).click();
  await page.getByRole("heading", { name: "Notifications" }).waitFor();
  const row = page.locator("tr", { hasText: "/broken" }).first();
  while ((await row.count()) === 0) {
    await page.getByRole("button", { name: "Look again" }).click();
    await page.waitForTimeout(200);
  }
  const [told] = (await api("GET", "/Notifications.json")).notifications.filter((one) => one.request_url.endsWith("/broken"));
  await row.getByText(told.error_code, { exact: true }).waitFor();
  await row.getByText(told.call_sid).waitFor();
  await stage.shot("console-notifications");
  await stage.isUsable("notifications");
  await page.getByRole("link", { name: "Floor" }).click();
  for (const caller of [waiting, desk, failing]) caller.close();
  app.close();
}

/** Names are text, whoever chose them. */
export async function readsNamesThatAreMarkup(stage) {
  const { page } = stage;
  const app = await application({ "/x": `<Response><Enqueue>${SHORT.replace(/</g, "&lt;").replace(/"/g, "&quot;")}</Enqueue></Response>` });
  await api("POST", ".json", { FriendlyName: SHORT });
  await number("+15550103", `${app.url}/x`);
  await number("+15550104", `${app.url}/none?${encodeURIComponent(MARKUP)}=<img src=x onerror=window.hacked=1>`.replace(/ /g, "+"));
  const [named, waiting, failing] = await Promise.all(["named", "waiting", "failing"].map((name) => Caller.at(NODE_SIP, { name })));
  const labelled = await Caller.at(NODE_SIP, { name: "labelled" });
  const display = encodeURIComponent(SHORT);
  await named.calls(`conf-${encodeURIComponent(SHORT)}`, { display });
  await waiting.calls("+15550103", { display });
  await failing.calls("+15550104", { display }).catch(() => {});
  const found = await until(() => "the conference", () => conference(SHORT));
  await api("POST", `/Conferences/${found.sid}/Participants.json`, { From: "+15550100", To: labelled.uri, Label: LABEL, Beep: "false" });
  await labelled.picksUp();
  await page.reload();
  const exact = new RegExp(`^${escaped(SHORT)}$`);
  await page.locator(".who-am-i", { hasText: exact }).waitFor();
  await page.getByRole("heading", { level: 2, name: exact }).waitFor();
  await page.getByRole("heading", { level: 3, name: exact }).waitFor();
  await page.locator(".seat .name", { hasText: new RegExp(`^${escaped(LABEL)}$`) }).waitFor();
  await page.locator(".seat .name", { hasText: "<img" }).nth(1).waitFor();
  await page.locator(".waiters .name", { hasText: "<img" }).waitFor();
  await page.locator(".seat .who", { hasText: LABEL }).click();
  await page.locator("#detail-title", { hasText: LABEL }).waitFor();
  for (const link of ["Notifications", "Recordings", "Floor"]) {
    await page.getByRole("link", { name: link }).click();
    await page.getByRole("heading", { name: link, exact: true, level: 1 }).waitFor({ state: "attached" });
    await page.waitForTimeout(300);
  }
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  assert.equal(await page.locator('img[src="x"], script:not([src])').count(), 0);
  for (const caller of [named, waiting]) await caller.hangsUp();
  await api("POST", `/Conferences/${found.sid}.json`, { Status: "completed" });
  await labelled.isHungUp();
  await api("POST", ".json", { FriendlyName: "Northern Floor" });
  for (const caller of [named, waiting, failing, labelled]) caller.close();
  for (const queue of (await api("GET", "/Queues.json")).queues) {
    if (queue.friendly_name !== "support") await api("DELETE", `/Queues/${queue.sid}.json`);
  }
  app.close();
  await page.reload();
  await seat(page, "agent").waitFor();
}

/** A page of another origin on the same site, to which browsers send our cookie, gets nothing done and nothing told. */
export async function othersPagesAreRefused(stage) {
  const { context } = stage;
  const files = Object.fromEntries([["cert", "pem"], ["key", "key"]].map(([name, end]) =>
    [name, readFileSync(`${WORK}/data/https-development.${end}`)]));
  const evil = createServer(files, (_, response) => response.setHeader("content-type", "text/html").end("<!doctype html><title>evil</title>"))
    .listen(0, "127.0.0.1");
  await new Promise((listening) => evil.once("listening", listening));
  const { page } = await openPage(context);
  await page.goto(`https://127.0.0.1:${evil.address().port}/`);
  const { sid } = await conference("sales");
  const { participants } = await api("GET", `/Conferences/${sid}/Participants.json`);
  const path = `${new URL(participants[0].uri, NODE)}`;
  const tried = await page.evaluate(async ([node, path]) => {
    const form = () => new URLSearchParams({ Muted: "true" });
    // What a page may send without being asked goes out, with the cookie; that it may not read the answer helps nobody.
    const sent = (url, options) => fetch(url, { method: "POST", mode: "no-cors", credentials: "include", ...options }).catch(() => {});
    await sent(path, { body: form() });
    await sent(`${node}/v1/console/token`);
    const reads = async (url, options) => fetch(url, { credentials: "include", ...options }).then(() => "read", () => "refused");
    const socket = () => new Promise((done) => {
      const feed = new WebSocket(`${node.replace("https", "wss")}/v1/console/feed`);
      feed.onmessage = () => done("told");
      feed.onclose = () => done("refused");
    });
    const frame = document.createElement("iframe");
    frame.src = `${node}/`;
    document.body.append(frame);
    await new Promise((loaded) => (frame.onload = loaded));
    return [
      await reads(`${node}/v1/console/login`), await reads(path),
      await reads(path, { method: "POST", body: form(), headers: { "x-confab-console": "1" } }), await socket(),
    ];
  }, [NODE, path]);
  assert.deepEqual(tried, ["refused", "refused", "refused", "refused"]);
  assert.equal(page.frames().length, 2);
  assert.equal(await page.frames()[1].locator("#app").count(), 0, "the console is in nobody's frame");
  const seats = (await api("GET", `/Conferences/${sid}/Participants.json`)).participants;
  assert(seats.every((one) => !one.muted), "a page of another origin muted somebody");
  await page.close();
  evil.close();
  // And the login is as it was.
  await stage.page.reload();
  await seat(stage.page, "agent").waitFor();
}

/** Somebody speaks and pauses, and everything else stays as it is. */
export async function keepsWhatItShows({ page }) {
  const chatter = await Caller.at(NODE_SIP, { name: "chatter" });
  await chatter.calls("conf-sales");
  await seat(page, "chatter").waitFor();
  const speaking = setInterval(() => (chatter.hertz = chatter.hertz ? null : 1000), 250);
  await stays(page);
  clearInterval(speaking);
  await chatter.hangsUp();
  chatter.close();
  await seat(page, "chatter").waitFor({ state: "detached" });
}

/** What is drawn ten times a second is changed and not made anew. */
async function stays(page) {
  await page.evaluate(() => {
    const kept = [...document.querySelectorAll(".cards, .cards *")];
    const seen = { kept, made: [], moves: 0 };
    new MutationObserver((changes) => {
      for (const change of changes) {
        if (change.type === "attributes" && change.target.matches(".level")) seen.moves += 1;
        for (const node of [...change.addedNodes, ...change.removedNodes]) {
          if (node.nodeType === Node.ELEMENT_NODE) seen.made.push(node.outerHTML);
        }
      }
    }).observe(document.querySelector(".cards"), { subtree: true, childList: true, attributes: true, attributeFilter: ["style"] });
    window.seen = seen;
  });
  await page.waitForFunction(() => window.seen.moves >= 30);
  const { made, gone } = await page.evaluate(() => ({ made: window.seen.made, gone: window.seen.kept.filter((one) => !one.isConnected).length }));
  assert.deepEqual([made, gone], [[], 0]);
}

/** What a machine can find of what keeps people out (WCAG 2.1, levels A and AA). */
export async function isUsable(page, what) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => window.axe.run(document, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], resultTypes: ["violations"],
  }));
  const told = violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.target} ${node.any[0]?.message ?? ""}`).join("; ")}`);
  assert.deepEqual(told, [], `${what} is not usable by everybody`);
}

/** Synthetic callers, as long as they are not stopped. */
export function crowd(legs, conferences, talkers) {
  const load = spawn(CONFAB, ["load", "--target", NODE_SIP, "--legs", `${legs}`, "--conferences", `${conferences}`, "--talkers", `${talkers}`,
    "--ramp", "50", "--seconds", "300"], { stdio: "ignore", env: { PATH: process.env.PATH } });
  const over = new Promise((exited) => load.once("exit", exited));
  return async () => {
    load.kill();
    await over;
  };
}

/** With so many in one conference all can be read, and nothing is wider than the window. */
export async function isReadableInACrowd(stage, legs) {
  const { page } = stage;
  const leave = crowd(legs, 1, 3);
  try {
    await page.waitForFunction((legs) => document.querySelectorAll('[data-density="dense"] .seat').length >= legs, legs);
    await page.waitForFunction(() => document.querySelectorAll('[data-density="dense"] .mos-figure:not(:empty)').length > 100);
    await stays(page);
    const { small, wide, hidden } = await page.evaluate(() => {
      const rows = [...document.querySelectorAll('[data-density="dense"] .seat')];
      const names = rows.map((row) => row.querySelector(".name"));
      return {
        small: names.filter((name) => parseFloat(getComputedStyle(name).fontSize) < 12).length,
        wide: document.documentElement.scrollWidth > innerWidth,
        hidden: names.filter((name) => name.getBoundingClientRect().width < 30).length,
      };
    });
    assert.deepEqual([small, wide, hidden], [0, false, 0]);
    await stage.shot("console-crowd");
    await stage.isUsable("a crowd");
  } finally {
    await leave();
  }
  await page.locator('[data-density="dense"]').waitFor({ state: "detached" });
}

/** A floor on which something is going on, for the eye: who is where, and whose line is poor. */
const FLOOR = {
  "order-48213": ["amara", "+442079467563", "+442079467794"],
  "claims-escalation": ["elif", "+442079467281 poor", "ivo", "+442079465645"],
  "team-stand-up": ["chloe", "bruno", "+442079463461", "+442079463678", "+442079465633", "+442079464279"],
};

export async function looksGood(stage) {
  const { page } = stage;
  const app = await application({ "/wait": "<Response><Enqueue>support</Enqueue></Response>" });
  await number("+15550109", `${app.url}/wait`);
  const callers = [];
  const comes = async (name, to) => {
    const [display, poor] = name.split(" ");
    const caller = await Caller.at(NODE_SIP, { name: display.replace("+", ""), hertz: null, loses: poor ? 9 : 0 });
    await caller.calls(to, { display });
    callers.push(caller);
  };
  for (const [name, people] of Object.entries(FLOOR)) for (const one of people) await comes(one, `conf-${name}`);
  for (const one of ["+442079461007", "+442079461017"]) await comes(one, "+15550109");
  for (const [at, hertz] of [[0, 500], [1, 600], [3, 550], [7, 450]]) callers[at].hertz = hertz;
  await seat(page, "ivo").hover();
  await seat(page, "ivo").getByRole("button", { name: "Hold ivo" }).click();
  await seat(page, "bruno").hover();
  await seat(page, "bruno").getByRole("button", { name: "Mute bruno" }).click();
  await page.setViewportSize({ width: 1440, height: 720 });
  await page.locator(".mos-figure:not(:empty)").nth(12).waitFor();
  await seat(page, "amara").locator(".who").click();
  // A line takes some looks, one every two seconds.
  await page.waitForFunction((looks) => (document.querySelector(".mos .receive")?.getAttribute("points") ?? "").split(" ").length >= looks,
    process.env.PICTURES_ONLY ? 8 : 2);
  await stage.shot("console");
  await stage.isUsable("the floor");
  await card(page, "order-48213").getByRole("button", { name: "Listen order-48213" }).click();
  await says(page, "listening to order-48213");
  await page.locator(".seat", { has: page.locator('.badge[data-word="you"]') }).locator(".mos-figure:not(:empty)").waitFor();
  await stage.shot("console-phone");
  await stage.isUsable("the telephone");
  await phone(page).getByRole("button", { name: "Hang up" }).click();
  await phone(page).getByRole("button", { name: "Close" }).click();
  await page.setViewportSize({ width: 1440, height: 900 });
  for (const caller of callers) {
    await caller.hangsUp();
    caller.close();
  }
  app.close();
}
