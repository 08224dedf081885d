// The page as a whole: logging in, what is shown, and that it goes on when the node was away.

import { attribute, h, iconButton, shown, text, toast } from "./dom.js";
import { floorView } from "./floor.js";
import { LoggedOut, account, follow, login, logout, resume } from "./node.js";
import { notificationsView } from "./notifications.js";
import { phone as makePhone } from "./phone.js";
import { recordingsView } from "./recordings.js";

const app = document.getElementById("app");
let stop = () => {};

/** What is chosen is kept where the browser keeps it. It is no secret. */
function kept(name, value) {
  try {
    if (value !== undefined) localStorage.setItem(`confab-${name}`, value);
    return localStorage.getItem(`confab-${name}`);
  } catch {
    return null;
  }
}

function switchTheme() {
  const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  kept("theme", theme);
  document.documentElement.dataset.theme = theme;
}

function showLogin(words) {
  stop();
  const said = h("p", { class: "said", role: "alert" }, words ?? "");
  const sid = h("input", { id: "sid", name: "account", autocomplete: "username", spellcheck: "false", required: true, placeholder: "AC…" });
  const token = h("input", { id: "token", name: "token", type: "password", autocomplete: "current-password", required: true });
  const submit = h("button", { class: "button is-primary", type: "submit" }, "Log in");
  sid.value = kept("account") ?? "";
  async function send(event) {
    event.preventDefault();
    submit.disabled = true;
    try {
      const given = token.value;
      token.value = "";
      await login(sid.value.trim(), given);
      kept("account", account.sid);
      showConsole();
    } catch (error) {
      text(said, error.message);
      submit.disabled = false;
      token.focus();
    }
  }
  const form = h("form", { class: "login panel", onsubmit: send, "aria-label": "Log in" },
    h("img", { src: "/console/icon.svg", alt: "", width: 40, height: 40 }),
    h("h1", null, "Confab"),
    h("label", { for: "sid" }, "Account SID"), sid,
    h("label", { for: "token" }, "Auth token"), token,
    said, submit,
    h("p", { class: "quiet" }, "Both are in credentials.toml in the node's data directory."));
  app.replaceChildren(h("main", { class: "welcome" }, form));
  (sid.value ? token : sid).focus();
}

function showConsole() {
  const phone = makePhone();
  const floor = floorView(phone);
  const views = {
    floor: { name: "Floor", ...floor, show: () => {} },
    recordings: { name: "Recordings", ...recordingsView() },
    notifications: { name: "Notifications", ...notificationsView() },
  };
  const state = h("span", { class: "link", role: "status" }, "connecting …");
  const main = h("main", { tabindex: "-1" }, Object.values(views).map((view) => view.element));
  const tabs = h("nav", { "aria-label": "Pages" }, Object.entries(views).map(([key, view]) =>
    h("a", { href: `#${key}`, "data-view": key }, view.name)));
  const telephone = iconButton("phone", "Telephone", () => phone.toggle());
  phone.openedBy(telephone);
  const out = iconButton("out", "Log out", async () => {
    // While the cookie is good for it.
    await phone.end();
    leave();
    await logout().catch(() => {});
    showLogin("Logged out.");
  });
  app.replaceChildren(
    h("header", { class: "top" },
      h("a", { class: "brand", href: "#floor" }, h("img", { src: "/console/icon.svg", alt: "", width: 22, height: 22 }), "Confab"),
      tabs, h("span", { class: "space" }), state, h("span", { class: "who-am-i" }, account.name),
      telephone,
      iconButton("sun", "Light or dark", switchTheme), out),
    main, phone.element);
  phone.refresh();

  function route() {
    const chosen = views[location.hash.slice(1)] ? location.hash.slice(1) : "floor";
    for (const [key, view] of Object.entries(views)) shown(view.element, key === chosen);
    for (const tab of tabs.children) attribute(tab, "aria-current", tab.dataset.view === chosen ? "page" : null);
    document.title = `${views[chosen].name} – Confab`;
    views[chosen].show();
  }

  const unfollow = follow({
    floor: floor.floor, levels: floor.levels, quality: floor.quality,
    state(now) {
      attribute(state, "data-state", now);
      text(state, now === "live" ? "live" : "the node cannot be reached; trying again …");
      app.classList.toggle("is-lost", now !== "live");
      phone.lost(now !== "live");
    },
    out() {
      const cut = phone.isOn() ? " Your call was cut." : "";
      leave();
      showLogin(`The login is over, or the node was restarted.${cut} Log in again to go on.`);
    },
  });

  function leave() {
    unfollow();
    floor.stop();
    phone.end();
    removeEventListener("hashchange", route);
    stop = () => {};
    app.classList.remove("is-lost");
  }

  stop = leave;
  addEventListener("hashchange", route);
  route();
}

addEventListener("unhandledrejection", ({ reason }) => {
  if (reason instanceof LoggedOut) showLogin("The login is over. Log in again to go on.");
  else toast(String(reason?.message ?? reason), "bad");
});

try {
  await resume();
  showConsole();
} catch {
  showLogin();
}
