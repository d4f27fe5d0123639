"use strict";
// The last turns: filters, which the address keeps, and a table whose rows open.
import { at, element, place, short } from "/page.js";
const PAGE = 25, NAMES = ["model", "status", "thread"];
const rows = new Map();
let length = PAGE;

export const seconds = (value) => (value === null ? "–" : value >= 120 ? (value / 60).toFixed(1) + " min" : value.toFixed(value < 10 ? 2 : 1) + " s");
export const minutes = (value) => (value < 120 ? seconds(value) : `${Math.floor(Math.round(value) / 60)} min ${Math.round(value) % 60} s`);
const count = (value) => (value === null ? "–" : short(value));
const words = (code) => code.replace(/^response\./, "").replaceAll("_", " ");
export const outcome = (turn) => (turn.ok ? "ok" : words(turn.ended || turn.error || turn.terminal || "failed"));
const isToday = (date) => date.toDateString() === new Date().toDateString();
export function clock(at) {
  const date = new Date(at * 1000), day = isToday(date) ? {} : { day: "numeric", month: "short" };
  return date.toLocaleString([], { ...day, hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...(isToday(date) ? { second: "2-digit" } : {}) });
}

// Filters --------------------------------------------------------------------------------------------------
const select = (name) => at("filters").elements[name];
const wanted = () => Object.fromEntries(NAMES.map((name) => [name, new URLSearchParams(location.search).get(name) ?? ""]));
export function setParameter(name, value) {
  const query = new URLSearchParams(location.search);
  if (value) query.set(name, value);
  else query.delete(name);
  history.replaceState(null, "", location.pathname + (query.size ? "?" + query : ""));
}
const has = {
  model: (turn, value) => turn.slug === value,
  status: (turn, value) => (value === "failed" ? !turn.ok : outcome(turn) === value),
  thread: (turn, value) => turn.thread === value,
};
export function filtered(turns) {
  const filters = Object.entries(wanted()).filter(([, value]) => value);
  return turns.filter((turn) => filters.every(([name, value]) => has[name](turn, value)));
}
const brief = (thread) => (thread.length > 16 ? `${thread.slice(0, 8)}…${thread.slice(-4)}` : thread);
function options(name, values, write) {
  const value = wanted()[name], known = [...new Set([...values, value])].filter(Boolean);
  const box = select(name), looks = JSON.stringify(known);
  if (box.dataset.looks !== looks) {
    box.replaceChildren(new Option("all", ""), ...known.map((one) => new Option(write(one), one)));
    box.dataset.looks = looks;
  }
  box.value = value;
}
function drawFilters(turns) {
  const newest = [...turns].reverse(), failures = newest.filter((turn) => !turn.ok).map(outcome);
  options("model", newest.map((turn) => turn.slug).sort(), String);
  options("status", turns.length ? ["ok", "failed", ...failures] : [], String);
  options("thread", newest.map((turn) => turn.thread), brief);
  at("filters").querySelector("[type=reset]").hidden = !Object.values(wanted()).some(Boolean);
}

// Rows -----------------------------------------------------------------------------------------------------
function cell(content, name, ...classes) {
  const made = element("td", undefined, ...classes);
  made.dataset.name = name;
  made.append(content);
  return made;
}
function moment(turn) {
  const made = element("time", clock(turn.at));
  made.dateTime = new Date(turn.at * 1000).toISOString();
  return made;
}
function newRow(turn) {
  const row = element("tr", undefined, "turn"), button = element("button", turn.slug, "open");
  button.type = "button";
  button.setAttribute("aria-expanded", "false");
  row.append(
    cell(moment(turn), "time"), cell(button, "model"), cell(turn.label || "–", "answered by"),
    cell(outcome(turn), "outcome", ...(turn.ok ? [] : ["bad"])), cell(seconds(turn.ttft), "first delta", "number"),
    cell(seconds(turn.seconds), "whole", "number"), cell(count(turn.input), "input", "number"), cell(count(turn.output), "output", "number"),
  );
  row.addEventListener("click", () => getSelection().isCollapsed && toggle(turn.id));
  return { row, button, details: null, turn };
}
function attempt(one) {
  const made = element("li"), facts = [words(one.outcome || "no answer"), seconds(one.seconds), one.reason && `tried again after: ${words(one.reason)}`];
  made.append(element("span", one.url), element("br"), element("span", facts.filter(Boolean).join(" · "), "quiet"));
  return made;
}
function attempts(turn) {
  if (!turn.tries?.length) return turn.attempts ? String(turn.attempts) : "none: no upstream was asked";
  const list = element("ol");
  list.append(...turn.tries.map(attempt));
  return list;
}
function button(text, act) {
  const made = element("button", text);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}
function copied(text) {
  const made = element("span", undefined, "command"), copy = button("Copy", () => {});
  copy.dataset.copy = "";
  copy.setAttribute("aria-label", "Copy the id");
  made.append(element("code", text), copy);
  return made;
}
function threadOf(turn, redraw) {
  const made = element("span", undefined, "command");
  made.append(element("code", turn.thread), button("Only this thread", () => { setParameter("thread", turn.thread); redraw(); }));
  return made;
}
function newDetails(turn, redraw) {
  const row = element("tr", undefined, "details"), box = element("td"), list = element("dl");
  const facts = [
    ["Message", turn.message],
    ["Answered by", [turn.label, turn.model].filter(Boolean).join(" · ")],
    ["Attempts", attempts(turn)],
    ["Tokens", turn.input === null ? "" : `in ${turn.input.toLocaleString()} (${(turn.cached ?? 0).toLocaleString()} from cache), out ${(turn.output ?? 0).toLocaleString()}`],
    ["Thread", turn.thread && threadOf(turn, redraw)],
    ["Id", turn.id && copied(turn.id)],
  ];
  for (const [name, value] of facts) {
    if (!value) continue;
    const shown = element("dd");
    shown.append(value);
    list.append(element("dt", name), shown);
  }
  box.colSpan = 8;
  box.append(list);
  row.append(box);
  return row;
}
let redraw = () => {};
export function toggle(id, open = !rows.get(id)?.details) {
  const known = rows.get(id);
  if (!known) return;
  known.details = open ? (known.details ?? newDetails(known.turn, redraw)) : null;
  known.row.classList.toggle("open", open);
  known.button.setAttribute("aria-expanded", String(open));
  redraw();
}
export function show(id) {
  toggle(id, true);
  rows.get(id)?.row.scrollIntoView({ block: "nearest" });
}
// Draws the filters and the rows of these turns, oldest first; returns those that pass.
export function drawTable(turns) {
  drawFilters(turns);
  const passing = filtered(turns), kept = new Set(turns.map((turn) => turn.id));
  for (const id of rows.keys()) if (!kept.has(id)) rows.delete(id);
  const newest = passing.slice(-length).reverse();
  place(at("turns").tBodies[0], newest.flatMap((turn) => {
    if (!rows.has(turn.id)) rows.set(turn.id, newRow(turn));
    const { row, details } = rows.get(turn.id);
    return details ? [row, details] : [row];
  }));
  at("more").hidden = passing.length <= length;
  return passing;
}
export function onChange(draw) {
  redraw = draw;
  at("filters").addEventListener("change", (event) => { setParameter(event.target.name, event.target.value); length = PAGE; draw(); });
  at("filters").addEventListener("reset", (event) => {
    event.preventDefault();
    NAMES.forEach((name) => setParameter(name, ""));
    draw();
  });
  at("more").addEventListener("click", () => { length += PAGE; draw(); });
}
