// Notifications: what failed in applications, and why.

import { h, text } from "./dom.js";
import { get } from "./node.js";

const PAGE = 50;

export function notificationsView() {
  const list = h("tbody");
  const said = h("p", { class: "quiet", role: "status" });
  const element = h("div", { class: "page" },
    h("div", { class: "line" }, h("h1", null, "Notifications"), h("button", { type: "button", class: "button", onclick: () => load() }, "Look again")),
    said,
    h("table", null, h("thead", null, h("tr", null,
      ["When", "", "Code", "What", "Asked", "Call"].map((name) => h("th", { scope: "col" }, name)))), list));

  function row(one) {
    const word = { 0: "error", 1: "warning" }[one.log] ?? "note";
    return h("tr", { "data-word": word },
      h("td", null, new Date(one.message_date ?? one.date_created).toLocaleString()),
      h("td", null, h("span", { class: "badge", "data-word": word }, word)),
      h("td", { class: "figure" }, one.error_code ?? ""),
      h("td", null, readable(one.message_text)),
      h("td", { class: "url" }, [one.request_method, one.request_url].filter(Boolean).join(" ")),
      h("td", { class: "sid" }, one.call_sid ?? ""));
  }

  /** The message is a list of names and values, as in a form. */
  function readable(message) {
    if (!message) return "";
    const fields = new URLSearchParams(message);
    return fields.get("Msg") ?? fields.get("msg") ?? message;
  }

  async function load() {
    try {
      const told = await get(`Notifications.json?PageSize=${PAGE}`);
      list.replaceChildren(...told.notifications.map(row));
      text(said, told.notifications.length === 0 ? "Nothing has failed." : "");
    } catch (error) {
      text(said, error.message);
    }
  }

  return { element, show: load };
}
