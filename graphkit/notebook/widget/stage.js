// Where the picture lies and how large it is: pan, zoom, fit. It knows nothing of graphs.

const LEAST = 0.05, MOST = 4, MARGIN = 14, TALLEST = 620, LOWEST = 130, READABLE = 0.72;

class Stage {
  constructor(element, calm) {
    this.element = element;
    this.calm = calm;
    this.svg = null;
    this.size = { width: 0, height: 0 };
    this.k = 1; this.x = 0; this.y = 0;
    this.own = false; // somebody has moved it, so that it stays
    this.whole = false; // the whole graph is wanted, however small
    element.addEventListener("wheel", event => this.wheel(event), { passive: false });
    element.addEventListener("pointerdown", event => this.grab(event));
    element.addEventListener("dblclick", event => {
      if (!event.target.closest("[data-id]")) this.fit();
    });
    // its size is remembered: to ask for it in the middle of drawing would lay the whole picture out once more
    this.width = this.height = this.high = 0;
    this.observer = new ResizeObserver(() => this.resized());
    this.observer.observe(element);
  }

  close() { this.observer.disconnect(); }

  // How high the stage is when it has grown to what it is growing to; somebody may have pulled it to another size.
  get tall() { return this.element.style.height ? this.height : this.high || this.height; }

  show(svg) {
    const box = (svg.getAttribute("viewBox") || "0 0 1 1").split(/\s+/).map(Number);
    // one unit of the layout is a point; a pixel each is the size at which its 13 units read like the text around
    this.size = { width: box[2], height: box[3] };
    svg.setAttribute("width", box[2]);
    svg.setAttribute("height", box[3]);
    const first = this.svg === null;
    this.svg = svg;
    this.element.replaceChildren(svg);
    // before it is on the page it has no width to be fitted into, and would be seen once in another size
    svg.style.visibility = this.width ? "" : "hidden";
    this.grow();
    if (!this.own) this.home(!first);
    else this.apply(false);
  }

  // The stage is as high as its picture, within limits.
  grow() {
    const k = Math.min(1, (this.width - 2 * MARGIN) / this.size.width || 1);
    const wanted = this.size.height * Math.max(k, READABLE) + 2 * MARGIN;
    this.element.style.setProperty("--gk-height", `${Math.round(Math.min(TALLEST, Math.max(LOWEST, wanted)))}px`);
    this.high = Math.min(TALLEST, Math.max(LOWEST, wanted));
  }

  resized() {
    const before = this.width;
    this.width = this.element.clientWidth;
    this.height = this.element.clientHeight;
    if (!this.svg || this.width === before) return;
    this.svg.style.visibility = "";
    this.grow();
    if (!this.own) this.home(false);
  }

  scale(whole) {
    const k = Math.min(1, (this.width - 2 * MARGIN) / this.size.width, (this.tall - 2 * MARGIN) / this.size.height);
    return Math.max(LEAST, whole ? k : Math.max(k, READABLE));
  }

  // As large as can be read, from the start of the graph.
  home(smooth) {
    if (this.width < 2 * MARGIN + 1) return;
    const k = this.scale(this.whole), wide = this.size.width * k, tall = this.size.height * k;
    const high = this.tall;
    this.k = k;
    this.x = wide <= this.width - 2 * MARGIN ? (this.width - wide) / 2 : this.startsAt(k, wide);
    this.y = tall <= high - 2 * MARGIN ? (high - tall) / 2 : MARGIN;
    this.apply(smooth);
  }

  startsAt(k, wide) {
    const start = this.svg.querySelector("g.node.start");
    if (!start) return MARGIN;
    const place = placeOf(start);
    return Math.min(MARGIN, Math.max(this.width - wide - MARGIN, this.width / 2 - place.x * k));
  }

  fit() {
    this.own = false;
    this.whole = true;
    this.home(true);
  }

  zoom(factor, x = this.width / 2, y = this.height / 2, smooth = false) {
    const k = Math.min(MOST, Math.max(LEAST, this.k * factor));
    this.x = x - (x - this.x) * (k / this.k);
    this.y = y - (y - this.y) * (k / this.k);
    this.k = k;
    this.own = true;
    this.apply(smooth);
  }

  pan(x, y, smooth = false) {
    this.x += x;
    this.y += y;
    this.own = true;
    this.apply(smooth);
  }

  // Move as little as is needed for a place of the picture to be in sight.
  reveal(place, margin = 48) {
    const x = this.x + place.x * this.k, y = this.y + place.y * this.k;
    const high = this.tall;
    const dx = x < margin ? margin - x : x > this.width - margin ? this.width - margin - x : 0;
    const dy = y < margin ? margin - y : y > high - margin ? high - margin - y : 0;
    if (dx || dy) {
      this.x += dx;
      this.y += dy;
      this.apply(true);
    }
  }

  apply(smooth) {
    if (!this.svg) return;
    this.svg.classList.toggle("gk-smooth", smooth && !this.calm.matches);
    this.svg.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.k})`;
    this.element.classList.toggle("gk-small", this.k < 0.55);
  }

  wheel(event) {
    // the page scrolls as ever; with Ctrl, which is also what a pinch sends, the picture zooms
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const box = this.element.getBoundingClientRect();
    this.zoom(Math.exp(-Math.sign(event.deltaY) * Math.min(Math.abs(event.deltaY), 60) / 220),
      event.clientX - box.x, event.clientY - box.y);
  }

  grab(event) {
    if (event.button !== 0 || event.target.closest("[data-id], .gk-toggle, .gk-bar")) return;
    const box = this.element.getBoundingClientRect();
    // the corner by which the stage is made higher
    if (event.clientX > box.right - 18 && event.clientY > box.bottom - 18) return;
    let { clientX: x, clientY: y } = event;
    const move = next => {
      this.element.classList.add("gk-grabbed");
      this.pan(next.clientX - x, next.clientY - y);
      x = next.clientX;
      y = next.clientY;
    };
    const drop = () => {
      this.element.classList.remove("gk-grabbed");
      this.element.removeEventListener("pointermove", move);
      this.element.removeEventListener("pointerup", drop);
      this.element.removeEventListener("pointercancel", drop);
    };
    this.element.setPointerCapture(event.pointerId);
    this.element.addEventListener("pointermove", move);
    this.element.addEventListener("pointerup", drop);
    this.element.addEventListener("pointercancel", drop);
  }
}
