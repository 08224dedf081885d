// Recordings: the newest first, to be heard and deleted.

import { ask, h, iconButton, text, toast } from "./dom.js";
import { get, place, remove } from "./node.js";

/** Recordings that are shown at once. */
const PAGE = 50;

export function recordingsView() {
  const list = h("tbody");
  const said = h("p", { class: "quiet", role: "status" });
  const more = h("button", { type: "button", class: "button", hidden: true, onclick: () => load(page + 1) }, "More");
  const element = h("div", { class: "page" },
    h("div", { class: "line" }, h("h1", null, "Recordings"), h("button", { type: "button", class: "button", onclick: () => load(0) }, "Look again")),
    said,
    h("table", null, h("thead", null, h("tr", null,
      ["When", "Length", "Of", "Status", "Sound", ""].map((name) => h("th", { scope: "col" }, name)))), list),
    more);
  let page = 0;

  function row(one) {
    const deleting = iconButton("end", "Delete", async () => {
      if (!(await ask("Delete this recording for good?", "Delete"))) return;
      try {
        await remove(`Recordings/${one.sid}.json`);
        made.remove();
      } catch (error) {
        toast(error.message, "bad");
      }
    });
    const sound = one.status === "completed"
      ? h("audio", { controls: true, preload: "none", src: place(`Recordings/${one.sid}.wav`), "aria-label": `Recording of ${new Date(one.date_created).toLocaleString()}` })
      : null;
    const made = h("tr", null,
      h("td", null, new Date(one.date_created).toLocaleString()),
      h("td", { class: "figure" }, one.duration ? `${one.duration} s` : "–"),
      h("td", { class: "sid", title: one.conference_sid ?? one.call_sid }, one.conference_sid ? "conference" : "call"),
      h("td", null, one.status), h("td", null, sound), h("td", null, deleting));
    return made;
  }

  async function load(number) {
    try {
      const told = await get(`Recordings.json?PageSize=${PAGE}&Page=${number}`);
      page = number;
      if (page === 0) list.replaceChildren();
      list.append(...told.recordings.map(row));
      more.hidden = !told.next_page_uri;
      text(said, list.children.length === 0 ? "Nothing has been recorded." : "");
    } catch (error) {
      text(said, error.message);
    }
  }

  return { element, show: () => load(0) };
}
