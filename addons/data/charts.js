"use strict";
// Charts as SVG: columns of tokens, dots of seconds. Colours come from the style sheet, so both schemes apply at once.
import { at, short } from "/page.js";
const SVG = "http://www.w3.org/2000/svg", LEFT = 44, TOP = 10, FOOT = 22, STEP = 28, LEAST_STEP = 7;

function shape(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}
// The value at which a share of the values is reached (nearest rank).
export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length ? sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] : null;
}
// The largest value that a chart shows: a few far larger ones would flatten all others.
export function fence(values) {
  const quarter = percentile(values, 0.25) ?? 0, upper = percentile(values, 0.75) ?? 0;
  const limit = Math.max(upper + 3 * (upper - quarter), 2 * upper);
  return Math.max(0, ...(values.length >= 4 && upper > 0 ? values.filter((value) => value <= limit) : values));
}
// The smallest of 1, 2, 2.5, 5 times a power of ten that is not below the value.
function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].find((one) => one * power >= value * 0.999) * power;
}
// How many columns there is room for.
export const capacity = (svg) => Math.max(10, Math.floor(((svg.clientWidth || 800) - LEFT) / LEAST_STEP));

// Draws the axis and returns the scale.
function axis(svg, most, write) {
  svg.replaceChildren();
  const width = svg.clientWidth || 800, height = svg.clientHeight || 160, base = height - FOOT;
  const step = nice(most / 4 || 0.25), top = Math.ceil((most / step) * 0.999) * step || step;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  for (let value = 0; value <= top * 1.001; value += step) {
    const y = base - ((base - TOP) * value) / top;
    svg.append(shape("line", { x1: LEFT, x2: width, y1: y, y2: y }));
    svg.append(shape("text", { x: LEFT - 6, y: y + 4, "text-anchor": "end" }, write(value)));
  }
  return { base, top, height, room: width - LEFT, y: (value) => base - ((base - TOP) * Math.min(value, top)) / top };
}
function column(svg, scale, at, width, item) {
  const group = shape("g", item.id ? { "data-id": item.id } : {});
  group.append(shape("rect", { class: "hit", x: at, y: TOP, width, height: scale.base - TOP }), shape("title", {}, item.title));
  svg.append(group);
  return group;
}
function ends(svg, scale, items, step) {
  if (!items.length) return;
  const y = scale.height - 6, last = items.length - 1;
  svg.append(shape("text", { x: LEFT, y }, items[0].name));
  if (last * step > 90) svg.append(shape("text", { x: LEFT + (last + 1) * step, y, "text-anchor": "end" }, items[last].name));
}
// An arrow stands where a value goes on above the chart.
const arrow = (x, kind) => shape("path", { class: "beyond " + kind, d: `M ${x - 4} ${TOP - 2} L ${x} ${TOP - 9} L ${x + 4} ${TOP - 2} Z` });

// Each item: name, title, id, parts [[class, value], …]. Returns the items that are clipped.
export function bars(id, items) {
  const svg = at(id), sums = items.map((one) => one.parts.reduce((sum, part) => sum + part[1], 0)), most = fence(sums);
  const scale = axis(svg, Math.max(1, most), (value) => short(Math.round(value)));
  const step = Math.min(STEP, scale.room / Math.max(1, items.length));
  items.forEach((item, index) => {
    const x = LEFT + index * step, group = column(svg, scale, x, step, item), width = Math.max(1, step - 2);
    let sum = 0;
    for (const [kind, value] of item.parts) {
      const from = scale.y(sum), to = scale.y((sum += value));
      if (from - to > 0) group.append(shape("rect", { class: kind, x: x + 1, y: to, width, height: from - to }));
    }
    if (sums[index] > scale.top) group.append(arrow(x + step / 2, item.parts.at(-1)[0]));
  });
  ends(svg, scale, items, step);
  return items.filter((_, index) => sums[index] > scale.top);
}
// Each item: name, title, id, ok, ttft, seconds. Returns the items that are clipped.
export function dots(id, items) {
  const svg = at(id), most = fence(items.map((one) => one.seconds));
  const scale = axis(svg, Math.max(0.1, most), (value) => Number(value.toPrecision(3)) + " s");
  const step = Math.min(STEP, scale.room / Math.max(1, items.length));
  items.forEach((item, index) => {
    const left = LEFT + index * step, x = left + step / 2, group = column(svg, scale, left, step, item), kind = item.ok ? "whole" : "failed";
    if (item.seconds > scale.top) group.append(arrow(x, kind));
    else group.append(shape("circle", { class: kind, cx: x, cy: scale.y(item.seconds), r: Math.min(3.5, step / 2) }));
    if (item.ttft !== null && item.ttft <= scale.top) group.append(shape("circle", { class: "ttft", cx: x, cy: scale.y(item.ttft), r: Math.min(2.5, step / 2) }));
  });
  ends(svg, scale, items, step);
  return items.filter((one) => one.seconds > scale.top);
}
