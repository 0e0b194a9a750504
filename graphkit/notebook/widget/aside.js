// What stands beside the picture for what is selected: at once what the page knows, then what the kernel says.

const PATIENCE_MS = 3000;

class Aside {
  constructor(onClose) {
    this.title = make("span", { class: "gk-aside-title" });
    this.kind = make("span", { class: "gk-aside-kind" });
    const close = make("button", { class: "gk-button", type: "button", title: "Close (Escape)", "aria-label": "Close" }, "✕");
    close.addEventListener("click", onClose);
    this.body = make("div", { class: "gk-aside-body", tabindex: "0" });
    this.element = make("aside", { class: "gk-aside", "aria-label": "Inspector", hidden: "" },
      make("header", { class: "gk-aside-head" }, this.title, this.kind, close), this.body);
    this.id = "";
  }

  open(id, title, kind, facts) {
    const other = id !== this.id || this.element.hidden;
    this.id = id;
    this.title.textContent = title;
    this.title.title = title;
    this.kind.textContent = kind;
    if (other) {
      this.body.replaceChildren(factList(facts));
      this.body.scrollTop = 0;
      this.element.hidden = false;
      delete this.element.dataset.shown;
    }
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.unanswered(), PATIENCE_MS);
  }

  answer(id, html) {
    if (id !== this.id || this.element.hidden) return;
    clearTimeout(this.waiting);
    const top = this.body.scrollTop, opened = this.openDetails();
    this.body.replaceChildren(safeHtml(html));
    this.body.querySelectorAll("details").forEach((details, index) => { if (opened.has(index)) details.open = true; });
    this.body.scrollTop = top;
    this.element.dataset.shown = id;
  }

  openDetails() {
    const opened = new Set();
    this.body.querySelectorAll("details").forEach((details, index) => { if (details.open) opened.add(index); });
    return this.element.dataset.shown === this.id ? opened : new Set();
  }

  unanswered() {
    if (this.element.hidden || this.body.querySelector(".gk-waiting")) return;
    this.body.prepend(make("p", { class: "gk-waiting" },
      "The kernel has not answered: it is busy, or it was restarted and the cell has to be run again."));
  }

  close() {
    clearTimeout(this.waiting);
    this.element.hidden = true;
    this.id = "";
    this.body.replaceChildren();
    delete this.element.dataset.shown;
  }
}

function factList(facts) {
  const list = make("dl", { class: "gk-facts" });
  for (const [label, text, kind] of facts) {
    list.append(make("dt", {}, label), make("dd", { class: kind }, text));
  }
  return list;
}
