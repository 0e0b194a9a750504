// One view of a live graph: the picture in its stage, the tools above it, the inspector beside it.

const ICONS = {
  in: "M8 3v10M3 8h10", out: "M3 8h10", fit: "M3 6V3h3M10 3h3v3M13 10v3h-3M6 13H3v-3",
  fold: "M4 3l4 4 4-4M4 13l4-4 4 4", unfold: "M4 6l4-4 4 4M4 10l4 4 4-4",
};
const KEYS = "Arrows go from step to step, Enter inspects, Space folds, E goes along edges, plus, minus and 0 zoom, "
  + "slash finds, Escape closes.";

class View {
  constructor(model, el) {
    this.model = model;
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.current = "";
    this.build(el);
    this.stage = new Stage(this.stageElement, this.calm);
    this.listeners = [
      ["change:_picture", () => this.draw()],
      ["change:_paint", () => this.paint()],
      ["change:selected", () => this.follow()],
      ["change:selected_edge", () => this.follow()],
      ["msg:custom", content => this.hear(content)],
    ];
    for (const [name, call] of this.listeners) model.on(name, call);
    this.draw();
    this.paint();
    if (this.chosen()) this.follow();
  }

  close() {
    for (const [name, call] of this.listeners) this.model.off(name, call);
    clearTimeout(this.aside.waiting);
    this.tip.close();
    this.stage.close();
  }

  get picture() { return this.model.get("_picture"); }
  get marks() { return this.model.get("_paint"); }
  get svg() { return this.stage.svg; }

  // ---- what it is made of ----------------------------------------------------------------------------------

  build(el) {
    const button = (name, label, key, call) => {
      const icon = makeSvg("svg", { viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true" },
        makeSvg("path", { d: ICONS[name] }));
      const made = make("button", { class: "gk-button", type: "button", title: key ? `${label} (${key})` : label,
        "aria-label": label, "data-do": name }, icon);
      made.addEventListener("click", call);
      return made;
    };
    this.says = make("div", { class: "gk-says" });
    this.finder = new Finder(this);
    this.folding = make("span", { class: "gk-group" },
      button("fold", "Fold", "", () => this.fold(this.foldable(), false)),
      button("unfold", "Unfold all", "", () => this.fold([], true)));
    const bar = make("div", { class: "gk-bar", role: "toolbar", "aria-label": "Picture" }, this.says,
      make("span", { class: "gk-group" }, this.finder.search, this.finder.found), this.folding,
      make("span", { class: "gk-group" }, button("out", "Zoom out", "−", () => this.stage.zoom(1 / 1.25, undefined, undefined, true)),
        button("in", "Zoom in", "+", () => this.stage.zoom(1.25, undefined, undefined, true)),
        button("fit", "Show the whole graph", "0", () => this.stage.fit())));
    this.stageElement = make("div", { class: "gk-stage" });
    this.tip = new Tip(this);
    this.aside = new Aside(() => this.unselect());
    this.legend = make("div", { class: "gk-legend" });
    this.note = make("div", { class: "gk-note" });
    this.spoken = make("div", { class: "gk-spoken", "aria-live": "polite" });
    // a notebook's own shortcuts would take the arrows, and insert cells at letters
    this.element = make("div", { class: "gk-live", "data-lm-suppress-shortcuts": "true", role: "region",
      "aria-label": "Graph" }, bar,
      make("div", { class: "gk-main" }, make("div", { class: "gk-left" }, this.stageElement, this.legend, this.note), this.aside.element),
      this.tip.element, this.spoken, twinStyle(this.model.get("twin")));
    el.replaceChildren(this.element);
    this.element.addEventListener("keydown", event => this.key(event));
    const stage = this.stageElement;
    stage.addEventListener("click", event => this.click(event));
    stage.addEventListener("pointerover", event => this.tip.over(event.target.closest("[data-id]")));
    stage.addEventListener("pointerleave", () => this.tip.hide());
    stage.addEventListener("focusin", event => this.tip.focused(event.target.closest("[data-id]")));
    stage.addEventListener("focusout", () => this.tip.hide());
  }

  // Without a kernel there is nobody to send to; what the page knows is shown all the same.
  send(content) {
    try {
      this.model.send(content);
    } catch {
      this.aside.unanswered();
    }
  }

  choose(path, edge) {
    this.model.set("selected", path);
    this.model.set("selected_edge", edge);
    try {
      this.model.save_changes();
    } catch {
      this.aside.unanswered();
    }
  }

  // What is folded or unfolded stays where it is; only what is added to the graph is followed.
  fold(groups, open) {
    this.folds = true;
    this.send({ type: "fold", groups, open });
  }

  foldable() {
    return [...this.stageElement.querySelectorAll(".gk-toggle[data-open]")].map(toggle => toggle.dataset.group);
  }

  // ---- drawing ---------------------------------------------------------------------------------------------

  draw() {
    const picture = this.picture;
    this.element.setAttribute("aria-label", picture.title || "Graph");
    this.folding.hidden = !picture.foldable;
    this.folding.querySelector('[data-do="unfold"]').disabled = !picture.folded;
    this.note.textContent = picture.note || "";
    this.tip.hide();
    const svg = picture.svg ? safeSvg(picture.svg) : null;
    if (!svg) {
      this.stage.svg = null;
      this.stage.element.style.setProperty("--gk-height", "auto");
      this.stageElement.replaceChildren(make("pre", { class: "gk-outline" }, picture.outline || ""));
    } else {
      const focused = this.stageElement.contains(document.activeElement) && document.activeElement.dataset?.id;
      const before = this.svg ? placesOf(this.svg) : new Map(), lines = this.svg ? linesOf(this.svg) : new Map();
      const first = !this.svg;
      this.dress(svg, picture);
      this.stage.show(svg);
      const fresh = glide(before, svg, lines, this.calm.matches);
      applyMarks(svg, this.marks);
      const grown = !first && fresh.length && !this.stage.own && !this.folds;
      if (grown) this.stage.reveal(placeOf(this.group(fresh[fresh.length - 1])));
      this.mark();
      this.finder.find(false);
      if (focused) this.group(focused)?.focus({ preventScroll: true });
    }
    this.folds = false;
    this.tell();
    this.explain();
    this.element.dataset.revision = picture.revision;
    if (!this.aside.element.hidden) this.inspect(this.aside.id);
  }

  // Ids become data, as several views of a graph may stand on one page; what can be used gets a role and a name.
  dress(svg, picture) {
    svg.setAttribute("role", "group");
    svg.setAttribute("aria-label", picture.alt || "graph");
    svg.setAttribute("aria-description", KEYS);
    svg.setAttribute("class", "gk-svg");
    for (const element of svg.querySelectorAll("[id]")) {
      const id = element.id;
      element.removeAttribute("id");
      if (element.matches("g.node, g.edge, g.cluster")) element.dataset.id = id;
    }
    svg.querySelector("g.graph > polygon")?.classList.add("gk-paper");
    for (const group of svg.querySelectorAll("g.node[data-id], g.cluster[data-id]")) {
      const id = group.dataset.id, node = picture.nodes?.[id], box = picture.boxes?.[id];
      if (node || id === "start") {
        group.setAttribute("role", "button");
        group.setAttribute("tabindex", "-1");
        group.setAttribute("aria-label", spokenOf(id, picture, this.marks));
      }
      if (node?.closed) this.toggle(group, node.group, node.name, true);
      if (box) this.toggle(group, box.group, box.name, false);
      if (node?.group) group.setAttribute("aria-expanded", String(!node.closed));
    }
    for (const group of svg.querySelectorAll("g.edge[data-id]")) {
      const line = group.querySelector("path");
      if (!line || group.dataset.id.startsWith("target-edge:")) continue;
      group.append(makeSvg("path", { class: "gk-hit", d: line.getAttribute("d") }));
      group.setAttribute("role", "button");
      group.setAttribute("tabindex", "-1");
      group.setAttribute("aria-label", spokenOf(group.dataset.id, picture, this.marks));
    }
    // nodes lie above edges, so that their labels are not crossed out
    svg.querySelector("g.graph")?.append(...svg.querySelectorAll("g.node"));
    const stop = svg.querySelector(`[data-id="${CSS.escape(this.current)}"][tabindex]`) || svg.querySelector("g.node[tabindex]");
    stop?.setAttribute("tabindex", "0");
  }

  toggle(group, name, label, open) {
    const bounds = boundsOf(group);
    if (!bounds) return;
    const x = bounds.right - (open ? 2 : 9), y = bounds.top + (open ? 3 : 9);
    const made = makeSvg("g", { class: "gk-toggle", role: "button", "aria-label": `${open ? "Unfold" : "Fold"} ${label}`,
      transform: `translate(${x} ${y})`, "data-group": name }, makeSvg("circle", { r: 7 }),
      makeSvg("path", { d: open ? "M-3.5 0h7M0-3.5v7" : "M-3.5 0h7" }));
    if (!open) made.dataset.open = "";
    group.append(made);
  }

  group(id) { return this.svg?.querySelector(`[data-id="${CSS.escape(id)}"]`) || null; }

  paint() {
    const paint = this.marks;
    if (this.svg) {
      applyMarks(this.svg, paint);
      for (const group of this.svg.querySelectorAll("[data-id][role]")) {
        group.setAttribute("aria-label", spokenOf(group.dataset.id, this.picture, paint));
      }
    }
    this.element.dataset.run = paint.run?.state || "";
    this.tell();
    this.explain();
    // what is inspected is read again when a run is over
    if (!this.aside.element.hidden && paint.run?.state !== "running") {
      clearTimeout(this.asking);
      this.asking = setTimeout(() => this.inspect(this.aside.id), 60);
    }
  }

  explain() {
    this.legend.replaceChildren(...legendOf(this.marks, this.picture));
    this.legend.hidden = !this.legend.hasChildNodes();
  }

  // The line above the picture: what the graph is, or how its last run went.
  tell() {
    const run = this.marks.run || {};
    this.says.replaceChildren(...(run.state ? runLine(run, () => this.select(run.failed, true))
      : [make("span", { class: "gk-title" }, this.picture.title || "")]));
    const spoken = spokenRun(run);
    if (this.spoken.textContent !== spoken) this.spoken.textContent = spoken;
  }

  // ---- selecting -------------------------------------------------------------------------------------------

  chosen() {
    const edge = this.model.get("selected_edge"), path = this.model.get("selected");
    if (edge) return edge;
    return path ? Object.keys(this.picture.nodes || {}).find(id => this.picture.nodes[id].path === path) || "" : "";
  }

  select(id, show = false) {
    const node = this.picture.nodes?.[id];
    this.picked = id;
    this.choose(node ? node.path : "", node ? "" : id);
    this.inspect(id);
    this.mark();
    if (show && this.group(id)) this.stage.reveal(placeOf(this.group(id)));
  }

  unselect() {
    const id = this.aside.id;
    this.picked = "";
    this.aside.close();
    this.element.classList.remove("gk-opened");
    this.choose("", "");
    this.mark();
    this.group(id)?.focus({ preventScroll: true });
  }

  // Something was selected: here, in another view, or in the kernel. Another view's selection is only marked here.
  follow() {
    const id = this.chosen();
    this.mark();
    if (!id) {
      if (this.aside.id && !this.picked) this.aside.close();
      if (!this.model.get("selected") && !this.model.get("selected_edge")) this.aside.close();
      this.element.classList.toggle("gk-opened", !this.aside.element.hidden);
    } else if (id !== this.aside.id && !document.querySelector(".gk-live:focus-within")) this.inspect(id);
  }

  mark() {
    if (!this.svg) return;
    const id = this.chosen() || this.aside.id;
    for (const group of this.svg.querySelectorAll(".gk-selected")) group.classList.remove("gk-selected");
    if (id) this.group(id)?.classList.add("gk-selected");
  }

  inspect(id) {
    const node = this.picture.nodes?.[id];
    this.aside.open(id, nameOf(id, this.picture), node ? node.kind : "data", factsOf(id, this.picture, this.marks));
    this.element.classList.add("gk-opened");
    this.tip.hide();
    this.send({ type: "inspect", id });
  }

  hear(content) {
    if (content?.type === "panel") this.aside.answer(content.id, content.html);
  }

  click(event) {
    const toggle = event.target.closest(".gk-toggle");
    if (toggle) {
      this.fold([toggle.dataset.group], toggle.dataset.open === undefined);
      return;
    }
    const group = event.target.closest("[data-id][tabindex]");
    if (!group) return;
    this.settleOn(group);
    group.focus({ preventScroll: true });
    this.select(group.dataset.id);
  }

  // ---- keys ------------------------------------------------------------------------------------------------

  settleOn(group) {
    for (const other of this.svg.querySelectorAll('[tabindex="0"]')) other.setAttribute("tabindex", "-1");
    group.setAttribute("tabindex", "0");
    this.current = group.dataset.id;
  }

  goTo(group) {
    if (!group) return;
    this.settleOn(group);
    group.focus({ preventScroll: true });
    this.stage.reveal(placeOf(group));
  }

  key(event) {
    if (event.key === "Escape" && !this.aside.element.hidden) {
      event.preventDefault();
      event.stopPropagation();
      this.unselect();
      return;
    }
    if (event.target === this.finder.search || !this.stageElement.contains(event.target)) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const group = event.target.closest("[data-id]");
    const done = this.pictureKey(event, group);
    if (done) event.preventDefault();
    event.stopPropagation();
  }

  pictureKey(event, group) {
    const { key } = event, arrow = ARROWS[key];
    if (arrow && event.shiftKey) this.stage.pan(-60 * arrow[0], -60 * arrow[1], true);
    else if (arrow && group) this.goTo(neighbour(this.svg, group, arrow));
    else if (key === "Enter" && group) this.select(group.dataset.id, true);
    else if (key === " " && group) {
      const node = this.picture.nodes?.[group.dataset.id];
      if (node?.group) this.fold([node.group], node.closed);
      else this.select(group.dataset.id, true);
    } else if (key === "e" && group) this.nextEdge(group);
    else if (key === "+" || key === "=") this.stage.zoom(1.25, undefined, undefined, true);
    else if (key === "-") this.stage.zoom(1 / 1.25, undefined, undefined, true);
    else if (key === "0") this.stage.fit();
    else if (key === "/") this.finder.search.focus();
    else return false;
    return true;
  }

  // From a node to its edges, from one edge to the next of the same node.
  nextEdge(group) {
    if (!group.classList.contains("edge")) this.edgesFrom = group.dataset.id;
    const edges = edgesOf(this.svg, this.edgesFrom || "", this.picture);
    this.goTo(edges[(edges.indexOf(group) + 1) % edges.length]);
  }
}

function render({ model, el }) {
  const view = new View(model, el);
  return () => view.close();
}

export default { render };
