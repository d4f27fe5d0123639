"use strict";
// Live turns and what they used.
import { ask, at, element, onToken, say, short, span } from "/page.js";
const SHOWN = 80, SVG = "http://www.w3.org/2000/svg", HEIGHT = 160, BASE = 138, TOP = 14;
const state = { turns: [], running: [], quota: {}, since: "7d" };
function shape(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}
const seconds = (value) => (value === null ? "–" : value.toFixed(value < 10 ? 2 : 1) + " s");
const percent = (value) => (value === null ? "–" : Math.round(value * 100) + " %");

function axis(svg, most, write) {
  svg.replaceChildren();
  const width = svg.clientWidth || 800;
  svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  for (const part of [0, 0.5, 1]) {
    const y = BASE - (BASE - TOP) * part;
    svg.append(shape("line", { x1: 44, x2: width, y1: y, y2: y }));
    svg.append(shape("text", { x: 40, y: y + 4, "text-anchor": "end" }, write(most * part)));
  }
  return width - 48;
}
function bars(svg, columns, label) {
  const most = Math.max(1, ...columns.map((one) => one.parts.reduce((sum, part) => sum + part[1], 0)));
  const room = axis(svg, most, (value) => short(Math.round(value)));
  const step = Math.min(28, room / Math.max(1, columns.length));
  columns.forEach((column, index) => {
    let y = BASE;
    const group = shape("g", {});
    for (const [name, value] of column.parts) {
      const height = ((BASE - TOP) * value) / most;
      y -= height;
      group.append(shape("rect", { class: name, x: 48 + index * step, y, width: Math.max(1, step - 2), height }));
    }
    group.append(shape("title", {}, column.title));
    svg.append(group);
    if (label) svg.append(shape("text", { x: 48 + index * step, y: HEIGHT - 6 }, index % label ? "" : column.name));
  });
}
function dots(svg, turns) {
  const most = Math.max(0.1, ...turns.map((turn) => turn.seconds));
  const room = axis(svg, most, (value) => value.toFixed(1) + " s");
  const step = Math.min(28, room / Math.max(1, turns.length));
  turns.forEach((turn, index) => {
    const x = 48 + index * step + step / 2;
    const y = (value) => BASE - ((BASE - TOP) * value) / most;
    svg.append(shape("circle", { class: turn.ok ? "whole" : "failed", cx: x, cy: y(turn.seconds), r: 3.5 }));
    if (turn.ttft !== null) svg.append(shape("circle", { class: "ttft", cx: x, cy: y(turn.ttft), r: 2.5 }));
  });
}

function row(values, bad) {
  const made = element("tr");
  values.forEach((value, index) => made.append(element("td", value, ...(bad === index ? ["bad"] : []))));
  return made;
}
function drawTurns() {
  const turns = state.turns.slice(-SHOWN);
  bars(at("tokens"), turns.map((turn) => ({
    title: turn.slug,
    parts: [["cached", turn.cached || 0], ["fresh", Math.max(0, (turn.input || 0) - (turn.cached || 0))], ["output", turn.output || 0]],
  })));
  dots(at("latency"), turns);
  at("turns").tBodies[0].replaceChildren(...turns.slice(-15).reverse().map((turn) => row([
    new Date(turn.at * 1000).toLocaleTimeString(), turn.slug, [turn.route, turn.model].filter(Boolean).join(" "),
    turn.ok ? "ok" : turn.ended || turn.error || turn.terminal || "failed", seconds(turn.ttft), seconds(turn.seconds),
    turn.input === null ? "–" : short(turn.input), turn.output === null ? "–" : short(turn.output),
  ], turn.ok ? -1 : 3)));
}
function drawRunning() {
  const items = state.running.map((turn) => {
    const item = element("li", turn.slug);
    item.append(element("span", `${span(turn.seconds)}, ${short(turn.bytes_out)} bytes`, "quiet"));
    return item;
  });
  at("running").replaceChildren(...(items.length ? items : [element("li", "no turn", "quiet")]));
}
function drawQuota() {
  const made = [];
  for (const [route, windows] of Object.entries(state.quota))
    for (const one of windows) {
      const box = element("div", undefined, "window");
      if (one.used_percent >= 80) box.classList.add("high");
      const length = one.minutes ? ` of ${span(one.minutes * 60)}` : "";
      const left = one.resets_at ? one.resets_at - Date.now() / 1000 : 0;
      box.append(element("span", `${route} ${one.name}: ${one.used_percent} % used${length}${left > 0 ? `, resets in ${span(left)}` : ""}`));
      const bar = element("progress");
      bar.max = 100;
      bar.value = Math.min(100, one.used_percent);
      box.append(bar);
      made.push(box);
    }
  at("quota").replaceChildren(...(made.length ? made : [element("span", "no upstream has reported a quota", "quiet")]));
}
function cost(total) {
  if (total.cost === null) return total.unpriced ? "unknown" : "plan";
  return (total.unpriced ? "> $" : "$") + total.cost.toFixed(total.cost < 1 ? 4 : 2);
}
function drawUsage(usage) {
  const all = usage.all;
  const figures = [["turns", String(all.turns)], ["input", short(all.input)], ["from cache", percent(all.cached_share)],
    ["output", short(all.output)], ["failed", String(all.failed)], ["cost", all.turns ? cost(all) : "–"]];
  at("figures").replaceChildren(...figures.map(([name, value]) => {
    const made = element("div", undefined, "figure");
    made.append(element("b", value), element("span", name));
    return made;
  }));
  at("models").tBodies[0].replaceChildren(...usage.models.map((one) => row([
    one.key, String(one.turns), short(one.input), percent(one.cached_share), short(one.output), cost(one)])));
  at("prices").textContent = `List prices of ${usage.prices_of}; unknown ones are not counted.`;
  bars(at("days"), usage.days.map((day) => ({
    name: day.key.slice(5), title: day.key,
    parts: [["cached", day.cached], ["fresh", Math.max(0, day.input - day.cached)], ["output", day.output]],
  })), 3);
}

let due = 0;
function refresh() {
  clearTimeout(due);
  due = setTimeout(async () => {
    const answer = await ask("/api/usage?since=" + state.since);
    if (answer?.ok) drawUsage(await answer.json());
  }, 300);
}
function take(event) {
  if (event.kind === "hello") state.turns = event.turns;
  if (event.kind === "turn") state.turns.push(event.turn);
  if (event.running) state.running = event.running;
  if (event.quota) state.quota = event.quota;
  state.turns = state.turns.slice(-SHOWN);
  if (event.kind !== "running") { drawTurns(); refresh(); }
  drawRunning();
  drawQuota();
}
async function listen() {
  const answer = await ask("/api/events");
  if (!answer) return;
  if (!answer.ok) throw new Error(String(answer.status));
  say("live");
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ;) {
    const { done, value } = await reader.read();
    if (done) throw new Error("ended");
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const data = block.split("\n").filter((line) => line.startsWith("data: ")).map((line) => line.slice(6)).join("\n");
      const event = data ? JSON.parse(data) : {};
      if (event.kind) take(event);
    }
  }
}
let busy = false;
async function begin() {
  if (busy) return;
  busy = true;
  try {
    await listen();
  } catch {
    say("no connection to the shim", true);
    setTimeout(begin, 2000);
  } finally {
    busy = false;
  }
}
for (const button of document.querySelectorAll("button[data-since]"))
  button.addEventListener("click", () => {
    state.since = button.dataset.since;
    for (const other of document.querySelectorAll("button[data-since]")) other.setAttribute("aria-pressed", String(other === button));
    refresh();
  });
addEventListener("resize", () => { drawTurns(); refresh(); });
onToken(begin);
begin();
