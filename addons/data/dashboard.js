"use strict";
// Live turns and what they used.
import { bars, capacity, dots, percentile } from "/charts.js";
import { drawAgents } from "/agents.js";
import { ask, at, element, onToken, say, short, span } from "/page.js";
import { clock, drawTable, minutes, onChange, outcome, seconds, setParameter, show } from "/turns.js";
const KEPT = 200, SPANS = ["24h", "7d", "30d"], USUAL = "7d";
const asked = new URLSearchParams(location.search).get("since");
const state = { turns: [], running: [], quota: [], unavailable: [], budgets: [], usage: null, since: SPANS.includes(asked) ? asked : USUAL };
const percent = (value) => (value === null ? "–" : Math.round(value * 100) + " %");
const tokenParts = (one) => [["cached", one.cached || 0], ["fresh", Math.max(0, (one.input || 0) - (one.cached || 0))], ["output", one.output || 0]];
const written = (number, one) => `${number.toLocaleString()} ${one}${number === 1 ? "" : "s"}`;

function figures(id, pairs) {
  at(id).replaceChildren(...pairs.map(([name, value]) => {
    const made = element("div", undefined, "figure");
    made.append(element("b", value), element("span", name));
    return made;
  }));
}
function sayClipped(id, clipped, text) {
  at(id).hidden = !clipped.length;
  if (clipped.length) at(id).textContent = `${written(clipped.length, "turn")} beyond the chart (▲): ${text}`;
}
function drawLatency(turns) {
  const first = turns.map((turn) => turn.ttft).filter((value) => value !== null), whole = turns.map((turn) => turn.seconds);
  figures("percentiles", [[first, "first delta"], [whole, "whole turn"]].map(([values, name]) =>
    [`${name}, p50 · p95`, `${seconds(percentile(values, 0.5))} · ${seconds(percentile(values, 0.95))}`]));
  const clipped = dots("latency", turns.slice(-capacity(at("latency"))).map((turn) => ({
    ...turn, name: clock(turn.at), title: `${turn.slug}, ${clock(turn.at)}: ${outcome(turn)}, first delta ${seconds(turn.ttft)}, whole ${seconds(turn.seconds)}`,
  })));
  const longest = clipped.toSorted((a, b) => b.seconds - a.seconds)[0];
  sayClipped("outliers", clipped, longest && `the longest took ${minutes(longest.seconds)} (${longest.slug}, ${longest.name}).`);
}
function drawTokens(turns) {
  const sum = (name) => turns.reduce((all, turn) => all + (turn[name] || 0), 0), input = sum("input");
  figures("sums", [["input", short(input)], ["from cache", percent(input ? sum("cached") / input : null)], ["output", short(sum("output"))]]);
  const clipped = bars("tokens", turns.slice(-capacity(at("tokens"))).map((turn) => ({
    ...turn, name: clock(turn.at), title: `${turn.slug}, ${clock(turn.at)}: input ${short(turn.input || 0)}, output ${short(turn.output || 0)}`, parts: tokenParts(turn),
  })));
  const largest = clipped.toSorted((a, b) => b.input + b.output - a.input - a.output)[0];
  sayClipped("large", clipped, largest && `the largest has ${short((largest.input || 0) + (largest.output || 0))} tokens (${largest.slug}, ${largest.name}).`);
}
function drawTurns() {
  const passing = drawTable(state.turns);
  at("welcome").hidden = state.turns.length > 0;
  at("filters").hidden = !state.turns.length;
  at("nothing").hidden = !state.turns.length || passing.length > 0;
  at("some").hidden = !passing.length;
  at("count").textContent = written(passing.length, "turn");
  if (!passing.length) return;
  drawLatency(passing);
  drawTokens(passing);
}
function drawRunning() {
  const items = state.running.map((turn) => {
    const item = element("li"), name = element("span");
    name.append(element("b", turn.slug), element("span", turn.label, "quiet"));
    item.append(name, element("span", `${span(turn.seconds)}, ${short(turn.bytes_out)} bytes`, "quiet"));
    return item;
  });
  if (state.usage) drawAgents(state.usage.agents, state.running, cost);
  at("running").replaceChildren(...(items.length ? items : [element("li", "no turn", "quiet")]));
}
function time(at) {
  const far = at - Date.now() / 1000 > 18 * 3600 ? { weekday: "short", day: "numeric", month: "short" } : {};
  return new Date(at * 1000).toLocaleString([], { ...far, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
}
function resetTime(at) {
  if (!at) return "";
  const left = at - Date.now() / 1000;
  return left <= 0 ? "has been reset since" : `resets ${time(at)} (in ${span(left)})`;
}
function burn(label, one) {
  const known = state.usage?.burn.find((each) => each.label === label && each.name === one.name);
  if (!known || one.resets_at <= Date.now() / 1000) return "";
  const end = one.used_percent >= 100 ? "used up" : known.empty_at ? `empty at about ${time(known.empty_at)}` : "lasts until the reset";
  return `${Number(known.percent_per_hour.toPrecision(3))} % per hour: ${end}`;
}
function meter(name, used, note) {
  const box = element("div", undefined, "window"), line = element("p"), bar = element("progress");
  if (used >= 80) box.classList.add("high");
  line.append(element("b", name), element("span", note, "quiet"));
  bar.max = 100;
  bar.value = Math.min(100, used);
  bar.setAttribute("aria-label", name);
  box.append(line, bar);
  return box;
}
function quotaWindow(label, one) {
  const name = `${one.minutes ? span(one.minutes * 60) + " window" : one.name} ${Math.round(one.used_percent)} %`;
  const box = meter(name, one.used_percent, resetTime(one.resets_at));
  const rate = burn(label, one);
  if (rate) box.append(element("p", rate, "quiet"));
  return box;
}
function drawQuota() {
  at("unavailable").replaceChildren(...state.unavailable.map((text) => element("p", text)));
  const made = state.quota.flatMap((one) => [element("h3", one.label), ...one.windows.map((window) => quotaWindow(one.label, window))]);
  at("quota").replaceChildren(...(made.length ? made : [element("span", "no upstream has reported a quota", "quiet")]));
}
function amount(value, unit) {
  return unit === "tokens" ? `${short(value)} tokens` : "$" + value.toFixed(value < 1 && value > 0 ? 4 : 2);
}
function budgetMeter(one) {
  const used = (100 * one.spent) / one.limit, lifted = one.lifted_until > Date.now() / 1000;
  const box = meter(`${one.name} ${Math.floor(used)} %`, used, `${amount(one.spent, one.unit)} of ${amount(one.limit, one.unit)}`);
  const share = used >= 100 ? "used up" : used >= 80 ? "nearly used up" : "";
  const state = lifted ? `lifted until ${time(one.lifted_until)}` : share;
  box.append(element("p", [`per ${one.per}`, one.model, state].filter(Boolean).join(", "), "quiet"));
  return box;
}
function drawBudgets() {
  at("budgeted").hidden = !state.budgets.length;
  at("budgets").replaceChildren(...state.budgets.map(budgetMeter));
}
function cost(total) {
  if (total.cost === null) return total.unpriced ? "unknown" : "plan";
  return (total.unpriced ? "> $" : "$") + total.cost.toFixed(total.cost < 1 ? 4 : 2);
}
function modelRow(one) {
  const made = element("tr"), values = [["turns", one.turns.toLocaleString()], ["input", short(one.input)], ["cached", percent(one.cached_share)], ["output", short(one.output)], ["cost", cost(one)]];
  made.append(element("td", one.key), ...values.map(([name, value]) => {
    const cell = element("td", value, "number");
    cell.dataset.name = name;
    return cell;
  }));
  return made;
}
function drawUsage(usage) {
  const all = usage.all;
  at("used").hidden = !all.turns;
  at("unused").hidden = all.turns > 0;
  if (!all.turns) return;
  figures("figures", [["turns", all.turns.toLocaleString()], ["failed", all.failed.toLocaleString()], ["input", short(all.input)], ["from cache", percent(all.cached_share)],
    ["output", short(all.output)], ["cost", cost(all)]]);
  at("models").tBodies[0].replaceChildren(...usage.models.map(modelRow));
  at("prices").textContent = `List prices of ${usage.prices_of}; unknown ones are not counted.`;
  drawAgents(usage.agents, state.running, cost);
  bars("days", usage.days.map((day) => ({
    name: day.key.slice(5), title: `${day.key}: input ${short(day.input)}, output ${short(day.output)}`, parts: tokenParts(day),
  })));
}

let due = 0;
function refresh() {
  clearTimeout(due);
  due = setTimeout(async () => {
    // the stream says when there is no connection
    const answer = await ask("/api/usage?since=" + state.since).catch(() => null);
    if (!answer?.ok) return;
    drawUsage((state.usage = await answer.json()));
    drawQuota();
  }, 300);
}
function take(event) {
  if (event.kind === "hello") {
    state.turns = event.turns;
    say("live");
  }
  if (event.kind === "turn") state.turns.push(event.turn);
  if (event.running) state.running = event.running;
  if (event.quota) state.quota = event.quota;
  if (event.unavailable) state.unavailable = event.unavailable;
  if (event.budgets) state.budgets = event.budgets;
  state.turns = state.turns.slice(-KEPT);
  if (event.kind !== "running") { drawTurns(); refresh(); }
  drawRunning();
  drawQuota();
  drawBudgets();
}
function showStopped(stopped) {
  at("stopped").hidden = !stopped;
  document.body.classList.toggle("stopped", stopped);
  at("board").inert = stopped;
}
async function listen() {
  const answer = await ask("/api/events");
  showStopped(false);
  if (!answer) return;
  if (!answer.ok) {
    say((await answer.json()).error?.message ?? `status ${answer.status}`, true);
    setTimeout(begin, 2000);
    return;
  }
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
    say("not connected", true);
    showStopped(true);
    setTimeout(begin, 2000);
  } finally {
    busy = false;
  }
}
const spans = document.querySelectorAll("button[data-since]");
function pressSpan() {
  for (const one of spans) one.setAttribute("aria-pressed", String(one.dataset.since === state.since));
}
for (const button of spans)
  button.addEventListener("click", () => {
    state.since = button.dataset.since;
    setParameter("since", state.since === USUAL ? "" : state.since);
    pressSpan();
    refresh();
  });
for (const id of ["latency", "tokens"])
  at(id).addEventListener("click", (event) => {
    const column = event.target.closest("[data-id]");
    if (column) show(column.dataset.id);
  });
pressSpan();
onChange(drawTurns);
addEventListener("resize", () => { drawTurns(); if (state.usage) drawUsage(state.usage); });
onToken(begin);
begin();
