// The browser as a telephone: to dial, and as the supervisor's leg in a conference, heard by nobody, one or all. What it says
// of a call is what the node tells of it.

import { announce, attribute, button, h, iconButton, keyed, nameOf, shown, text, toast } from "./dom.js";
import { noMicrophone, openLine, overHttp } from "./line.js";
import { LoggedOut, account, post } from "./node.js";

const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];
const KEY_NAMES = { "*": "star", "#": "hash" };
const MODE = { class: "button mode", "aria-pressed": "false" };
/** How to sit, by what is wanted; and what the call itself begins with. */
const SEATS = {
  listen: () => ({ Muted: true, Coaching: false }),
  whisper: (call) => ({ Muted: false, Coaching: true, CallSidToCoach: call }),
  barge: () => ({ Muted: false, Coaching: false }),
};
const ENTRIES = {
  listen: () => ({ Muted: "true" }),
  whisper: (call) => ({ Coach: call }),
  barge: () => ({}),
};

/** Why this browser cannot call this node, if it cannot; `speaks` says whether it would need a microphone. */
function hindrance(speaks) {
  if (!account.browserMedia) return "This node takes no calls from browsers. Everything else works.";
  if (!window.RTCPeerConnection) return "This browser has no WebRTC.";
  return speaks ? noMicrophone() : null;
}

/** How somebody sits, in a word. */
const howOf = (seat) => (seat.coaching ? "whisper" : seat.muted ? "listen" : "barge");

export function phone() {
  /** The call that is on, what it is, and how the node last told it: { line, words, conference, seat, seen }. */
  let call = null;
  let isOpening = false;
  let opener = null;
  let lastFloor = null;

  const explained = h("p", { class: "quiet", hidden: true });
  const state = h("p", { class: "phone-state", role: "status" }, "Not in a call");
  const warning = h("p", { class: "phone-warning", role: "alert", hidden: true });
  const number = h("input", {
    id: "phone-number", name: "number", autocomplete: "off", spellcheck: "false", "aria-describedby": "phone-forms",
  });
  const dial = h("button", { class: "button is-primary", type: "submit" }, "Call");
  const form = h("form", { onsubmit: (event) => {
    event.preventDefault();
    const to = number.value.trim();
    if (to) begin({ To: to }, `calling ${to} …`, { speaks: true });
  } }, h("label", { for: "phone-number" }, "Call"), h("div", { class: "line" }, number, dial),
  h("p", { class: "quiet", id: "phone-forms" }, "a number, client:NAME, sip:… or conference:NAME"));

  const modes = {
    listen: button("listen", "Listen", () => enter({ conference: current(), how: "listen" }), MODE),
    whisper: button("whisper", "Whisper", () => enter({ conference: current(), one: chosen(), how: "whisper" }), MODE),
    barge: button("barge", "Join", () => enter({ conference: current(), how: "barge" }), MODE),
  };
  const coached = h("select", { id: "phone-coached" });
  const supervising = h("div", { class: "supervising", hidden: true },
    h("div", { class: "buttons", role: "group", "aria-label": "How you take part" }, Object.values(modes)),
    h("label", { for: "phone-coached" }, "Whisper to"), coached);

  const pressed = h("p", { class: "pressed figure", "aria-live": "off" });
  const pad = h("div", { class: "pad", role: "group", "aria-label": "Dial pad" }, KEYS.map((key) =>
    h("button", { type: "button", "aria-label": KEY_NAMES[key] ?? key, onclick: () => press(key) }, key)));
  const mute = button("mic", "Mute me", () => {
    if (!call) return;
    call.line.mute(!call.line.isMuted);
    attribute(mute, "aria-pressed", call.line.isMuted ? "true" : "false");
    announce(call.line.isMuted ? "you are muted" : "you are heard again");
  }, { "aria-pressed": "false" });
  const hangUp = button("phone", "Hang up", () => end("Not in a call"), { class: "button is-danger" });
  const controls = h("div", { class: "buttons", hidden: true }, mute, hangUp);
  const sound = h("audio", { autoplay: true });
  const element = h("section", { class: "panel phone", "aria-label": "Telephone", hidden: true, onkeydown: onKey },
    h("div", { class: "line" }, h("h2", null, "Telephone"), iconButton("end", "Close", () => toggle(false))),
    explained, state, warning, supervising, form, pressed, pad, controls, sound);
  /** Buttons that are of no use without a browser's call, and whether they need a microphone. */
  const needing = new Map([[dial, true], [modes.listen, false], [modes.whisper, true], [modes.barge, true]]);

  function toggle(is = element.hidden) {
    shown(element, is);
    if (opener) attribute(opener, "aria-expanded", is ? "true" : "false");
    if (is) (call ? hangUp : hindrance(true) ? element.querySelector("button") : number).focus();
    else opener?.focus();
  }

  /** Keys of a keyboard are keys of the telephone, but where somebody writes. */
  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") return toggle(false);
    if (!["INPUT", "SELECT"].includes(event.target.tagName) && KEYS.includes(event.key)) press(event.key);
  }

  /** Looks anew at what is possible. */
  function refresh() {
    const why = hindrance(true);
    text(explained, why ?? "");
    shown(explained, Boolean(why));
    for (const control of [number, ...pad.children]) control.disabled = Boolean(why);
    for (const [control, speaks] of needing) explain(control, hindrance(speaks));
  }

  function explain(control, why) {
    attribute(control, "aria-disabled", why ? "true" : null);
    attribute(control, "title", why);
  }

  function press(key) {
    if (!call) {
      number.value += key;
      return;
    }
    if (call.line.press(key)) text(pressed, (pressed.textContent + key).slice(-24));
    else toast("Keys cannot be sent in this call.");
  }

  /** The conference in which we sit, and who of it is chosen to hear us alone. */
  const current = () => lastFloor?.conferences.find((one) => one.sid === call?.conference);
  const chosen = () => current()?.participants.find((one) => one.call === coached.value);

  /** Enters a conference, or changes how we sit in it if we do already. */
  async function enter({ conference, one, how }) {
    const why = hindrance(how !== "listen");
    if (why) return toast(why);
    if (!conference || (how === "whisper" && !one)) return toast("They are not there any more.");
    if (call?.conference !== conference.sid) {
      const parameters = { Conference: conference.sid, ...ENTRIES[how](one?.call) };
      return begin(parameters, "One moment …", { speaks: how !== "listen", conference: conference.sid });
    }
    try {
      if (how !== "listen") await call.line.speak();
      await post(`Conferences/${conference.sid}/Participants/${call.line.sid}.json`, SEATS[how](one?.call));
    } catch (error) {
      failed(error);
    }
  }

  async function begin(parameters, words, { speaks, conference = null }) {
    if (isOpening) return;
    isOpening = true;
    toggle(true);
    await end("One moment …");
    try {
      const over = (why) => {
        forget(why);
        toast(why);
      };
      const line = await openLine(overHttp(parameters), { speaks, sound, over });
      call = { line, words, conference, to: parameters.To, seat: null, seen: false };
      say(words);
      number.value = "";
      drawControls();
      hangUp.focus();
    } catch (error) {
      say("Not in a call");
      failed(error);
    } finally {
      isOpening = false;
    }
  }

  function failed(error) {
    if (error instanceof LoggedOut) throw error;
    toast(error.message, "bad");
  }

  async function end(words) {
    const over = call;
    forget(words);
    await over?.line.end();
  }

  function forget(words) {
    const hadFocus = element.contains(document.activeElement);
    call = null;
    say(words);
    drawControls();
    if (hadFocus && !element.hidden && !number.disabled) number.focus();
  }

  function say(words) {
    text(state, words);
  }

  function drawControls() {
    shown(controls, Boolean(call));
    shown(form, !call);
    shown(supervising, Boolean(call?.conference));
    attribute(mute, "aria-pressed", call?.line.isMuted ? "true" : "false");
    text(pressed, call ? pressed.textContent : "");
    if (opener) attribute(opener, "data-on", call ? "true" : null);
    if (!call) text(warning, "");
    shown(warning, Boolean(call && warning.textContent));
  }

  /** Finds our call on the floor, and says what has become of it. */
  function floor(told) {
    lastFloor = told;
    if (!call) return;
    const { sid } = call.line;
    const conference = told.conferences.find((one) => one.participants.some((seat) => seat.call === sid));
    call.seat = conference?.participants.find((seat) => seat.call === sid) ?? null;
    if (conference || told.calls.some((one) => one.call === sid)) call.seen = true;
    else if (call.seen) return call.line.ended("The call is over.");
    if (!conference) return say(call.words);
    say(call.conference ? supervised(conference, call.seat) : conference.listed ? `in ${conference.name}`
      : `talking with ${others(conference).map(nameOf).join(", ") || call.to}`);
    drawModes(conference);
  }

  const others = (conference) => conference.participants.filter((seat) => seat.call !== call.line.sid);

  function supervised(conference, seat) {
    const name = conference.listed ? conference.name : "a call of two";
    if (seat.hold) return `on hold in ${name}`;
    if (!seat.coaching) return seat.muted ? `listening to ${name}` : `speaking in ${name}`;
    const agent = conference.participants.find((one) => one.call === seat.coached);
    if (!agent) return "They whom you whispered to have left: nobody hears you.";
    return seat.muted ? `muted, would whisper to ${nameOf(agent)}` : `whispering to ${nameOf(agent)} in ${name}`;
  }

  function drawModes(conference) {
    if (!call.conference) return;
    for (const [how, control] of Object.entries(modes)) {
      attribute(control, "aria-pressed", howOf(call.seat) === how ? "true" : "false");
    }
    keyed(coached, others(conference), (one) => one.call, (one) => h("option", { value: one.call }),
      (option, one) => text(option, nameOf(one)));
  }

  return {
    element, toggle, refresh, enter, floor,
    /** Ends the call that is on; the promise is kept when the node knows. */
    end: () => end("Not in a call"),
    /** The button that shows and hides it. */
    openedBy(control) {
      opener = control;
      attribute(control, "aria-expanded", "false");
    },
    /** The node cannot be reached, or can be again. */
    lost(is) {
      text(warning, is && call ? "The node cannot be reached: the call may be cut." : "");
      shown(warning, is && Boolean(call));
    },
    /** Whether it is in a call. */
    isOn: () => call !== null,
    /** Whether this call is ours. */
    isOurs: (sid) => call?.line.sid === sid,
    /** How we take part in a conference: "listen", "whisper" or "barge"; of a whisper, to this call. */
    how(conference, to) {
      if (!call?.seat || call.conference !== conference) return null;
      const how = howOf(call.seat);
      return how === "whisper" && to && call.seat.coached !== to ? null : how;
    },
    /** A button that is of no use without a browser's call, and whether that takes a microphone. */
    needsBrowser(control, speaks) {
      needing.set(control, speaks);
      explain(control, hindrance(speaks));
    },
  };
}
