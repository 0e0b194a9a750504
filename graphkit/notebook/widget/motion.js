// From one picture to the next: what stays glides to its new place, what is new appears, what is gone fades.

const GLIDE = { duration: 260, easing: "cubic-bezier(.25,.8,.35,1)" };
const NUMBER = /-?\d*\.?\d+(?:e-?\d+)?/g;

// How far the renderer moved the whole drawing; it draws upwards from the bottom.
function shiftOf(svg) {
  const moved = /translate\(\s*([-\d.]+)[ ,]+([-\d.]+)/.exec(svg.querySelector("g.graph")?.getAttribute("transform") || "");
  return moved ? { x: Number(moved[1]), y: Number(moved[2]) } : { x: 0, y: 0 };
}

// The bounds of a node's first shape in the picture's own units, read from its numbers: no layout is asked for.
function boundsOf(group) {
  const shape = group.querySelector("ellipse, polygon, path, polyline");
  if (!shape) return null;
  const number = name => Number(shape.getAttribute(name));
  if (shape.localName === "ellipse") {
    const [x, y, rx, ry] = ["cx", "cy", "rx", "ry"].map(number);
    return { left: x - rx, right: x + rx, top: y - ry, bottom: y + ry };
  }
  const numbers = (shape.getAttribute("points") || shape.getAttribute("d") || "").match(NUMBER)?.map(Number) || [0, 0];
  const xs = numbers.filter((_, index) => index % 2 === 0), ys = numbers.filter((_, index) => index % 2 === 1);
  return { left: Math.min(...xs), right: Math.max(...xs), top: Math.min(...ys), bottom: Math.max(...ys) };
}

function placeOf(group, shift = shiftOf(group.ownerSVGElement)) {
  const bounds = boundsOf(group);
  if (!bounds) return { x: 0, y: 0, width: 0, height: 0 };
  return {
    x: (bounds.left + bounds.right) / 2 + shift.x,
    y: (bounds.top + bounds.bottom) / 2 + shift.y,
    width: bounds.right - bounds.left,
    height: bounds.bottom - bounds.top,
  };
}

function placesOf(svg) {
  const shift = shiftOf(svg), found = new Map();
  for (const group of svg.querySelectorAll("g.node, g.cluster")) {
    if (group.dataset.id) found.set(group.dataset.id, { ...placeOf(group, shift), group });
  }
  return found;
}

function linesOf(svg) {
  const shift = shiftOf(svg), found = new Map();
  for (const group of svg.querySelectorAll("g.edge")) {
    const line = group.querySelector("path");
    if (group.dataset.id && line) found.set(group.dataset.id, { d: line.getAttribute("d"), shift });
  }
  return found;
}

// Returns the ids of the nodes that are new.
function glide(before, svg, lines, calm) {
  const places = placesOf(svg);
  const fresh = [...places.keys()].filter(id => !before.has(id) && places.get(id).group.classList.contains("node"));
  if (calm || !before.size) return fresh;
  for (const [id, place] of places) {
    const old = before.get(id), group = place.group;
    if (!old) {
      group.animate([{ opacity: 0 }, { opacity: 1 }], { ...GLIDE, delay: 60, fill: "backwards" });
    } else if (group.classList.contains("cluster")) {
      if (Math.abs(old.width - place.width) + Math.abs(old.height - place.height) > 1) {
        group.animate([{ opacity: 0.3 }, { opacity: 1 }], GLIDE);
      } else moveFrom(group, old, place);
    } else moveFrom(group, old, place);
  }
  leave(before, places, svg);
  const shift = shiftOf(svg);
  for (const group of svg.querySelectorAll("g.edge")) redraw(group, lines.get(group.dataset.id), shift);
  return fresh;
}

function moveFrom(group, old, place) {
  const x = old.x - place.x, y = old.y - place.y;
  if (Math.abs(x) + Math.abs(y) > 0.5) {
    group.animate([{ transform: `translate(${x}px, ${y}px)` }, { transform: "none" }], GLIDE);
  }
}

function leave(before, places, svg) {
  const gone = [...before].filter(([id, old]) => !places.has(id) && old.group.classList.contains("node"));
  if (!gone.length) return;
  const shift = shiftOf(svg), layer = makeSvg("g", { class: "gk-leaving", "aria-hidden": "true" });
  for (const [, old] of gone) {
    const was = boundsOf(old.group), copy = old.group;
    if (!was) continue;
    copy.removeAttribute("data-id");
    copy.removeAttribute("tabindex");
    copy.removeAttribute("role");
    const x = old.x - (was.left + was.right) / 2, y = old.y - (was.top + was.bottom) / 2;
    copy.setAttribute("transform", `translate(${x - shift.x} ${y - shift.y})`);
    layer.append(copy);
  }
  svg.querySelector("g.graph").append(layer);
  layer.animate([{ opacity: 0.8 }, { opacity: 0 }], { duration: 180, fill: "forwards" }).finished
    .then(() => layer.remove(), () => layer.remove());
}

function redraw(group, old, shift) {
  const line = group.querySelector("path");
  if (!line) return;
  if (!old) {
    group.animate([{ opacity: 0 }, { opacity: 1 }], { ...GLIDE, delay: 120, fill: "backwards" });
    return;
  }
  const d = line.getAttribute("d"), from = moved(old.d, old.shift.x - shift.x, old.shift.y - shift.y);
  if (from === moved(d, 0, 0)) return;
  if ((from.match(NUMBER) || []).length !== (d.match(NUMBER) || []).length) {
    group.animate([{ opacity: 0 }, { opacity: 1 }], GLIDE);
    return;
  }
  // a browser that cannot move along a path shows it in its new place at once
  line.animate([{ d: `path("${from}")` }, { d: `path("${d}")` }], GLIDE);
  for (const other of group.querySelectorAll(".gk-hit, polygon")) {
    other.animate([{ opacity: 0 }, { opacity: 1 }], GLIDE);
  }
}

function moved(d, x, y) {
  let index = 0;
  return d.replace(NUMBER, text => (Number(text) + (index++ % 2 ? y : x)).toFixed(2));
}
