// Elements without markup: what comes from the node is set as text and as nothing else, so that a name is never more than
// a name. What is on the page is changed where it changed, and stays where it is otherwise.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An element. Children are elements, or texts. */
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An element of SVG. */
export function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** Sets a text, if it is another. */
export function text(element, value) {
  const next = value === null || value === undefined ? "" : String(value);
  if (element.textContent !== next) element.textContent = next;
}

/** Sets an attribute, if it is another; none if the value is nothing. */
export function attribute(element, name, value) {
  if (value === null || value === undefined || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
    return;
  }
  const next = value === true ? "" : String(value);
  if (element.getAttribute(name) !== next) element.setAttribute(name, next);
}

/** Has an element or has it not. */
export function shown(element, is) {
  if (element.hidden === is) element.hidden = !is;
}

const children = new WeakMap();

/** Keeps an element for each item, by its key: new ones are made, old ones changed, those that are gone removed. */
export function keyed(parent, items, keyOf, make, change) {
  const known = children.get(parent) ?? new Map();
  children.set(parent, known);
  const seen = new Set();
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    if (seen.has(key)) continue;
    seen.add(key);
    let element = known.get(key);
    if (!element) {
      element = make(item);
      known.set(key, element);
    }
    change(element, item);
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
  for (const [key, element] of known) {
    if (!seen.has(key)) {
      element.remove();
      known.delete(key);
    }
  }
}

const ICONS = {
  mic: "M8 1.8a2 2 0 0 1 2 2v4a2 2 0 0 1-4 0v-4a2 2 0 0 1 2-2ZM4 7.5a4 4 0 0 0 8 0M8 11.5v2.7",
  muted: "M6 6.4v1.4a2 2 0 0 0 3.3 1.5M10 6V3.8a2 2 0 0 0-3.8-.9M4 7.5a4 4 0 0 0 6.4 3.2M12 7.5q0 .8-.3 1.500M8 11.500v2.700M2.500 2.500l11 11",
  hold: "M5.500 3.500v9M10.500 3.500v9",
  record: "M8 4.500a3.500 3.500 0 1 0 0 7a3.500 3.500 0 1 0 0-7",
  listen: "M3 9V8a5 5 0 0 1 10 0v1M3 9.200h1.500v4H3.800a.8.8 0 0 1-.8-.8ZM13 9.200h-1.500v4h.7a.8.8 0 0 0 .8-.8Z",
  whisper: "M2.500 4.500h7v5h-4l-3 2.500ZM12 6a3 3 0 0 1 0 4M13.800 4.500a5 5 0 0 1 0 7",
  barge: "M8 13.500v-11M4 6.500l4-4 4 4",
  end: "M4 4l8 8M12 4l-8 8",
  phone: "M4.200 2.500l2 .2 1 2.800-1.400 1.200a7 7 0 0 0 3.500 3.500l1.200-1.400 2.800 1 .2 2c0 .9-.8 1.700-1.700 1.700A9.300 9.300 0 0 1 2.500 4.200c0-.9.800-1.700 1.700-1.700Z",
  sun: "M8 5a3 3 0 1 0 0 6a3 3 0 1 0 0-6M8 1v1.500M8 13.500V15M1 8h1.500M13.500 8H15M3 3l1.100 1.100M11.900 11.900L13 13M3 13l1.100-1.100M11.900 4.100L13 3",
  out: "M6.500 2.500h-3v11h3M9.500 5l3 3-3 3M12.500 8h-6.500",
};

/** A picture of 16 by 16, that says nothing to those who cannot see it. */
export function icon(name) {
  const line = svg("path", {
    d: ICONS[name], fill: name === "record" ? "currentColor" : "none", stroke: "currentColor",
    "stroke-width": 1.4, "stroke-linecap": "round", "stroke-linejoin": "round",
  });
  return svg("svg", { class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true", focusable: "false" }, line);
}

/** A button with a picture, and with words for everybody. */
export function iconButton(name, label, onclick, attributes) {
  return h("button", { type: "button", class: "icon-button", "aria-label": label, title: label, onclick, ...attributes },
    icon(name));
}

/** A button with words, and a picture before them. */
export function button(name, label, onclick, attributes) {
  return h("button", { type: "button", class: "button", onclick, ...attributes }, icon(name), h("span", null, label));
}

/** Says something to those who listen to the page. */
export function announce(words) {
  text(document.getElementById("announcer"), words);
}

let toastTimer;

/** Says something to everybody, for a while. */
export function toast(words, kind = "plain") {
  let element = document.querySelector(".toast");
  if (!element) {
    element = h("div", { class: "toast" });
    document.body.append(element);
  }
  attribute(element, "data-kind", kind);
  text(element, words);
  announce(words);
  element.classList.add("is-shown");
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => element.classList.remove("is-shown"), 5000);
}

/** Asks before something that cannot be undone. */
export function ask(question, yes) {
  return new Promise((answer) => {
    const dialog = h("dialog", { class: "ask", "aria-labelledby": "ask-question" },
      h("form", { method: "dialog" },
        h("p", { id: "ask-question" }, question),
        h("div", { class: "buttons" },
          h("button", { class: "button", value: "no" }, "Cancel"),
          h("button", { class: "button is-danger", value: "yes", autofocus: true }, yes))));
    dialog.addEventListener("close", () => {
      answer(dialog.returnValue === "yes");
      dialog.remove();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** How long ago, or how long: 4:05, 1:02:03. */
export function duration(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

/** Whom somebody is, of all that is known of them. */
export function nameOf(seat) {
  const other = seat.direction === "inbound" ? seat.from : seat.to;
  return seat.label || other.replace(/^(client|sips?):/, "") || "unknown";
}
