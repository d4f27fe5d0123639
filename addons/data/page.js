"use strict";
// Shared by the pages: the local token, requests that carry it, texts. Everything from outside is put on a page as text,
// never as markup.
const KEY = "codex-shim-token";
export const at = (id) => document.getElementById(id);

function takeFromHash() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!given) return false;
  sessionStorage.setItem(KEY, given);
  // the address is what people copy, and what the browser remembers
  history.replaceState(null, "", location.pathname + location.search);
  return true;
}
takeFromHash();

export function element(name, text, ...classes) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  made.classList.add(...classes);
  return made;
}
// Makes these the children of an element. A child that stays is not moved, so that it keeps the focus.
export function place(parent, items) {
  const kept = new Set(items);
  for (const child of [...parent.children]) if (!kept.has(child)) child.remove();
  items.forEach((item, index) => {
    if (parent.children[index] !== item) parent.insertBefore(item, parent.children[index] ?? null);
  });
}
export function say(text, bad) {
  at("state").textContent = text;
  at("state").classList.toggle("bad", Boolean(bad));
}
export function short(tokens) {
  if (tokens < 1000) return String(tokens);
  const [unit, name, places] = tokens >= 999950000 ? [1e9, "B", 2] : tokens >= 999950 ? [1e6, "M", 1] : [1e3, "k", 1];
  return Number((tokens / unit).toFixed(places)) + name;
}
export function span(value) {
  for (const [size, name] of [[86400, "d"], [3600, "h"], [60, "min"]])
    if (value >= size) return Math.round(value / size) + " " + name;
  return Math.max(0, Math.round(value)) + " s";
}

// The card that asks for the token.
function command(text) {
  const made = element("span", undefined, "command"), copy = element("button", "Copy");
  copy.type = "button";
  copy.dataset.copy = "";
  made.append(element("code", text), copy);
  return made;
}
function makeUnlock() {
  const form = element("form"), how = element("p"), label = element("label"), input = element("input"), button = element("button", "Unlock");
  form.id = "unlock";
  form.hidden = true;
  how.append(element("span", "Open it from a terminal, which gives it the local token:"), command("codex-shim " + location.pathname.slice(1)));
  Object.assign(input, { id: "token", type: "password", autocomplete: "off", required: true });
  label.append(element("span", "Or enter the token, from the file token in the state folder"), input);
  button.type = "submit";
  form.append(element("h2", "This page is locked"), how, label, button);
  document.querySelector("main").prepend(form);
}
makeUnlock();

// Returns null and requests the token if it is missing or wrong.
export async function ask(path, options = {}) {
  const token = sessionStorage.getItem(KEY);
  const headers = { ...options.headers, ...(token ? { "x-codex-shim-token": token } : {}) };
  const answer = await fetch(path, { ...options, headers });
  const refused = answer.status === 401 || answer.status === 403;
  if (refused) say(token ? "this token is wrong" : "the local token is required", true);
  at("unlock").hidden = !refused;
  document.body.classList.toggle("locked", refused);
  return refused ? null : answer;
}
// `begin` is called when there is a token that was not tried yet.
export function onToken(begin) {
  addEventListener("hashchange", () => takeFromHash() && begin());
  at("unlock").addEventListener("submit", (event) => {
    event.preventDefault();
    const given = at("token").value.trim();
    if (!given) return;
    sessionStorage.setItem(KEY, given);
    at("token").value = "";
    begin();
  });
}

// A button with `data-copy` copies the text before it. Without permission the text is selected instead.
async function copyBefore(button) {
  const source = button.previousElementSibling;
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(source);
    button.textContent = "Selected";
  }
  setTimeout(() => (button.textContent = label), 1500);
}
addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (button && button.textContent === "Copy") copyBefore(button);
});
