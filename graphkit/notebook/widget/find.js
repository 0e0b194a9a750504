// Finding a step by its name.

class Finder {
  constructor(view) {
    this.view = view;
    this.matches = [];
    this.at = 0;
    this.search = make("input", { class: "gk-search", type: "search", placeholder: "Find a step",
      "aria-label": "Find a step", spellcheck: "false" });
    this.found = make("span", { class: "gk-found", "aria-live": "polite" });
    this.search.addEventListener("input", () => this.find(true));
    this.search.addEventListener("keydown", event => this.key(event));
  }

  // A folded node is found by what it hides, too.
  find(go) {
    const { element, svg, picture } = this.view, wanted = this.search.value.trim().toLowerCase();
    if (!wanted && !element.classList.contains("gk-finding")) return;
    element.classList.toggle("gk-finding", Boolean(wanted));
    this.matches = [];
    for (const group of svg?.querySelectorAll("g.node[data-id], g.cluster[data-id][role]") || []) {
      const node = picture.nodes?.[group.dataset.id];
      const names = node ? [node.name, node.path, ...(node.hidden || [])] : [];
      const hit = Boolean(wanted) && names.some(name => name.toLowerCase().includes(wanted));
      group.classList.toggle("gk-match", hit);
      if (hit) this.matches.push(group);
    }
    this.at = 0;
    this.showing = null;
    this.count();
    if (go && this.matches.length) this.view.stage.reveal(placeOf(this.matches[0]));
  }

  count() {
    const wanted = this.search.value.trim(), { length } = this.matches;
    this.found.textContent = !wanted ? "" : length ? `${this.at + 1} of ${length}` : "none";
  }

  next(step) {
    const { length } = this.matches;
    if (this.showing) this.at = (this.at + step + length) % length;
    this.showing = this.matches[this.at];
    this.count();
    this.view.select(this.showing.dataset.id, true);
  }

  key(event) {
    const { view } = this;
    event.stopPropagation();
    if (event.key === "Enter" && this.matches.length) {
      event.preventDefault();
      this.next(event.shiftKey ? -1 : 1);
    } else if (event.key === "ArrowDown" && this.matches.length) {
      event.preventDefault();
      view.goTo(this.matches[this.at]);
    } else if (event.key === "Escape") {
      event.preventDefault();
      if (this.search.value) {
        this.search.value = "";
        this.find(false);
      } else if (!view.aside.element.hidden) view.unselect();
      else view.stageElement.querySelector('[tabindex="0"]')?.focus({ preventScroll: true });
    }
  }
}
