"use strict";
// The models, and which of them Codex uses. One click, or Enter, makes another one the active one.
import { ask, at, element, onToken, say, short, span } from "/page.js";
const EVERY = 5000;
let models = [], switching = "", status = "", statusModel, broken = false;
const active = () => models.find((model) => model.active)?.slug ?? "";

function health(model) {
  const last = model.last;
  if (!last) return ["ready", "no turn yet"];
  const ago = span(Date.now() / 1000 - last.ended_at) + " ago";
  return last.ok ? ["ready", `last turn ok, ${ago}`] : ["failed", `last turn failed, ${ago}: ${last.reason}`];
}
// A card that is as it was stays the element that it is: one that goes between press and release takes the click along.
const cards = new Map();
function card(model) {
  const [state, words] = health(model);
  const looks = JSON.stringify([model.display_name, model.route, model.context_window, model.active, model.slug === switching, state, words]);
  const known = cards.get(model.slug);
  if (known?.looks === looks) return known.item;
  const item = known?.item ?? newCard(model.slug);
  const button = item.firstChild;
  button.setAttribute("aria-pressed", String(model.active));
  button.setAttribute("aria-busy", String(model.slug === switching));
  const dot = element("span", undefined, "dot", state);
  dot.setAttribute("aria-hidden", "true");
  const name = element("span", undefined, "name");
  name.append(dot, element("b", model.display_name), element("code", model.slug));
  const facts = element("span", undefined, "facts");
  facts.append(element("span", model.route, "route"));
  if (model.context_window) facts.append(element("span", short(model.context_window) + " context"));
  facts.append(element("span", words, state));
  button.replaceChildren(name, element("span", model.active ? "in use" : "", "mark"), facts);
  cards.set(model.slug, { item, looks });
  return item;
}
function newCard(slug) {
  const item = element("li"), button = element("button", undefined, "model");
  button.type = "button";
  button.dataset.slug = slug;
  button.addEventListener("click", () => choose(slug));
  item.append(button);
  return item;
}
function place(list, items) {
  if (items.length !== list.children.length || items.some((item, index) => item !== list.children[index]))
    list.replaceChildren(...items);
}
function hidden(model) {
  const made = element("li");
  made.append(element("b", model.display_name), element("code", model.slug), element("p", model.reason));
  return made;
}
function wanted(model) {
  const part = at("filter").value.trim().toLowerCase();
  return [model.slug, model.display_name, model.route].some((text) => text.toLowerCase().includes(part));
}
function draw() {
  const live = models.filter((model) => model.live), shown = live.filter(wanted);
  place(at("models"), shown.map(card));
  at("none").hidden = shown.length > 0;
  const rest = models.filter((model) => !model.live);
  at("hidden").replaceChildren(...rest.map(hidden));
  at("rest").hidden = rest.length === 0;
  at("count").textContent = `Not available (${rest.length})`;
  if (!status) say(active() ? `Codex uses ${active()}` : "Codex does not use the shim yet: choose a model", false);
}
async function refresh() {
  const answer = await ask("/api/models");
  if (!answer) return;
  if (!answer.ok) throw new Error(String(answer.status));
  models = (await answer.json()).models;
  // the message of a switch stays until another client switches
  if (broken || (statusModel !== undefined && statusModel !== active())) status = "";
  broken = false;
  draw();
}
function lost() {
  broken = true;
  status = "no connection to the shim";
  say(status, true);
}
async function choose(slug) {
  if (switching) return;
  switching = slug;
  status = `switching to ${slug}…`;
  statusModel = undefined;
  say(status, false);
  draw();
  try {
    const headers = { "content-type": "application/json" };
    const answer = await ask("/api/switch", { method: "POST", headers, body: JSON.stringify({ slug }) });
    if (answer) {
      const reply = await answer.json();
      status = reply.message || reply.error?.message || `status ${answer.status}`;
      say(status, !answer.ok || reply.ok === false);
    }
    switching = "";
    await refresh();
    statusModel = active();
  } catch {
    lost();
  } finally {
    switching = "";
    draw();
  }
}
function move(event) {
  const buttons = [...at("models").querySelectorAll("button")];
  const now = buttons.indexOf(document.activeElement);
  const steps = { ArrowDown: now + 1, ArrowUp: now < 0 ? buttons.length - 1 : now - 1, Home: 0, End: buttons.length - 1 };
  const inFilter = document.activeElement === at("filter");
  if (event.key === "/" && !(document.activeElement instanceof HTMLInputElement)) at("filter").focus();
  else if (event.key === "Escape" && inFilter) { at("filter").value = ""; draw(); return; }
  else if (event.key in steps && !(inFilter && event.key !== "ArrowDown")) {
    if (steps[event.key] < 0) at("filter").focus();
    else buttons[Math.min(steps[event.key], buttons.length - 1)]?.focus();
  } else return;
  event.preventDefault();
}
addEventListener("keydown", move);
at("filter").addEventListener("input", draw);
onToken(() => refresh().catch(lost));
addEventListener("focus", () => refresh().catch(lost));
setInterval(() => document.hidden || switching || refresh().catch(lost), EVERY);
refresh().catch(lost);
