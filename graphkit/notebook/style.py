"""How the inspector looks. It brings its own paper and ink, for light and for dark."""

from __future__ import annotations

_LIGHT = "--gki-paper:#fff;--gki-ink:#1f2933;--gki-quiet:#5b6770;--gki-line:#d5dbe1;--gki-soft:#f4f6f8;"
_LIGHT_CODE = (
    "--gki-kw:#7a2e9e;--gki-str:#9b2c1f;--gki-num:#00663d;--gki-com:#5f6b66;--gki-def:#1048b8;--gki-dec:#7a4a00;"
)
_LIGHT_SIGNS = "--gki-good:#00663d;--gki-wrong:#b00020;--gki-changed:#8a5a00;--gki-wrong-soft:#fdecec;"
_DARK = "--gki-paper:#1c1f22;--gki-ink:#e6e8ea;--gki-quiet:#a7b0b8;--gki-line:#444b52;--gki-soft:#272b2f;"
_DARK_CODE = (
    "--gki-kw:#d7a6f5;--gki-str:#f2a58e;--gki-num:#8fd6ae;--gki-com:#9aa5a0;--gki-def:#8fb8ff;--gki-dec:#e0b872;"
)
_DARK_SIGNS = "--gki-good:#7fd6a8;--gki-wrong:#ff9c9c;--gki-changed:#f0c062;--gki-wrong-soft:#43282a;"

#: One element, to stand within the panel.
STYLE = (
    "<style>"
    f".gki-panel{{{_LIGHT}{_LIGHT_CODE}{_LIGHT_SIGNS}}}"
    f"@media (prefers-color-scheme:dark){{.gki-panel{{{_DARK}{_DARK_CODE}{_DARK_SIGNS}}}}}"
    # JupyterLab says which theme it has, whatever the system prefers
    f"[data-jp-theme-light=true] .gki-panel,.vscode-light .gki-panel{{{_LIGHT}{_LIGHT_CODE}{_LIGHT_SIGNS}}}"
    f"[data-jp-theme-light=false] .gki-panel,.vscode-dark .gki-panel{{{_DARK}{_DARK_CODE}{_DARK_SIGNS}}}"
    ".gki-panel{background:var(--gki-paper);color:var(--gki-ink);font-size:13px;line-height:1.45;padding:6px 8px;"
    "text-align:left;overflow-wrap:anywhere}"
    ".gki-panel pre,.gki-panel code{font-family:var(--jp-code-font-family,monospace);font-size:12px;background:none;"
    "color:inherit}"
    ".gki-panel pre{margin:2px 0;padding:6px 8px;background:var(--gki-soft);overflow:auto;max-height:340px;"
    "white-space:pre;line-height:1.4}"
    ".gki-panel .gki-text{white-space:pre-wrap}"
    ".gki-panel details{margin:4px 0}"
    ".gki-panel summary{cursor:pointer;font-weight:600}"
    ".gki-tree details,.gki-tree div{margin-left:14px}.gki-tree>details{margin-left:0}"
    ".gki-tree summary{font-weight:400}"
    # a page in quirks mode has tables of its own colour
    ".gki-panel table{border-collapse:collapse;font-size:12px;margin:2px 0;color:var(--gki-ink)}"
    ".gki-panel img{display:block}"
    ".gki-panel th,.gki-panel td{padding:1px 8px;text-align:left;vertical-align:top;border-bottom:1px solid "
    "var(--gki-line);font-weight:400;background:none;color:inherit}"
    ".gki-changes td:nth-child(2){white-space:nowrap}"
    ".gki-panel th{font-weight:600}.gki-scroll{overflow-x:auto}"
    ".gki-note{color:var(--gki-quiet);font-weight:400}.gki-key{color:var(--gki-def)}"
    ".gki-label{margin-top:6px;font-weight:600}"
    ".gki-panel .gki-error{color:var(--gki-wrong);background:var(--gki-wrong-soft);white-space:pre-wrap}"
    ".gki-badge{border:1px solid currentColor;border-radius:3px;padding:0 5px;font-size:12px}"
    ".gki-good{color:var(--gki-good)}.gki-wrong{color:var(--gki-wrong)}.gki-changed{color:var(--gki-changed)}"
    ".gki-idle{color:var(--gki-quiet)}"
    ".gki-added td:first-child{color:var(--gki-good)}.gki-removed td:first-child{color:var(--gki-wrong)}"
    ".gki-changes .gki-changed{color:inherit}.gki-changes .gki-changed td:first-child{color:var(--gki-changed)}"
    ".gki-k{color:var(--gki-kw)}.gki-s{color:var(--gki-str)}.gki-n{color:var(--gki-num)}"
    ".gki-c{color:var(--gki-com);font-style:italic}.gki-f,.gki-b{color:var(--gki-def)}.gki-d{color:var(--gki-dec)}"
    "</style>"
)
