"use strict";
// The models, and which of them Codex uses. One click, or Enter, makes another one the active one.
import { ask, at, element, onToken, place, say, short, span } from "/page.js";
const EVERY = 5000, UNDO_FOR = 20000;
let models = [], switching = "", status = "", statusModel, broken = false, undoTo = "", undoTimer, first;
const active = () => models.find((model) => model.active)?.slug ?? "";
const nameOf = (slug) => models.find((model) => model.slug === slug)?.display_name ?? slug;

function health(model) {
  const last = model.last;
  if (!last) return ["untried", "not tried yet"];
  const ago = span(Date.now() / 1000 - last.ended_at) + " ago";
  return last.ok ? ["ready", `last turn ok, ${ago}`] : ["failed", `last turn failed, ${ago}: ${last.reason.replaceAll("_", " ")}`];
}
// A card that is as it was stays the element that it is: one that goes between press and release takes the click along.
const cards = new Map();
function card(model) {
  const [state, words] = health(model);
  const looks = JSON.stringify([model.display_name, model.context_window, model.active, model.slug === switching, state, words]);
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
// One section for each upstream. Its list keeps its cards, so it is made once.
const sections = new Map();
function group(label, members) {
  const known = sections.get(label) ?? newGroup(label);
  known.note.textContent = members[0].own ? "from models.json" : "";
  place(known.list, members.map(card));
  return known.section;
}
function newGroup(label) {
  const section = element("section", undefined, "group"), heading = element("h2"), note = element("small"), list = element("ul", undefined, "models");
  heading.id = `group-${sections.size}`;
  heading.append(element("span", label), note);
  section.setAttribute("aria-labelledby", heading.id);
  section.append(heading, list);
  sections.set(label, { section, note, list });
  return sections.get(label);
}
// The group in use when the page was opened comes first, then those of models.json, each in the order of Codex. A switch
// moves nothing: a card that was clicked stays under the pointer.
function grouped(shown) {
  first ??= models.find((model) => model.active)?.label;
  const rank = ([label, [one]]) => (label === first ? 0 : one.own ? 1 : 2);
  return [...Map.groupBy(shown, (model) => model.label)].sort((a, b) => rank(a) - rank(b));
}
const whyHidden = (model) => model.reason || `Codex hides it: ${model.hidden_by}`;
// One line for each reason, with the models that it hides.
function hidden(reason, members) {
  const made = element("li"), names = element("p");
  for (const model of members) {
    const name = element("span", undefined, "name");
    name.append(element("b", model.display_name));
    if (model.slug !== model.display_name) name.append(element("code", model.slug));
    names.append(name);
  }
  made.append(names, element("p", reason));
  return made;
}
// What Codex itself offers, and what it uses although it does not offer it.
const isOffered = (model) => model.live && (!model.hidden_by || model.active);
function wanted(model) {
  const part = at("filter").value.trim().toLowerCase();
  return [model.slug, model.display_name, model.label, model.route].some((text) => text.toLowerCase().includes(part));
}
function draw() {
  const shown = models.filter(isOffered).filter(wanted);
  place(at("groups"), grouped(shown).map(([label, members]) => group(label, members)));
  at("none").hidden = shown.length > 0;
  const rest = models.filter((model) => !isOffered(model));
  at("hidden").replaceChildren(...[...Map.groupBy(rest, whyHidden)].map(([reason, members]) => hidden(reason, members)));
  at("rest").hidden = rest.length === 0;
  at("count").textContent = `Not offered by Codex (${rest.length})`;
  if (!status) say(active() ? `Codex uses ${active()}` : "Codex does not use the shim yet: choose a model", false);
}
// Offers the way back for some seconds, and for as long as the pointer or the focus is on the button.
function offerUndo(slug) {
  clearTimeout(undoTimer);
  undoTo = slug;
  at("undo").hidden = !slug;
  if (!slug) return;
  at("undone").textContent = `${nameOf(slug)} was in use before.`;
  undoTimer = setTimeout(() => offerUndo(at("undo").matches(":hover, :focus-within") ? undoTo : ""), UNDO_FOR);
}
async function refresh() {
  const answer = await ask("/api/models");
  if (!answer) return;
  if (!answer.ok) throw new Error(String(answer.status));
  models = (await answer.json()).models;
  // the message of a switch stays until another client switches
  const isOverruled = statusModel !== undefined && statusModel !== active();
  if (isOverruled) offerUndo("");
  if (broken || isOverruled) status = "";
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
  const before = active();
  offerUndo("");
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
      if (answer.ok && reply.ok !== false && before !== slug) offerUndo(before);
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
function undo() {
  const slug = undoTo;
  cards.get(slug)?.item.firstChild.focus();
  choose(slug);
}
function move(event) {
  const buttons = [...at("groups").querySelectorAll("button")];
  const now = buttons.indexOf(document.activeElement);
  const steps = { ArrowDown: now + 1, ArrowUp: now < 0 ? buttons.length - 1 : now - 1, Home: 0, End: buttons.length - 1 };
  const inFilter = document.activeElement === at("filter");
  const typing = document.activeElement instanceof HTMLInputElement || event.ctrlKey || event.metaKey || event.altKey;
  if (event.key === "/" && !typing) at("filter").focus();
  else if (event.key === "u" && !typing && undoTo) undo();
  else if (event.key === "Escape" && inFilter) { at("filter").value = ""; draw(); return; }
  else if (event.key in steps && !(inFilter && event.key !== "ArrowDown")) {
    if (steps[event.key] < 0) at("filter").focus();
    else buttons[Math.min(steps[event.key], buttons.length - 1)]?.focus();
  } else return;
  event.preventDefault();
}
addEventListener("keydown", move);
at("undo-button").addEventListener("click", undo);
at("filter").addEventListener("input", draw);
onToken(() => refresh().catch(lost));
addEventListener("focus", () => refresh().catch(lost));
setInterval(() => document.hidden || switching || refresh().catch(lost), EVERY);
refresh().catch(lost);
