"use strict";
// The page of `ipc map`: point to see, type to find, click to follow. Text comes in by textContent alone.

const facts = JSON.parse(document.getElementById("facts").textContent);
const stage = document.getElementById("stage");
const drawing = stage.querySelector("svg.map");
const card = document.getElementById("card");
const field = document.getElementById("filter");
const intro = [...card.childNodes];
const nodes = new Map(facts.nodes.map((node) => [node.key, { ...node, links: [] }]));
const links = facts.links.map((link) => ({ ...link, on: true }));
const off = { kinds: new Set(), hows: new Set() };
const STEPS = 2; // from a process over an object to the next process
const TALL = 14; // so many below each other fit on a screen
const all = { width: drawing.viewBox.baseVal.width, height: drawing.viewBox.baseVal.height };
let view = { x: 0, y: 0, ...all };
let trail = [];
let moved = false;

function made(name, text = "", attributes = {}) {
  const element = document.createElement(name);
  element.textContent = text;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

const others = (link, key) => (link.process === key ? link.thing : link.process);
const named = (node) => `${node.label} (${node.note})`;
const there = (key) => `#${encodeURIComponent(key)}`;

// Everything drawn gets to know its facts.

function bind() {
  for (const element of drawing.querySelectorAll("g.node")) {
    const node = nodes.get(element.dataset.key);
    node.element = element;
    node.home = places(element);
    [node.x, node.y] = element.getAttribute("transform").match(/-?[\d.]+/g).map(Number);
    node.width = Number(element.querySelector(".box:last-of-type").getAttribute("width"));
    element.querySelector("title").remove(); // the card says it
    element.setAttribute("tabindex", "0");
    element.setAttribute("role", "link");
    element.setAttribute("aria-label", [named(node), node.told].filter(Boolean).join(", "));
    element.addEventListener("pointerenter", () => point(node));
    element.addEventListener("pointerleave", () => point(null));
    element.addEventListener("focus", () => point(node));
    element.addEventListener("blur", () => point(null));
    element.addEventListener("click", () => moved || follow(node.key));
  }
  drawing.querySelectorAll("g.link").forEach((element, number) => {
    const link = links[number];
    link.element = element;
    link.home = [...element.children].flatMap(places);
    element.querySelector("title").remove();
    nodes.get(link.process).links.push(link);
    nodes.get(link.thing).links.push(link);
    element.addEventListener("pointerenter", () => light([link.process, link.thing], [link], () => showLink(link)));
    element.addEventListener("pointerleave", () => point(null));
  });
}

const places = (element) => ["transform", "d", "cx", "cy"].filter((name) => element.hasAttribute(name))
  .map((name) => [element, name, element.getAttribute(name)]);

function put(home) {
  for (const [element, name, value] of home) element.setAttribute(name, value);
}

// A neighbourhood is drawn anew, close together: what comes before it to the left, what comes after it to the right.

function levels(key, inside) {
  const found = new Map([[key, 0]]);
  for (const each of found.keys()) { // a Map goes on with what is added meanwhile
    for (const link of nodes.get(each).links) {
      const other = others(link, each);
      const later = (link.process === each) === link.leads;
      if (link.on && inside.has(other) && !found.has(other)) found.set(other, found.get(each) + (later ? 1 : -1));
    }
  }
  return found;
}

function columns(found) {
  const byLevel = new Map();
  for (const [key, level] of found) byLevel.set(level, [...(byLevel.get(level) ?? []), nodes.get(key)]);
  return [...byLevel.keys()].sort((a, b) => a - b).flatMap((level) => {
    const column = byLevel.get(level).sort((a, b) => a.y - b.y || a.x - b.x);
    return Array.from({ length: Math.ceil(column.length / TALL) }, (_none, part) => column.slice(part * TALL, (part + 1) * TALL));
  });
}

function gather(key, inside) {
  let left = 0;
  for (const column of columns(levels(key, inside))) {
    const width = Math.max(...column.map((node) => node.width));
    column.forEach((node, row) => {
      node.at = { x: left + width / 2, y: (row - (column.length - 1) / 2) * 54 };
      node.element.setAttribute("transform", `translate(${node.at.x} ${node.at.y})`);
    });
    left += width + 76;
  }
  for (const link of links) if (inside.has(link.process) && inside.has(link.thing)) join(link);
}

function join(link) {
  const from = nodes.get(link.process), to = nodes.get(link.thing);
  const way = to.at.x >= from.at.x ? 1 : -1; // which side of the process it leaves; the other side it enters
  const start = { x: from.at.x + way * from.width / 2, y: from.at.y };
  const end = { x: to.at.x - way * to.width / 2, y: to.at.y };
  const bend = way * Math.max(Math.abs(end.x - start.x) / 2, 24);
  const line = `M${start.x} ${start.y}C${start.x + bend} ${start.y} ${end.x - bend} ${end.y} ${end.x} ${end.y}`;
  for (const path of link.element.querySelectorAll(".wide, .line")) path.setAttribute("d", line);
  const tips = { to: [[end, way]], from: [[start, -way]], both: [[end, way], [start, -way]], none: [] }[link.flow];
  link.element.querySelectorAll(".head").forEach((head, number) => {
    const [tip, side] = tips[number];
    head.setAttribute("d", `M${tip.x} ${tip.y}l${-8 * side} -3.6l0 7.2Z`);
  });
  const dot = link.element.querySelector("circle");
  dot?.setAttribute("cx", start.x + way * (link.flow === "from" || link.flow === "both" ? 12 : 5));
  dot?.setAttribute("cy", start.y);
}

// Point: the facts, and the neighbours lit up.

function light(keys, lines, show) {
  for (const node of nodes.values()) node.element.classList.toggle("lit", keys.includes(node.key));
  for (const link of links) link.element.classList.toggle("lit", lines.includes(link));
  drawing.classList.toggle("lighting", keys.length > 0);
  show();
}

function point(node) {
  if (!node) return light([], [], () => showMiddle());
  const near = node.links.filter((link) => link.on);
  light([node.key, ...near.map((link) => others(link, node.key))], near, () => showNode(node));
}

function showMiddle() {
  const middle = nodes.get(trail.at(-1));
  if (middle) showNode(middle);
  else card.replaceChildren(...intro);
}

function showNode(node) {
  const list = made("dl");
  for (const [name, value] of node.facts) list.append(made("dt", name), made("dd", value));
  const parts = [made("h2", node.label), made("p", node.told, { class: "told" }), list];
  card.replaceChildren(...parts.filter((part) => part.textContent), listed(node));
}

function listed(node) {
  const list = made("ul");
  for (const link of node.links.filter((each) => each.on)) {
    const other = nodes.get(others(link, node.key));
    const line = made("li");
    const hows = link.hows.join(", ") + (link.sure ? "" : " (likely)");
    const target = made("a", named(other), { href: there(other.key) });
    line.append(...(link.process === node.key ? [`${hows} `, target] : [target, ` ${hows}`]));
    line.append(made("small", link.details.slice(0, 3).join("; ")));
    list.append(line);
  }
  return list;
}

function showLink(link) {
  card.replaceChildren(made("h2", link.sentence), ...link.details.map((each) => made("p", each)));
}

// Follow: one thing and its neighbourhood; the address says which, so that back and forward work.

function around(key) {
  let edge = [key];
  const seen = new Set(edge);
  for (let step = 0; step < STEPS; step += 1) {
    edge = edge.flatMap((each) => nodes.get(each).links.filter((link) => link.on).map((link) => others(link, each)));
    edge.forEach((each) => seen.add(each));
  }
  return seen;
}

function follow(key) {
  if (key && key === trail.at(-1)) location.hash = "";
  else location.hash = key ? there(key) : "";
}

function asked() {
  try {
    const keys = decodeURIComponent(location.hash.slice(1));
    return keys.startsWith("circle:") || nodes.has(keys) ? keys : "";
  } catch {
    return "";
  }
}

function arrive() {
  const key = asked();
  const before = trail.indexOf(key);
  if (!key) trail = [];
  else if (before >= 0) trail = trail.slice(0, before + 1);
  else trail.push(key);
  drawTrail();
  sift();
  point(null);
  fit();
}

function wanted() {
  const key = trail.at(-1);
  if (!key) return new Set(nodes.keys());
  if (!key.startsWith("circle:")) return around(key);
  return new Set(facts.circles[Number(key.slice(7))]?.keys ?? nodes.keys());
}

function drawTrail() {
  const items = ["", ...trail].map((key, index) => {
    const text = !key ? "everything" : nodes.has(key) ? named(nodes.get(key)) : "circle";
    const item = made("li");
    item.append(made("a", text, { href: there(key), ...(index === trail.length ? { "aria-current": "location" } : {}) }));
    return item;
  });
  document.getElementById("trail").replaceChildren(...items);
}

// Sift: what is shown at all, and what the filter finds in it.

function textOf(node) {
  const uses = node.links.flatMap((link) => link.hows).join(" ");
  return [node.label, node.note, node.kind, node.told, node.state, ...node.members, ...node.facts.flat(), uses].join(" ").toLowerCase();
}

function sift() {
  for (const link of links) {
    const kind = nodes.get(link.thing).kind;
    link.on = !off.kinds.has(kind) && link.hows.some((how) => !off.hows.has(how));
  }
  const inside = wanted();
  for (const each of [...nodes.values(), ...links]) put(each.home);
  if (nodes.has(trail.at(-1))) gather(trail.at(-1), inside);
  for (const node of nodes.values()) {
    node.shown = inside.has(node.key) && (!node.links.length || node.links.some((link) => link.on));
    node.element.classList.toggle("away", !node.shown);
    node.element.classList.toggle("middle", node.key === trail.at(-1));
  }
  for (const link of links) {
    const shown = link.on && nodes.get(link.process).shown && nodes.get(link.thing).shown;
    link.element.classList.toggle("away", !shown);
  }
  find();
}

function find() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  const isHit = (node) => node.shown && words.length > 0 && words.every((word) => textOf(node).includes(word));
  const hits = new Set([...nodes.values()].filter(isHit).map((node) => node.key));
  const near = links.filter((link) => hits.has(link.process) || hits.has(link.thing));
  const nearby = new Set(near.flatMap((link) => [link.process, link.thing]));
  for (const node of nodes.values()) {
    node.element.classList.toggle("hit", hits.has(node.key));
    node.element.classList.toggle("near", nearby.has(node.key));
  }
  for (const link of links) link.element.classList.toggle("near", near.includes(link));
  drawing.classList.toggle("sifting", words.length > 0);
  document.getElementById("found").textContent = words.length ? `${hits.size} found` : "";
  return hits;
}

function chips(where, names, switched) {
  const counted = [...new Set(names)].sort();
  for (const name of counted) {
    const label = made("label");
    const box = made("input", "", { type: "checkbox", value: name });
    box.checked = true;
    box.addEventListener("change", () => {
      if (box.checked) switched.delete(name);
      else switched.add(name);
      sift();
    });
    label.append(box, name, made("small", String(names.filter((each) => each === name).length)));
    document.getElementById(where).append(label);
  }
}

function listCircles() {
  const list = document.querySelector("#circles ul");
  facts.circles.forEach((circle, number) => {
    const line = made("li");
    const steps = made("ol");
    steps.append(...circle.steps.map((step) => made("li", step)));
    const button = made("a", circle.sure ? "A deadlock:" : "Probably a deadlock:", { href: there(`circle:${number}`) });
    line.append(button, steps);
    list.append(line);
  });
  document.getElementById("circles").hidden = facts.circles.length === 0;
}

// The view: which part of the drawing is on the stage.

function look(next) {
  view = next;
  drawing.setAttribute("viewBox", `${view.x} ${view.y} ${view.width} ${view.height}`);
}

function fit() {
  const shown = [...nodes.values()].filter((node) => node.shown).map((node) => node.element.getBoundingClientRect());
  if (!shown.length) return;
  const turn = drawing.getScreenCTM().inverse();
  const left = Math.min(...shown.map((box) => box.left)), right = Math.max(...shown.map((box) => box.right));
  const top = Math.min(...shown.map((box) => box.top)), bottom = Math.max(...shown.map((box) => box.bottom));
  const start = new DOMPoint(left, top).matrixTransform(turn);
  const end = new DOMPoint(right, bottom).matrixTransform(turn);
  const room = 24;
  const least = { width: stage.clientWidth / 1.3, height: stage.clientHeight / 1.3 }; // not larger than life, much
  const width = Math.max(end.x - start.x + 2 * room, least.width), height = Math.max(end.y - start.y + 2 * room, least.height);
  look({ x: (start.x + end.x - width) / 2, y: (start.y + end.y - height) / 2, width, height });
}

function zoom(by, clientX, clientY) {
  const turn = drawing.getScreenCTM().inverse();
  const box = stage.getBoundingClientRect();
  const at = new DOMPoint(clientX ?? box.left + box.width / 2, clientY ?? box.top + box.height / 2).matrixTransform(turn);
  const width = Math.min(Math.max(view.width * by, 120), all.width * 4);
  const part = width / view.width;
  look({ x: at.x - (at.x - view.x) * part, y: at.y - (at.y - view.y) * part, width, height: view.height * part });
}

function shift(dx, dy) {
  const scale = drawing.getScreenCTM().a;
  look({ ...view, x: view.x - dx / scale, y: view.y - dy / scale });
}

function dragging() {
  let from = null;
  stage.addEventListener("pointerdown", (event) => {
    from = { x: event.clientX, y: event.clientY };
    moved = false;
  });
  addEventListener("pointermove", (event) => {
    if (!from || !event.buttons) return;
    const dx = event.clientX - from.x, dy = event.clientY - from.y;
    if (!moved && Math.hypot(dx, dy) < 4) return; // a click is not quite still
    moved = true;
    stage.classList.add("moving");
    shift(dx, dy);
    from = { x: event.clientX, y: event.clientY };
  });
  addEventListener("pointerup", () => {
    from = null;
    stage.classList.remove("moving");
  });
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(event.deltaY * 0.0015), event.clientX, event.clientY);
  }, { passive: false });
}

// Keys.

const KEYS = {
  "+": () => zoom(0.8), "=": () => zoom(0.8), "-": () => zoom(1.25), "0": fit,
  ArrowLeft: () => shift(60, 0), ArrowRight: () => shift(-60, 0), ArrowUp: () => shift(0, 60), ArrowDown: () => shift(0, -60),
  "/": () => field.focus(),
};

function escape() {
  if (field.value) {
    field.value = "";
    find();
  } else if (trail.length) {
    location.hash = trail.length > 1 ? there(trail.at(-2)) : "";
  }
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") return escape();
  if (event.target.matches("input")) return;
  if (event.key === "Enter" && event.target.matches("g.node")) follow(event.target.dataset.key);
  else if (event.key in KEYS && !(event.key.startsWith("Arrow") && event.target.closest("aside"))) {
    event.preventDefault();
    KEYS[event.key]();
  }
}

bind();
chips("kinds", facts.nodes.filter((node) => node.role === "object").map((node) => node.kind), off.kinds);
chips("hows", facts.links.flatMap((link) => link.hows), off.hows);
listCircles();
dragging();
field.addEventListener("input", find);
field.addEventListener("keydown", (event) => {
  const [first] = event.key === "Enter" ? find() : [];
  if (first) follow(first);
});
document.addEventListener("keydown", pressed);
document.getElementById("zoom").addEventListener("click", (event) => {
  const how = event.target.dataset.zoom;
  if (how) ({ in: () => zoom(0.8), out: () => zoom(1.25), fit })[how]();
});
addEventListener("hashchange", arrive);
addEventListener("resize", fit);
arrive();
