// A supervisor at the console: what is shown is true, each action is verified by who hears whom, and the page goes on when the
// node was restarted. run.sh makes the node; telephones, applications and crowds are made here.

import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

import * as calls from "./console_calls.mjs";
import * as pages from "./console_pages.mjs";
import { NODE, SCREENSHOTS, TOKEN, WORK, card, hears, logIn, open, says } from "./stage.mjs";

const CROWD = Number(process.env.CROWD);
const stage = await open();
const { page, context, browser, complaints } = stage;

/** Switches to light or dark. */
async function theme(chosen) {
  if ((await page.evaluate(() => document.documentElement.dataset.theme ?? "light")) !== chosen) {
    await page.getByRole("button", { name: "Light or dark" }).click();
    await page.mouse.move(0, 0);
  }
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme ?? "light"), chosen);
}

/** A picture in light and in dark. */
stage.shot = async (name) => {
  for (const chosen of ["dark", "light"]) {
    await theme(chosen);
    await page.screenshot({ path: `${SCREENSHOTS}/${name}-${chosen}.png` });
  }
};

stage.isUsable = async (what) => {
  for (const chosen of ["dark", "light"]) {
    await theme(chosen);
    await pages.isUsable(page, `${what} (${chosen})`);
  }
};

const steps = process.env.PICTURES_ONLY ? [logsIn, pages.looksGood] : [
  logsIn, calls.fills, calls.isRefusedTheMicrophone, calls.mutesAndRemovesByKeyboard, calls.holds, calls.ends,
  calls.listensWhispersAndJoins, calls.listensToACallOfTwo, calls.calls, calls.comesWithoutHttps, calls.showsHowTheySound,
  calls.recordsAndPlays, pages.showsQueuesAgentsAndFailures, pages.readsNamesThatAreMarkup, pages.othersPagesAreRefused,
  pages.keepsWhatItShows, pages.looksGood, ...(CROWD > 0 ? [(stage) => pages.isReadableInACrowd(stage, CROWD)] : []), outlivesTheNode,
];
const only = process.env.STEPS ? process.env.STEPS.split(",") : null;
let step = { name: "begin" };
try {
  for (step of steps) {
    if (only && step.name && step.name !== "logsIn" && step.name !== "fills" && !only.includes(step.name)) continue;
    const began = Date.now();
    await step(stage);
    console.log(`console: ${step.name || "isReadableInACrowd"} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
  }
  assert.deepEqual(complaints, []);
  console.log(`console: a supervisor saw, acted, was heard by whom they wanted, and went on after a restart; pictures are in ${SCREENSHOTS}`);
} catch (error) {
  await page.screenshot({ path: `${SCREENSHOTS}/console-failed.png` }).catch(() => {});
  console.error(`console: ${step.name} failed`, error, complaints);
  process.exitCode = 1;
} finally {
  await browser.close();
}
process.exit();

async function logsIn() {
  await page.goto(NODE);
  await page.getByLabel("Account SID").fill(process.env.CONSOLE_SID);
  await page.getByLabel("Auth token").fill("wrong");
  await page.keyboard.press("Enter");
  await page.getByText("The account SID or the auth token is wrong.").waitFor();
  await page.screenshot({ path: `${SCREENSHOTS}/console-login.png` });
  await pages.isUsable(page, "the log in");
  await logIn(page);
  await page.getByRole("link", { name: "Floor" }).waitFor();
  // What lets in is nowhere that a script could read it.
  const readable = await page.evaluate(() => [document.cookie, JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.documentElement.outerHTML].join());
  assert(!readable.includes(TOKEN) && !readable.includes("confab_console"), readable);
  await context.grantPermissions(only ? ["microphone"] : []);
}

/** The node is restarted under a call: the page says what became of it, and goes on where it was. */
async function outlivesTheNode() {
  await card(page, "sales").getByRole("button", { name: "Listen sales" }).click();
  await says(page, "listening to sales");
  await hears(page, [700, 1300]);
  writeFileSync(`${WORK}/restart`, "");
  await page.getByText("the node cannot be reached").first().waitFor();
  // Whichever comes first: that the feed is gone, or that the node, as it went, ended the call.
  const told = /The node cannot be reached: the call may be cut\.|The call is over\.|The call was cut/;
  await page.getByText(told).filter({ visible: true }).first().waitFor();
  writeFileSync(`${WORK}/start`, "");
  while (!existsSync(`${WORK}/restarted`)) await pause(100);
  // Logins are in the node's memory: the page says so, and goes on where it was.
  await page.getByText("Log in again to go on.").waitFor();
  await logIn(page);
  await page.getByText("Nobody is in a conference.").waitFor();
}
