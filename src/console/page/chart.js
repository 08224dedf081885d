// Small charts: a line for what changes over time, a bar for what is made of parts.

import { attribute, h, svg, text } from "./dom.js";

const MOS = { low: 1, high: 5 };

function points(values, width, height, range) {
  const step = width / Math.max(values.length - 1, 1);
  const at = (value) => height - ((Math.min(Math.max(value, range.low), range.high) - range.low) /
    (range.high - range.low)) * height;
  return values.map((value, index) => (value === null ? null : `${(index * step).toFixed(1)},${at(value).toFixed(1)}`))
    .filter(Boolean).join(" ");
}

/** A line without words, for a row. */
export function sparkline() {
  const line = svg("polyline", { fill: "none", "vector-effect": "non-scaling-stroke" });
  const element = svg("svg", { class: "spark", viewBox: "0 0 48 14", preserveAspectRatio: "none", "aria-hidden": "true" },
    line);
  return { element, show: (values) => attribute(line, "points", points(values.slice(-30), 48, 14, MOS)) };
}

/** How a call sounded over the last minutes, both ways. */
export function mosChart() {
  const [width, height] = [296, 88];
  const receive = svg("polyline", { class: "receive", fill: "none" });
  const send = svg("polyline", { class: "send", fill: "none" });
  const grid = [2, 3, 4].map((mos) => {
    const y = height - ((mos - MOS.low) / (MOS.high - MOS.low)) * height;
    return [svg("line", { class: "grid", x1: 0, x2: width, y1: y, y2: y }),
      svg("text", { class: "scale", x: 1, y: y - 3 }, String(mos))];
  });
  const title = svg("title", null, "");
  const chart = svg("svg", { class: "chart", viewBox: `0 -2 ${width} ${height + 4}`, role: "img" },
    title, ...grid.flat(), send, receive);
  const element = h("figure", { class: "mos" }, chart,
    h("figcaption", null, h("span", { class: "key receive" }, "from them"), h("span", { class: "key send" }, "to them")));
  function show(history) {
    attribute(receive, "points", points(history.map((one) => one.mos_receive), width, height, MOS));
    attribute(send, "points", points(history.map((one) => one.mos_send), width, height, MOS));
    const last = history.at(-1);
    const said = (mos) => (mos === null || mos === undefined ? "unknown" : mos.toFixed(2));
    text(title, `MOS of the last minutes; now ${said(last?.mos_receive)} from them, ${said(last?.mos_send)} to them`);
  }
  return { element, show };
}

const LINES = ["network jitter", "playout", "wait for tick", "decode", "mix", "encode", "pace"];

/** Where time goes between the far end's voice and everybody else's ear. */
export function ledger() {
  const total = h("b", { class: "figure" });
  const bar = h("div", { class: "ledger-bar", "aria-hidden": "true" }, LINES.map((_, index) => h("i", { class: `part-${index}` })));
  const figures = LINES.map(() => h("dd"));
  const list = h("dl", { class: "ledger-lines" }, LINES.map((name, index) =>
    h("div", null, h("dt", null, h("i", { class: `dot part-${index}` }), name), figures[index])));
  const element = h("div", { class: "ledger" }, h("div", { class: "line" }, h("span", null, "Delay"), total), bar, list);
  function show(lines) {
    const sum = lines ? lines.reduce((all, one) => all + one, 0) : null;
    text(total, sum === null ? "unknown" : `${sum.toFixed(0)} ms`);
    figures.forEach((figure, index) => text(figure, lines ? `${lines[index].toFixed(1)}` : "–"));
    [...bar.children].forEach((part, index) => part.style.setProperty("flex-grow", lines ? lines[index].toFixed(2) : "0"));
  }
  return { element, show };
}

/** How good a score is, in a word. */
export function grade(mos) {
  if (mos === null || mos === undefined) return "unknown";
  if (mos >= 3.8) return "good";
  return mos >= 3.1 ? "fair" : "bad";
}
