// What the kernel sends as SVG or HTML is built anew from what is known to be harmless: no script, no handler, no link,
// nothing that would ask another machine for anything.

const SVG_NS = "http://www.w3.org/2000/svg";
const SVG_TAGS = new Set(["svg", "g", "path", "polygon", "polyline", "ellipse", "circle", "rect", "line", "text",
  "tspan", "defs", "linearGradient", "stop"]);
const SVG_ATTRIBUTES = new Set(["id", "class", "d", "points", "x", "y", "x1", "y1", "x2", "y2", "dx", "dy", "cx", "cy",
  "r", "rx", "ry", "width", "height", "viewBox", "transform", "fill", "fill-opacity", "stroke", "stroke-width",
  "stroke-opacity", "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "opacity", "text-anchor", "font-family",
  "font-size", "font-weight", "font-style", "offset", "stop-color", "stop-opacity", "preserveAspectRatio"]);
const HTML_TAGS = new Set(["div", "span", "p", "pre", "code", "b", "i", "em", "strong", "small", "u", "s", "sup", "sub",
  "mark", "kbd", "var", "samp", "table", "caption", "colgroup", "col", "thead", "tbody", "tfoot", "tr", "th", "td", "ul",
  "ol", "li", "dl", "dt", "dd", "details", "summary", "h1", "h2", "h3", "h4", "h5", "h6", "br", "hr", "img", "figure",
  "figcaption", "section", "header", "footer", "article", "button", "ins", "del", "style", "label", "progress", "meter"]);
const HTML_ATTRIBUTES = new Set(["class", "title", "alt", "width", "height", "colspan", "rowspan", "open", "scope", "role",
  "tabindex", "start", "lang", "dir", "value", "max", "min"]);
const ASKS_FOR_MORE = /url\s*\(|@import|image-set|expression\s*\(|src\s*\(|\\/i;
const IMAGE_DATA = /^data:image\/(png|jpe?g|gif|webp|bmp|svg\+xml)[;,]/i;

function safeSvg(text) {
  const parsed = document.importNode(new DOMParser().parseFromString(text, "image/svg+xml").documentElement, true);
  return parsed.localName === "svg" ? cleanSvg(parsed) : null;
}

// In place, since a large picture has thousands of elements. What was imported runs nothing before it is on the page.
function cleanSvg(svg) {
  const walker = document.createTreeWalker(svg, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_COMMENT
    | NodeFilter.SHOW_PROCESSING_INSTRUCTION | NodeFilter.SHOW_CDATA_SECTION);
  const gone = [], links = [];
  for (let node = walker.currentNode; node; node = walker.nextNode()) {
    if (node.nodeType !== Node.ELEMENT_NODE) gone.push(node);
    // a link is only its content; titles would show as the browser's own tooltips
    else if (node.localName === "a" && node.namespaceURI === SVG_NS) links.push(node);
    else if (!SVG_TAGS.has(node.localName) || node.namespaceURI !== SVG_NS) gone.push(node);
    else cleanAttributes(node);
  }
  for (const node of gone) node.remove();
  for (const link of links) link.replaceWith(...link.childNodes);
  return svg;
}

function cleanAttributes(element) {
  const { attributes } = element;
  for (let index = attributes.length - 1; index >= 0; index--) {
    const { name, value } = attributes[index];
    if (!SVG_ATTRIBUTES.has(name) || value.includes("(") && /url\s*\(/i.test(value)) element.removeAttribute(name);
  }
}

function safeHtml(text) {
  const parsed = new DOMParser().parseFromString(text, "text/html");
  const kept = document.createDocumentFragment();
  kept.append(...htmlCopies([...parsed.head.childNodes, ...parsed.body.childNodes]));
  return kept;
}

function htmlCopies(nodes) {
  const kept = [];
  for (const node of nodes) {
    if (node.nodeType === Node.TEXT_NODE) kept.push(document.createTextNode(node.data));
    else if (node.nodeType !== Node.ELEMENT_NODE) continue;
    else if (node.localName === "svg") kept.push(cleanSvg(document.importNode(node, true)));
    else if (node.localName === "style") kept.push(...styleCopies(node));
    else if (HTML_TAGS.has(node.localName)) kept.push(htmlCopy(node));
  }
  return kept;
}

function styleCopies(node) {
  if (ASKS_FOR_MORE.test(node.textContent)) return [];
  const copy = document.createElement("style");
  copy.textContent = node.textContent;
  return [copy];
}

function htmlCopy(node) {
  const copy = document.createElement(node.localName);
  for (const { name, value } of node.attributes) {
    const harmless = HTML_ATTRIBUTES.has(name) || name.startsWith("aria-") || name.startsWith("data-");
    if (harmless || (name === "style" && !ASKS_FOR_MORE.test(value))) copy.setAttribute(name, value);
    else if (name === "src" && node.localName === "img" && IMAGE_DATA.test(value)) copy.setAttribute(name, value);
  }
  copy.append(...htmlCopies(node.childNodes));
  return copy;
}

// Elements of our own.

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value != null) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function makeSvg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG_NS, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}
