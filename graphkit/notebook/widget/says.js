// What is said about a run in words: the line above the picture, and the legend below it.

function runLine(run, onFailed) {
  const said = [
    make("span", { class: `gk-badge gk-badge-${run.state}` }, run.status !== undefined ? String(run.status) : "running"),
    make("span", { class: "gk-request" }, run.request || ""),
  ];
  if (run.time) {
    const count = run.runs > 1 ? `, ${run.runs.toLocaleString("en")} runs` : "";
    said.push(make("span", { class: "gk-quiet" }, run.time + count));
  }
  if (run.error) {
    const text = run.name ? `${run.name}: ${run.error}` : run.error;
    const link = make("button", { class: "gk-error", type: "button", title: text }, text);
    if (run.failed) link.addEventListener("click", onFailed);
    else link.disabled = true;
    said.push(link);
  }
  return said;
}

function spokenRun(run) {
  if (!run.state || run.state === "running") return "";
  const word = run.state === "ok" ? "finished" : "failed";
  return run.error ? `Run ${word}. ${run.name || ""} ${run.error}` : `Run ${word} in ${run.time || ""}`;
}

// Only what is on the picture is explained.
function legendOf(paint, picture) {
  const items = [], states = Object.values(paint.nodes || {}), bound = Object.values(paint.bound || {});
  const item = (kind, text) => items.push(make("span", { class: "gk-key" }, make("i", { class: kind }), text));
  if (states.some(did => did.heat > 0)) {
    items.push(make("span", { class: "gk-key" }, "fast", ...HEATS.map(heat => make("i", { class: heat })), "slow"));
  }
  if (states.some(did => did.state === "run")) item("gk-key-run", "running");
  if (states.some(did => did.state === "bad")) item("gk-key-bad", "failed");
  if (bound.includes("unbound")) item("gk-key-unbound", "not bound yet");
  if (bound.includes("stale")) item("gk-key-stale", "changed since bound");
  if (Object.keys(picture.doubts || {}).length) item("gk-key-doubt", "data may not fit");
  return items;
}

// The static picture that stands in the notebook for those who see no widget is hidden where there is one.
function twinStyle(twin) {
  const style = make("style");
  if (/^[\w-]+$/.test(twin)) {
    style.textContent = `.${twin}, .jp-OutputArea-child:has(.${twin}) { display: none !important; }`;
  }
  return style;
}
