// A run laid over the picture: classes, and small labels at nodes and edges. Nothing moves for it.

const STATES = ["gk-ok", "gk-bad", "gk-run", "gk-idle", "gk-unbound", "gk-stale", "gk-taken", "gk-flowing"];
const HEATS = [0, 1, 2, 3, 4].map(heat => `gk-heat${heat}`);
const MANY = 60;
const LETTER = 4.9; // of the small labels, in the picture's units

// Colours at once; the labels of a large picture a frame later, as there may be many hundreds.
function applyMarks(svg, paint) {
  const running = Boolean(paint.run?.state);
  svg.classList.toggle("gk-painted", running);
  const nodes = [...svg.querySelectorAll("g.node[data-id], g.cluster[data-id]")];
  const edges = [...svg.querySelectorAll("g.edge[data-id]")];
  for (const group of nodes) {
    const did = paint.nodes?.[group.dataset.id], bound = paint.bound?.[group.dataset.id];
    const classes = [];
    if (did) classes.push(`gk-${did.state}`);
    else if (running && group.classList.contains("node")) classes.push("gk-idle");
    if (did?.heat !== undefined && did.state === "ok") classes.push(HEATS[did.heat]);
    if (bound) classes.push(`gk-${bound}`);
    restyle(group, classes);
  }
  for (const group of edges) {
    const took = paint.edges?.[group.dataset.id];
    restyle(group, took ? (took.state === "run" ? ["gk-taken", "gk-flowing"] : ["gk-taken"]) : running ? ["gk-idle"] : []);
  }
  clearTimeout(svg.labelling);
  if (nodes.length <= MANY) applyLabels(svg, paint, nodes, edges);
  else svg.labelling = setTimeout(() => applyLabels(svg, paint, nodes, edges), 30);
}

function applyLabels(svg, paint, nodes, edges) {
  const pills = [], chips = [];
  for (const group of nodes) {
    if (group.classList.contains("node")) setPill(group, pillOf(paint.nodes?.[group.dataset.id], group), pills);
  }
  for (const group of edges) {
    setChip(group, group.classList.contains("route") ? "" : paint.edges?.[group.dataset.id]?.short || "", chips);
  }
  if (chips.length) showWhatFits(svg, chips, pills);
}

function restyle(group, classes) {
  const wanted = classes.join(" ");
  if ((group.dataset.marks || "") === wanted) return;
  group.classList.remove(...STATES, ...HEATS);
  if (classes.length) group.classList.add(...classes);
  group.dataset.marks = wanted;
}

function pillOf(did, group) {
  if (!did || (!did.time && did.state !== "bad")) return null;
  if (did.state === "bad") {
    const kind = /^[\w.]+(?=:|$)/.exec(did.error || "")?.[0] || "";
    return { text: roomFor(group, kind) ? kind || "failed" : "failed", bad: true };
  }
  if (group.classList.contains("queue")) {
    return { text: `${did.count.toLocaleString("en")} event${did.count === 1 ? "" : "s"}`, bad: false };
  }
  const time = did.count > 1 ? `${did.count.toLocaleString("en")}× ${did.time}` : did.time;
  const both = did.gave ? `${time} · ${did.gave}` : time;
  return { text: roomFor(group, both) ? both : time, bad: false };
}

function roomFor(group, text) {
  const bounds = boundsOf(group);
  return bounds && text.length * LETTER + 10 <= Math.max(bounds.right - bounds.left + 20, 64);
}

function setPill(group, pill, pills) {
  let label = group.querySelector(".gk-pill");
  if (!pill) {
    label?.remove();
    return;
  }
  if (!label) {
    label = makeSvg("g", { class: "gk-pill", "aria-hidden": "true" }, makeSvg("rect", { height: 13, rx: 6.5 }),
      makeSvg("text", { "text-anchor": "middle" }));
    group.append(label);
  }
  const bounds = boundsOf(group), width = pill.text.length * LETTER + 10;
  const x = (bounds.left + bounds.right) / 2, y = bounds.bottom;
  const [rect, text] = label.children;
  rect.setAttribute("x", x - width / 2);
  rect.setAttribute("y", y - 5);
  rect.setAttribute("width", width);
  text.setAttribute("x", x);
  text.setAttribute("y", y + 4.6);
  if (text.textContent !== pill.text) text.textContent = pill.text;
  label.classList.toggle("gk-pill-bad", pill.bad);
  pills.push({ left: x - width / 2, right: x + width / 2, top: y - 5, bottom: y + 8 });
}

function setChip(group, said, chips) {
  let chip = group.querySelector(".gk-chip");
  if (!said) {
    chip?.remove();
    return;
  }
  if (!chip) {
    chip = makeSvg("text", { class: "gk-chip", "aria-hidden": "true" });
    group.append(chip);
  }
  if (chip.textContent !== said) chip.textContent = said;
  chips.push({ chip, group, width: said.length * 4.6 + 4 });
}

// Points along an edge, from its numbers: while it moves, what the browser says of it is where it is at that moment.
function pointsOf(group, each = 6) {
  const line = group.querySelector("path");
  const numbers = (line?.getAttribute("d").match(NUMBER) || []).map(Number);
  const ends = [];
  for (let i = 0; i + 1 < numbers.length; i += 2) ends.push([numbers[i], numbers[i + 1]]);
  const points = [];
  for (let i = 0; i + 3 < ends.length; i += 3) {
    for (let step = 0; step <= each; step++) {
      const t = step / each, u = 1 - t;
      points.push([0, 1].map(axis => u * u * u * ends[i][axis] + 3 * u * u * t * ends[i + 1][axis]
        + 3 * u * t * t * ends[i + 2][axis] + t * t * t * ends[i + 3][axis]));
    }
  }
  return points;
}

// What lies where, in squares, so that only what is near is compared.
class Ground {
  constructor() { this.squares = new Map(); }

  *keys(box) {
    for (let x = Math.floor(box.left / 64); x <= Math.floor(box.right / 64); x++) {
      for (let y = Math.floor(box.top / 64); y <= Math.floor(box.bottom / 64); y++) yield x * 65536 + y;
    }
  }

  take(box) {
    for (const key of this.keys(box)) {
      if (this.squares.has(key)) this.squares.get(key).push(box);
      else this.squares.set(key, [box]);
    }
  }

  isFree(box) {
    for (const key of this.keys(box)) {
      for (const other of this.squares.get(key) || []) {
        if (box.left < other.right && other.left < box.right && box.top < other.bottom && other.top < box.bottom) return false;
      }
    }
    return true;
  }
}

// A preview stands where it lies on nothing else; where there is no such place it is shown on hover only.
function showWhatFits(svg, chips, pills) {
  const ground = new Ground();
  for (const pill of pills) ground.take(pill);
  for (const group of svg.querySelectorAll("g.node")) {
    const bounds = boundsOf(group);
    if (bounds) ground.take(bounds);
  }
  for (const group of svg.querySelectorAll("g.edge")) {
    for (const [x, y] of pointsOf(group)) ground.take({ left: x - 1, right: x + 1, top: y - 1, bottom: y + 1 });
  }
  for (const text of svg.querySelectorAll("g.cluster text, g.edge text:not(.gk-chip)")) {
    const x = Number(text.getAttribute("x")), y = Number(text.getAttribute("y")), width = text.textContent.length * 6;
    const left = text.getAttribute("text-anchor") === "middle" ? x - width / 2 : x;
    ground.take({ left, right: left + width, top: y - 10, bottom: y + 3 });
  }
  for (const toggle of svg.querySelectorAll(".gk-toggle")) {
    const [x, y] = toggle.getAttribute("transform").match(NUMBER).map(Number);
    ground.take({ left: x - 8, right: x + 8, top: y - 8, bottom: y + 8 });
  }
  for (const { chip, group, width } of chips) {
    const place = placeFor(pointsOf(group), width, ground);
    chip.classList.toggle("gk-hidden", !place);
    if (!place) continue;
    chip.setAttribute("x", place.left + 2);
    chip.setAttribute("y", place.bottom - 2.5);
    ground.take(place);
  }
}

function placeFor(points, width, ground) {
  for (const share of [0.5, 0.62, 0.38, 0.75]) {
    const point = points[Math.floor((points.length - 1) * share)];
    if (!point) continue;
    for (const left of [point[0] + 4, point[0] - 4 - width]) {
      const box = { left, right: left + width, top: point[1] - 6, bottom: point[1] + 6 };
      if (ground.isFree(box)) return box;
    }
  }
  return null;
}

// What is known of a node or edge, as lines of text: [label, text, class].
function factsOf(id, picture, paint) {
  const node = picture.nodes?.[id], edge = picture.edges?.[id], did = paint.nodes?.[id];
  const took = paint.edges?.[id];
  const facts = [];
  if (edge || (took && !node)) {
    if (took?.more) facts.push(["data", took.more]);
    else facts.push(["data", took ? "passed" : "nothing has crossed yet"]);
    if (picture.doubts?.[id]) facts.push(["may not fit", picture.doubts[id], "gk-warned"]);
    return facts;
  }
  if (did?.error) facts.push(["failed", did.error, "gk-failed"]);
  if (did?.time) facts.push(["time", did.count > 1 ? `${did.time} in ${did.count.toLocaleString("en")} runs` : did.time]);
  if (did?.state === "run") facts.push(["now", "running"]);
  if (did?.more) facts.push(["output", did.more]);
  if (paint.bound?.[id] === "unbound") facts.push(["note", "added since the graph was bound", "gk-warned"]);
  if (paint.bound?.[id] === "stale") facts.push(["note", "changed since it was bound", "gk-warned"]);
  for (const problem of node?.problems || []) facts.push(["problem", problem, "gk-failed"]);
  for (const line of node?.about || []) {
    const [, label, text] = /^([a-z_ ]{2,14}): (.*)$/s.exec(line) || [null, "", line];
    facts.push([label.replace("_", " "), text]);
  }
  if (node?.hides) facts.push(["folded", `${node.hides.toLocaleString("en")} more`]);
  return facts;
}

function nameOf(id, picture) {
  const node = picture.nodes?.[id], edge = picture.edges?.[id];
  if (node) return node.name;
  if (edge) return `${edge.tail} → ${edge.head}`;
  if (id.startsWith("start:")) return `start → ${picture.nodes?.[`step:${id.slice(6)}`]?.name || ""}`;
  return id === "start" ? "start" : decodeURIComponent(id.split(":").slice(1).join(" "));
}

function spokenOf(id, picture, paint) {
  const node = picture.nodes?.[id], did = paint.nodes?.[id], edge = picture.edges?.[id];
  if (edge) {
    const doubt = picture.doubts?.[id];
    return `data from ${edge.tail} to ${edge.head}${doubt ? `, may not fit: ${doubt}` : ""}`;
  }
  const parts = [nameOf(id, picture), node?.kind || ""];
  if (did?.state === "bad") parts.push(`failed: ${did.error || ""}`);
  else if (did?.state === "run") parts.push("running");
  else if (did?.time) parts.push(`took ${did.time}`);
  if (paint.bound?.[id]) parts.push(paint.bound[id] === "stale" ? "changed since bound" : "not bound yet");
  if (node?.hides) parts.push(`stands for ${node.hides} more`);
  if (node?.problems?.length) parts.push(`problem: ${node.problems[0]}`);
  return parts.filter(Boolean).join(", ");
}
