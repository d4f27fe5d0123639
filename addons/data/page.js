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
  history.replaceState(null, "", location.pathname);
  return true;
}
takeFromHash();

export function element(name, text, ...classes) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  made.classList.add(...classes);
  return made;
}
export function say(text, bad) {
  at("state").textContent = text;
  at("state").classList.toggle("bad", Boolean(bad));
}
export function short(tokens) {
  if (tokens < 1000) return String(tokens);
  const [unit, name] = tokens >= 999950 ? [1e6, "M"] : [1e3, "k"];
  return (tokens / unit).toFixed(1).replace(/\.0$/, "") + name;
}
export function span(value) {
  for (const [size, name] of [[86400, "d"], [3600, "h"], [60, "min"]])
    if (value >= size) return Math.round(value / size) + " " + name;
  return Math.max(0, Math.round(value)) + " s";
}

// Returns null and requests the token if it is missing or wrong.
export async function ask(path, options = {}) {
  const token = sessionStorage.getItem(KEY);
  const headers = { ...options.headers, ...(token ? { "x-codex-shim-token": token } : {}) };
  const answer = await fetch(path, { ...options, headers });
  const refused = answer.status === 401 || answer.status === 403;
  if (refused) say(token ? "this token is wrong" : "the local token is required", true);
  at("unlock").hidden = !refused;
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
