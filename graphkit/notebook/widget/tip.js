// The tooltip of a node or edge: what it is, and what it did last.

const MOST_FACTS = 8;

class Tip {
  constructor(view) {
    this.view = view;
    this.element = make("div", { class: "gk-tip", role: "tooltip", hidden: "" });
  }

  close() { clearTimeout(this.waiting); }

  hide() {
    clearTimeout(this.waiting);
    this.element.hidden = true;
  }

  over(group, delay = 250) {
    clearTimeout(this.waiting);
    if (!group?.hasAttribute("tabindex")) this.hide();
    else this.waiting = setTimeout(() => this.show(group), this.element.hidden ? delay : 60);
  }

  focused(group) {
    if (group?.matches(":focus-visible")) this.over(group, 400);
  }

  show(group) {
    if (!group.isConnected) return;
    const { picture, marks, element, stageElement } = this.view, id = group.dataset.id;
    this.element.replaceChildren(make("div", { class: "gk-tip-title" }, nameOf(id, picture),
      make("span", { class: "gk-quiet" }, picture.nodes?.[id]?.kind || "")),
    factList(factsOf(id, picture, marks).slice(0, MOST_FACTS)));
    this.element.hidden = false;
    const around = element.getBoundingClientRect(), at = group.getBoundingClientRect();
    const stage = stageElement.getBoundingClientRect(), tip = this.element.getBoundingClientRect();
    const right = at.right + 12 + tip.width < around.right;
    const x = right ? at.right - around.x + 12 : Math.max(4, at.left - around.x - tip.width - 12);
    const y = Math.max(Math.min(Math.max(at.top, stage.top + 4), stage.bottom - tip.height - 4), stage.top + 4) - around.y;
    this.element.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
  }
}
