// One participant, closer: who they are, how they sound, and everything that can be done.

import { grade, ledger, mosChart } from "./chart.js";
import { attribute, button, h, iconButton, nameOf, shown, text } from "./dom.js";

const MODE = { class: "button mode" };

/** The panel beside the floor. `acts` says what its buttons do. */
export function detail(phone, acts) {
  let about = null;
  const title = h("h2", { id: "detail-title" });
  const where = h("p", { class: "quiet" });
  const mos = mosChart();
  const delay = ledger();
  const figures = Object.fromEntries(["loss", "jitter", "round trip", "codec"].map((name) => [name, h("b", { class: "figure" }, "–")]));
  const act = (what) => () => about && what(about.conference.sid, about.one);
  const mute = button("mic", "Mute", act(acts.mute));
  const hold = button("hold", "Hold", act(acts.hold));
  const kick = button("end", "Remove", act(acts.kick));
  const listen = button("listen", "Listen", () => phone.enter({ conference: about.conference, how: "listen" }), MODE);
  const whisper = button("whisper", "Whisper", () => phone.enter({ ...about, how: "whisper" }), MODE);
  const barge = button("barge", "Join", () => phone.enter({ conference: about.conference, how: "barge" }), MODE);
  const modes = { listen, whisper, barge };
  for (const [how, control] of Object.entries(modes)) phone.needsBrowser(control, how !== "listen");
  const element = h("section", { class: "panel detail", "aria-labelledby": "detail-title", hidden: true },
    h("div", { class: "line" }, title, iconButton("end", "Close", acts.close)),
    where,
    h("div", { class: "buttons" }, mute, hold, listen, whisper, barge, kick),
    mos.element,
    h("dl", { class: "facts" }, Object.entries(figures).map(([name, figure]) => h("div", null, h("dt", null, name), h("dd", null, figure)))),
    delay.element);

  function quality(history) {
    const last = history.at(-1);
    mos.show(history);
    delay.show(last?.ledger ?? null);
    const both = (one, other, unit) => [one, other].map((value) => (value === null || value === undefined ? "–" : `${value}`)).join(" / ") + unit;
    text(figures.loss, both(last?.loss_receive, last?.loss_send, " %"));
    text(figures.jitter, last?.jitter === null || !last ? "–" : `${last.jitter} ms`);
    text(figures["round trip"], last?.round_trip === null || !last ? "–" : `${last.round_trip} ms`);
    text(figures.codec, last?.codec ?? "–");
    attribute(element, "data-grade", grade(last?.mos_receive));
  }

  return {
    element,
    quality,
    show(found) {
      about = found;
      shown(element, Boolean(found));
      if (!found) return;
      const { conference, one, history } = found;
      text(title, nameOf(one));
      text(where, [one.direction === "inbound" ? `called ${one.to}` : `was called by ${one.from}`,
        conference.listed ? `in ${conference.name}` : null].filter(Boolean).join(", "));
      for (const [control, pressed, words] of [[mute, one.muted, ["Mute", "Unmute"]], [hold, one.hold, ["Hold", "Resume"]]]) {
        attribute(control, "aria-pressed", pressed ? "true" : "false");
        text(control.lastElementChild, words[pressed ? 1 : 0]);
      }
      // Nobody whispers to themselves.
      shown(whisper, !phone.isOurs(one.call));
      const ours = phone.how(conference.sid, one.call);
      for (const [how, control] of Object.entries(modes)) attribute(control, "aria-pressed", ours === how ? "true" : "false");
      quality(history);
    },
  };
}
