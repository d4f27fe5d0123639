"use strict";
// The trees of agents: each thread of the user that started others, with what every one of them used.
import { at, element, short } from "/page.js";
import { clock } from "/turns.js";
const DEEPER = "    ";

function name(agent) {
  if (agent.more) return element("td", `└ ${agent.more.toLocaleString()} more agent${agent.more > 1 ? "s" : ""}`);
  const made = element("td"), code = element("code", agent.thread.length > 16 ? `${agent.thread.slice(0, 8)}…${agent.thread.slice(-4)}` : agent.thread);
  code.title = agent.thread;
  if (agent.depth) made.append(element("span", DEEPER.repeat(agent.depth - 1) + "└ ", "depth"));
  made.append(agent.depth ? "sub-agent " : "user ", code);
  return made;
}
function row(agent, isRunning, cost) {
  const made = element("tr"), state = isRunning ? "running" : agent.ok ? "ok" : "failed";
  const values = [["model", agent.slugs.join(", ")], ["state", agent.more ? "" : isRunning ? state : `${state}, ${clock(agent.last)}`], ["turns", agent.turns.toLocaleString()],
    ["input", short(agent.input)], ["output", short(agent.output)], ["cost", cost(agent)]];
  made.dataset.depth = agent.depth;
  made.dataset.thread = agent.more ? "" : agent.thread;
  made.append(name(agent), ...values.map(([label, value], at) => {
    const cell = element("td", value, ...(at > 1 ? ["number"] : []), ...(value.startsWith("failed,") ? ["bad"] : []));
    cell.dataset.name = label;
    return cell;
  }));
  return made;
}
export function drawAgents(agents, running, cost) {
  const busy = new Set(running.map((turn) => turn.thread));
  at("trees").hidden = !agents.length;
  at("agents").tBodies[0].replaceChildren(...agents.map((agent) => row(agent, !agent.more && busy.has(agent.thread), cost)));
}
