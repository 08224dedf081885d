// The floor: conferences and who is in them, queues, agents. What the feed tells is kept here and drawn at most once a frame.

import { grade, sparkline } from "./chart.js";
import {
  announce, ask, attribute, button, duration, h, icon, iconButton, keyed, nameOf, shown, text, toast,
} from "./dom.js";
import { Refused, post, remove } from "./node.js";
import { detail } from "./detail.js";

/** Participants of a conference from which on rows are narrower. */
const DENSE_FROM = 48;
/** How a call sounded is kept for so many looks, one every two seconds. */
const HISTORY = 150;
/** The quietest that a meter shows, in dBov. */
const QUIET = -55;

/** What is known. */
export const known = {
  floor: null,
  /** The node's clock less ours, in milliseconds. */
  ahead: 0,
  levels: new Map(),
  quality: new Map(),
};

export const now = () => Date.now() + known.ahead;

/** Changes how somebody sits; says so, or why not. */
export async function seat(conference, participant, form, words) {
  try {
    await post(`Conferences/${conference}/Participants/${participant.call}.json`, form);
    announce(`${nameOf(participant)}: ${words}`);
  } catch (error) {
    failed(error);
  }
}

export function failed(error) {
  if (!(error instanceof Refused)) throw error;
  toast(error.message, "bad");
}

export const toggleMute = (conference, one) =>
  seat(conference, one, { Muted: !one.muted }, one.muted ? "heard again" : "muted");

export const toggleHold = (conference, one) =>
  seat(conference, one, { Hold: !one.hold }, one.hold ? "off hold" : "on hold");

export async function kick(conference, one) {
  if (!(await ask(`Remove ${nameOf(one)} from the conference and end the call?`, "Remove"))) return;
  try {
    await remove(`Conferences/${conference}/Participants/${one.call}.json`);
    announce(`${nameOf(one)} was removed`);
  } catch (error) {
    failed(error);
  }
}

/** The recording of a conference that is under way, if there is one. */
export function recordingOf(conference) {
  return known.floor?.recordings.find((one) => one.conference === conference && one.status !== "stopped");
}

export async function toggleRecording(conference) {
  const running = recordingOf(conference.sid);
  try {
    if (running) await post(`Conferences/${conference.sid}/Recordings/${running.sid}.json`, { Status: "stopped" });
    else await post(`Conferences/${conference.sid}/Recordings.json`, {});
    announce(running ? "recording stopped" : "recording");
  } catch (error) {
    failed(error);
  }
}

/** The floor's view: its element, and what feeds it. */
export function floorView(phone) {
  let chosen = null;
  let pending = 0;
  const rows = new Map();
  const side = detail(phone, { mute: toggleMute, hold: toggleHold, kick, close: () => choose(null) });

  const figures = ["conferences", "participants", "speaking", "waiting", "longest wait", "agents", "lowest MOS"]
    .map((name) => ({ name, value: h("b", { class: "figure" }, "–") }));
  const summary = h("dl", { class: "summary" }, figures.map(({ name, value }) =>
    h("div", null, h("dt", null, name), h("dd", null, value))));
  const cards = h("div", { class: "cards" });
  const empty = h("p", { class: "empty" }, "Nobody is in a conference. Calls appear here as they come.");
  const queues = h("div", { class: "stack" });
  const noQueues = h("p", { class: "quiet" }, "No queue has been made.");
  const agents = h("ul", { class: "agents" });
  const noAgents = h("p", { class: "quiet" }, "No agent is known.");
  const calls = h("ul", { class: "calls" });
  const callsPanel = h("section", { class: "panel", "aria-label": "Other calls", hidden: true },
    h("h2", null, "Other calls"), calls);
  const element = h("div", { class: "floor" },
    h("div", { class: "main" }, h("h1", { class: "unseen" }, "Floor"), summary, empty, cards),
    h("div", { class: "side" }, side.element,
      h("section", { class: "panel", "aria-label": "Queues" }, h("h2", null, "Queues"), noQueues, queues),
      h("section", { class: "panel", "aria-label": "Agents" }, h("h2", null, "Agents"), noAgents, agents),
      callsPanel));

  element.addEventListener("keydown", onKey);

  function find(call) {
    for (const conference of known.floor?.conferences ?? []) {
      const one = conference.participants.find((participant) => participant.call === call);
      if (one) return { conference, one };
    }
    return null;
  }

  function choose(call) {
    rows.get(chosen)?.element.classList.remove("is-chosen");
    chosen = call;
    rows.get(chosen)?.element.classList.add("is-chosen");
    const found = chosen && find(chosen);
    side.show(found ? { ...found, history: known.quality.get(chosen) ?? [] } : null);
  }

  /** Within a conference arrows go from one to the next; letters act on the one who has the focus. */
  function onKey(event) {
    const row = event.target.closest?.(".seat");
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
    const found = find(row.dataset.call);
    if (!found) return;
    const { conference, one } = found;
    const acts = {
      m: () => toggleMute(conference.sid, one),
      h: () => toggleHold(conference.sid, one),
      Delete: () => kick(conference.sid, one),
      ArrowDown: () => step(row, 1), ArrowRight: () => step(row, 1),
      ArrowUp: () => step(row, -1), ArrowLeft: () => step(row, -1),
      Home: () => focus(row.parentElement.firstElementChild), End: () => focus(row.parentElement.lastElementChild),
      Escape: () => choose(null),
    };
    const act = acts[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  function step(row, by) {
    focus(by > 0 ? row.nextElementSibling : row.previousElementSibling);
  }

  function focus(row) {
    const who = row?.querySelector(".who");
    if (!who) return;
    row.parentElement.querySelector('.who[tabindex="0"]')?.setAttribute("tabindex", "-1");
    who.setAttribute("tabindex", "0");
    who.focus();
  }

  function makeSeat(one, conference) {
    const call = one.call;
    const level = h("i", { class: "level" });
    const name = h("span", { class: "name" });
    const badges = h("span", { class: "badges" });
    const spark = sparkline();
    const mos = h("span", { class: "mos-figure", title: "The lower MOS of both ways" });
    const act = (what) => () => {
      const found = find(call);
      if (found) what(found.conference.sid, found.one);
    };
    const mute = iconButton("mic", "Mute", act(toggleMute), { tabindex: "-1", class: "icon-button mute" });
    const hold = iconButton("hold", "Hold", act(toggleHold), { tabindex: "-1", class: "icon-button hold" });
    const who = h("button", {
      type: "button", class: "who", tabindex: "-1", "aria-keyshortcuts": "M H Delete", onclick: () => choose(call),
    }, name, badges);
    const element = h("li", { class: "seat", "data-call": call },
      h("span", { class: "meter", "aria-hidden": "true" }, level), who, spark.element, mos, mute, hold);
    rows.set(call, { element, level, name, badges, spark, mos, mute, hold, who, said: "" });
    if (!conference.querySelector('.who[tabindex="0"]')) who.setAttribute("tabindex", "0");
    return element;
  }

  function changeSeat(one) {
    const row = rows.get(one.call);
    const name = nameOf(one);
    text(row.name, name);
    attribute(row.name, "title", name);
    attribute(row.element, "data-kind", /^client:/.test(one.direction === "inbound" ? one.from : one.to) ? "agent" : "caller");
    const badges = [
      phone.isOurs(one.call) && "you", one.muted && "muted", one.hold && "on hold", one.far_hold && "holds", one.coaching && "coaching",
      one.status !== "in-progress" && one.status,
    ].filter(Boolean);
    if (row.said !== badges.join()) {
      row.said = badges.join();
      // The space is for those who hear it read.
      row.badges.replaceChildren(...badges.map((word) => h("span", { class: "badge", "data-word": word }, ` ${word}`)));
      row.mute.replaceChildren(icon(one.muted ? "muted" : "mic"));
    }
    for (const [control, pressed, label] of [[row.mute, one.muted, "Mute"], [row.hold, one.hold, "Hold"]]) {
      attribute(control, "aria-pressed", pressed ? "true" : "false");
      attribute(control, "aria-label", `${label} ${name}`);
    }
    attribute(row.who, "aria-label", [name, ...badges].join(" "));
    row.element.classList.toggle("is-quiet", one.muted || one.hold);
    drawQuality(one.call);
  }

  function drawQuality(call) {
    const row = rows.get(call);
    const history = known.quality.get(call);
    const last = history?.at(-1);
    if (!row || !last) return;
    const scores = [last.mos_receive, last.mos_send].filter((mos) => mos !== null);
    const mos = scores.length > 0 ? Math.min(...scores) : null;
    text(row.mos, mos === null ? "" : mos.toFixed(1));
    attribute(row.element, "data-grade", grade(mos));
    row.spark.show(history.map((one) => one.mos_receive ?? one.mos_send));
  }

  function makeCard(conference) {
    const { sid } = conference;
    const current = () => known.floor.conferences.find((one) => one.sid === sid);
    const title = h("h2", { id: `title-${sid}` });
    const about = h("span", { class: "about" });
    const speaking = h("span", { class: "speaking" });
    const record = button("record", "Record", () => toggleRecording(current()), { "aria-pressed": "false" });
    const end = button("end", "End", async () => {
      if (!(await ask(`End ${current()?.name || "the call"} for everybody in it?`, "End it"))) return;
      try {
        await post(`Conferences/${sid}.json`, { Status: "completed" });
      } catch (error) {
        failed(error);
      }
    });
    const listen = button("listen", "Listen", () => phone.enter({ conference: current(), how: "listen" }), { class: "button mode" });
    const barge = button("barge", "Join", () => phone.enter({ conference: current(), how: "barge" }), { class: "button mode" });
    phone.needsBrowser(listen, false);
    phone.needsBrowser(barge, true);
    const list = h("ul", { class: "seats", "aria-labelledby": `title-${sid}` });
    const element = h("section", { class: "card", "aria-labelledby": `title-${sid}` },
      h("header", null, h("div", { class: "titles" }, title, about, speaking),
        h("div", { class: "buttons" }, listen, barge, record, end)),
      list);
    element.parts = { title, about, speaking, record, end, list, modes: { listen, barge } };
    return element;
  }

  function changeCard(element, conference) {
    const { title, record, end, list, modes } = element.parts;
    const count = conference.participants.length;
    const name = conference.listed ? conference.name : "Call of two";
    text(title, name);
    attribute(list, "data-density", count >= DENSE_FROM ? "dense" : "roomy");
    const recording = Boolean(recordingOf(conference.sid));
    attribute(record, "aria-pressed", recording ? "true" : "false");
    text(record.lastElementChild, recording ? "Recording" : "Record");
    const ours = phone.how(conference.sid);
    for (const [how, control] of Object.entries(modes)) attribute(control, "aria-pressed", ours === how ? "true" : "false");
    // Of many that look alike, each says what it is about.
    for (const control of [...Object.values(modes), record, end]) {
      attribute(control, "aria-label", `${control.lastElementChild.textContent} ${name}`);
    }
    element.classList.toggle("is-recorded", recording);
    shown(record, conference.listed);
    keyed(list, conference.participants, (one) => one.call, (one) => makeSeat(one, list), (_, one) => changeSeat(one));
    // Whoever could be reached by Tab may have left.
    if (!list.querySelector('.who[tabindex="0"]')) list.querySelector(".who")?.setAttribute("tabindex", "0");
  }

  function drawTimes() {
    const { floor } = known;
    if (!floor) return;
    for (const conference of floor.conferences) {
      const card = cards.querySelector(`[aria-labelledby="title-${conference.sid}"]`);
      if (!card?.parts) continue;
      const count = conference.participants.length;
      const since = duration(now() - conference.since);
      text(card.parts.about, `${count} ${count === 1 ? "person" : "people"} · ${conference.started ? since : "not started"}`);
    }
    for (const clock of element.querySelectorAll("[data-since]")) text(clock, duration(now() - Number(clock.dataset.since)));
    const waiters = floor.queues.flatMap((queue) => queue.waiters);
    const longest = waiters.length > 0 ? Math.min(...waiters.map((one) => one.since)) : null;
    text(figures[4].value, longest === null ? "–" : duration(now() - longest));
  }

  function drawLevels() {
    for (const [call, row] of rows) {
      const level = known.levels.get(call);
      const part = level === undefined ? 0 : Math.max(0, Math.min(1, (level - QUIET) / -QUIET));
      const value = part.toFixed(2);
      if (row.part !== value) {
        row.part = value;
        row.level.style.setProperty("--part", value);
        row.element.classList.toggle("is-speaking", part > 0);
      }
    }
    for (const conference of known.floor?.conferences ?? []) {
      const card = cards.querySelector(`[aria-labelledby="title-${conference.sid}"]`);
      const speaking = conference.participants.filter((one) => known.levels.has(one.call)).map(nameOf);
      if (card?.parts) text(card.parts.speaking, speaking.slice(0, 3).join(", "));
    }
    text(figures[2].value, known.levels.size);
  }

  function drawFloor() {
    const { floor } = known;
    const people = floor.conferences.flatMap((conference) => conference.participants);
    shown(empty, floor.conferences.length === 0);
    keyed(cards, floor.conferences, (one) => one.sid, makeCard, changeCard);
    const there = new Set(people.map((one) => one.call));
    for (const call of [...rows.keys()]) if (!there.has(call)) rows.delete(call);
    const living = new Set([...there, ...floor.calls.map((one) => one.call)]);
    for (const call of [...known.quality.keys()]) if (!living.has(call)) known.quality.delete(call);
    drawQueues(floor);
    drawAgents(floor, [...people, ...floor.calls]);
    drawCalls(floor.calls.filter((call) => !floor.queues.some((queue) => queue.waiters.some((one) => one.call === call.call))));
    text(figures[0].value, floor.conferences.length);
    text(figures[1].value, people.length);
    text(figures[3].value, floor.queues.reduce((all, queue) => all + queue.size, 0));
    if (chosen) choose(there.has(chosen) ? chosen : null);
  }

  function drawQueues(floor) {
    shown(noQueues, floor.queues.length === 0);
    keyed(queues, floor.queues, (queue) => queue.sid, () => {
      const [name, size, list] = [h("h3"), h("span", { class: "figure" }), h("ol", { class: "waiters" })];
      const made = h("div", { class: "queue" }, h("div", { class: "line" }, name, size), list);
      made.parts = { name, size, list };
      return made;
    }, ({ parts }, queue) => {
      text(parts.name, queue.name);
      text(parts.size, `${queue.size} of ${queue.max}`);
      keyed(parts.list, queue.waiters, (one) => one.call, (one) => h("li", { class: "line" },
        h("span", { class: "name" }), h("span", { class: "figure", "data-since": one.since })),
      (row, one) => text(row.firstElementChild, one.from.replace(/^(client|sips?):/, "") || "unknown"));
    });
  }

  function drawAgents(floor, calls) {
    shown(noAgents, floor.agents.length === 0);
    const busy = new Set(calls.flatMap((call) => [call.from, call.to]).map((name) => name.replace(/^client:/, "")));
    const state = (agent) => (busy.has(agent.name) ? "on a call" : agent.devices > 0 ? "available" : "away");
    keyed(agents, floor.agents, (agent) => agent.name, () => h("li", { class: "line" },
      h("span", { class: "name" }), h("span", { class: "state" })), (row, agent) => {
      text(row.firstElementChild, agent.name);
      text(row.lastElementChild, state(agent));
      attribute(row, "data-state", state(agent));
    });
    const there = floor.agents.filter((agent) => agent.devices > 0).length;
    text(figures[5].value, floor.agents.length > 0 ? `${there}/${floor.agents.length}` : "–");
  }

  function drawCalls(list) {
    shown(callsPanel, list.length > 0);
    keyed(calls, list, (call) => call.call, (call) => h("li", { class: "line" }, h("span", { class: "name" }),
      h("span", { class: "state" }), h("span", { class: "figure", "data-since": call.since })), (row, call) => {
      text(row.children[0], nameOf(call));
      text(row.children[1], call.status);
    });
  }

  const stale = { floor: false, levels: false, quality: new Set() };

  /** However often something comes, it is drawn once a frame. */
  function draw(what) {
    what(stale);
    pending ||= requestAnimationFrame(() => {
      pending = 0;
      if (!known.floor) return;
      if (stale.floor) phone.floor(known.floor);
      if (stale.floor) drawFloor();
      if (stale.floor || stale.levels) drawLevels();
      if (stale.floor) drawTimes();
      if (stale.quality.size > 0) drawScores();
      stale.floor = stale.levels = false;
      stale.quality.clear();
    });
  }

  function drawScores() {
    stale.quality.forEach(drawQuality);
    if (chosen && stale.quality.has(chosen)) side.quality(known.quality.get(chosen));
    let lowest = null;
    for (const history of known.quality.values()) {
      for (const mos of [history.at(-1).mos_receive, history.at(-1).mos_send]) {
        if (mos !== null && (lowest === null || mos < lowest)) lowest = mos;
      }
    }
    text(figures[6].value, lowest === null ? "–" : lowest.toFixed(2));
    attribute(figures[6].value, "data-grade", grade(lowest));
  }

  const clock = setInterval(drawTimes, 1000);

  return {
    element,
    stop: () => clearInterval(clock),
    floor(told) {
      known.floor = told;
      known.ahead = told.now - Date.now();
      draw((stale) => (stale.floor = true));
    },
    levels(told) {
      known.levels = new Map(Object.entries(told.levels));
      draw((stale) => (stale.levels = true));
    },
    quality(told) {
      for (const [call, one] of Object.entries(told.quality)) {
        const history = known.quality.get(call) ?? [];
        history.push(one);
        if (history.length > HISTORY) history.shift();
        known.quality.set(call, history);
        draw((stale) => stale.quality.add(call));
      }
    },
  };
}
